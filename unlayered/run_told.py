"""A run in numbers, and as lines for a person: what it counted, what it costs, how long it takes."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from ir.mapped import MappedNetwork
from ir.stimulus import Stimulus
from sim_reference.compare.statistics import Statistics
from sim_reference.compare.summary import readable, summary
from unlayered.clock import told_of_replay
from unlayered.console import facts
from unlayered.costs import cost_facts, cost_of_counts
from unlayered.execute import Run, RunOptions, clockless_chip
from unlayered.safety import other_edges, overflows, warnings
from unlayered.sources import Samples as Stimuli
from unlayered.timed import price_of, timed_facts, timed_numbers


def run_told(
    ran: Run, counts: Statistics, title: str, options: RunOptions, counted: Stimuli | None
) -> tuple[dict[str, Any], list[Table | str]]:
    """A run in numbers, and as lines for a person; with NeuroBench's of what it was given, where asked for."""
    numbers = summary(ran.trace, counts)
    more, lines = _priced(ran) if ran.trace.timing is None else _timed(ran, options)
    value = {**numbers, "outside_envelope": [str(finding) for finding in ran.unsafe], **more}
    if isinstance(ran.network, MappedNetwork):
        lines += other_edges(ran.network, ran.unsafe)
    lines += [*warnings(ran.unsafe), *overflows(ran.trace.limits_reached)]
    if counted is not None:
        found, rows = _counted(ran, counted)
        value, lines = {**value, **found}, [*lines, *rows]
    return value, [facts(title, readable(numbers)), *lines]


def _priced(ran: Run) -> tuple[dict[str, Any], list[Table | str]]:
    """What the mean sample costs on a chip with a barrier, where it is mapped to one."""
    cost = None
    if isinstance(ran.network, MappedNetwork):
        cost = cost_of_counts(ran.network, ran.trace, ran.inputs, ran.delivered)
    costs = {} if cost is None else cost_facts(cost)
    lines: list[Table | str] = [facts("The mean sample costs on the chip", costs.items())] if costs else []
    return {"cost": costs or None}, lines


def _timed(ran: Run, options: RunOptions) -> tuple[dict[str, Any], list[Table | str]]:
    """How long the mean sample takes on a chip without one, and what it costs."""
    assert isinstance(ran.network, MappedNetwork) and ran.trace.timing is not None
    chip = clockless_chip(ran.network, options.chip)
    timed = timed_numbers(ran.trace, chip)
    told = facts(f"The mean sample on {chip.title}", timed_facts(timed, price_of(ran.trace.timing, chip)))
    return {"timing": timed}, [told, *told_of_replay(options, ran.trace)]


def _counted(ran: Run, stimulus: Stimuli) -> tuple[dict[str, Any], list[Table | str]]:
    """What NeuroBench's library counts."""
    from unlayered.neurobench import neurobench_numbers, rows

    given = stimulus if isinstance(stimulus, Stimulus) else stimulus.stimulus()
    numbers = neurobench_numbers(ran.network, ran.trace, given.frames)
    return {"neurobench": numbers}, [facts(f"NeuroBench {numbers['version']}", rows(numbers))]
