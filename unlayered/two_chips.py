"""The same networks on two kinds of chip: one whose cores meet at a barrier, and one whose cores wait for nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from ir.timing import EffectLog
from ir.trace import Trace
from mapper import map_network
from sim_reference.compare.statistics import statistics
from unlayered.report.timeline import timeline
from unlayered.safety import THIS_INPUT, check_safe
from unlayered.timed import PJ, in_time, in_units, price_of, timed_numbers

COLUMNS = ("trained", "chip", "next_frame", "accuracy", "spikes_per_sample", "energy", "time", "first_output")

IN_A_TERMINAL = ("trained", "chip", "next_frame", "accuracy", "energy", "time")
"""As many columns as 80 characters hold; ranges stand in the report."""

WORDS = (
    "With a barrier a forward step ends when the last core is done: the asynchronous network takes more of them and "
    "pays a barrier for each, so that it may take longer although it spikes less. Without one a spike costs its events "
    "and nobody waits. There the next frame enters when nothing of the last is left: to know that at once is an ideal, "
    "so the next line gives it the time of the first chip's barrier. Times are of a sample; the report adds ranges and "
    "the time to its first output spike."
)


def in_a_terminal(row: dict[str, Any]) -> list[Any]:
    """A row of ``IN_A_TERMINAL``, without ranges."""
    short = {name: row[name] and str(row[name]).partition(" (")[0] for name in ("energy", "time")}
    return [{**row, **short}[name] for name in IN_A_TERMINAL]


def clockless_chip(neurons_per_core: int, name: str = "seneca") -> Chip:
    """The chip without a barrier, with as few neurons a core as the other one has."""
    chip = find_chip(name)
    return replace(chip, limits=replace(chip.limits, max_neurons=neurons_per_core))


def with_barrier(trained: str, trace: Trace, chip: Chip, cost: dict[str, Any]) -> dict[str, Any]:
    """The row of a run on a chip with a barrier, whose cost was estimated from counts."""
    numbers = statistics(trace)
    return {
        "trained": trained,
        "chip": chip.title,
        "next_frame": "at the barrier",
        "accuracy": numbers.accuracy,
        "spikes_per_sample": float(numbers.spikes_per_sample.mean()),
        "energy": cost.get("energy"),
        "time": cost.get("time"),
        "first_output": None,
    }


def without_barrier(
    trained: str, network: Network, chip: Chip, barrier_ns: float, stimulus: Stimulus
) -> tuple[MappedNetwork, list[dict[str, Any]], str]:
    """Map a trained network to a clockless chip and time it there.

    Args:
        barrier_ns: what a second run lets the detection of quiescence take.

    Returns:
        The mapped network, a row for each way of detecting, and cores over time of the first sample as an SVG.
    """
    mapped = map_network(network, chip)
    check_safe(mapped.network, chip, stimulus.frames, False, THIS_INPUT)
    logs: dict[int, EffectLog] = {}
    rows: list[dict[str, Any]] = []
    picture = ""
    for detect_ps in (0, round(barrier_ns * 1000)):
        trace = timed(mapped, stimulus, detect_ps, logs)
        if not picture:
            picture = timeline(trace, logs[0], 0)
        rows.append(_row(trained, trace, chip, detect_ps))
    return mapped, rows, picture


def timed(mapped: MappedNetwork, stimulus: Stimulus, detect_ps: int, logs: dict[int, EffectLog]) -> Trace:
    """A timed run that keeps the log of each sample."""
    from targets.clockless.options import Timekeeping
    from targets.clockless.run import run

    return run(mapped, stimulus, time=Timekeeping(frame_detect_ps=detect_ps), on_log=logs.__setitem__)


def _row(trained: str, trace: Trace, chip: Chip, detect_ps: int) -> dict[str, Any]:
    numbers, times = statistics(trace), timed_numbers(trace, chip)
    assert trace.timing is not None
    price = price_of(trace.timing, chip)
    return {
        "trained": trained,
        "chip": chip.title,
        "next_frame": f"{detect_ps / 1000:g} ns after quiescence",
        "accuracy": numbers.accuracy,
        "spikes_per_sample": float(numbers.spikes_per_sample.mean()),
        "energy": None if price is None else in_units(price.energy_pj, PJ),
        "time": in_time(times["sample_ps"]),
        "first_output": in_time(times["first_output_ps"]),
    }
