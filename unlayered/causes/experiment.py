"""Causes found by experiment: every setting that differs is switched, alone and with others, and the runs compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.compare.difference import differing_spikes
from unlayered.causes.lift import scaled
from unlayered.causes.setup import KINDS, Setting, Setup, all_of

Run = Callable[[Setup], Trace]
"""Runs a set-up on the samples at hand."""

Done = Callable[[int, int], None]
"""Called with how many runs are done, and of how many."""


@dataclass(frozen=True)
class Tried:
    """A setting in which a and b differ, and what switching it did.

    Shares are of the spikes in which a and b differ; they need not add up.

    Attributes:
        kind: a name of ``unlayered.causes.setup.KINDS``. population: None = the whole network's, or all populations'.
        what: from a to b.
        alone: share that goes where b alone is given a's setting.
        added: share that comes where a alone is given b's setting.
        together: share that is gone once this and all before it are switched back; None = not among those.
        refused: why it could not be tried; None = it was.
        combined: whether it stands for several populations, each with an entry of its own.
    """

    kind: str
    population: str | None
    what: str
    alone: float | None
    added: float | None
    together: float | None = None
    refused: str | None = None
    combined: bool = False

    @property
    def effect(self) -> float:
        """The larger of what it removes and what it brings about; 0 where it changed nothing or was refused."""
        return max(self.alone or 0.0, self.added or 0.0)

    @property
    def acts(self) -> bool:
        """Whether switching it changed any spike that differs."""
        return bool(self.alone) or bool(self.added)


@dataclass(frozen=True)
class Experiments:
    """All that was tried on one pair.

    Attributes:
        tried: in the order in which they were switched back together; combined ones behind.
        left: share of the differing spikes that is left with all switched back.
        runs: how often a network was run.
    """

    tried: tuple[Tried, ...]
    left: float
    runs: int


OverSamples = Callable[[Callable[[Any, Stimulus], Trace], Any, Stimulus], Trace]
"""``work(value, stimulus)``: in this process, or shards of the samples over others."""


def here(work: Callable[[Any, Stimulus], Trace], value: Any, stimulus: Stimulus) -> Trace:
    """All samples in this process."""
    return work(value, stimulus)


def runner(stimulus: Stimulus, record: tuple[str, ...] = (), by: OverSamples = here) -> Run:
    """Runs floats in the trainer's engine (E0), integers in the compiled reference simulator (E2)."""

    def run(setup: Setup) -> Trace:
        return by(run_setup, (setup, record), stimulus)

    return run


def run_setup(what: tuple[Setup, tuple[str, ...]], stimulus: Stimulus) -> Trace:
    """Run a set-up and record these states of its neurons."""
    setup, record = what
    if isinstance(setup.network, Network):
        from trainer.execute import run as run_floats

        network = setup.network
        if setup.units is not None:
            network = scaled(network, {name: 1 / scale for name, scale in setup.units.items()})
        return run_floats(network, stimulus, setup.schedule, record=record, core_of_neuron=setup.cores)
    from sim_reference.fast import run as run_integers

    return run_integers(setup.mapped(), stimulus, setup.schedule, record=record)


@dataclass(frozen=True)
class Measure:
    """How far a run is from another: differing spikes, by forward step between integers.

    Where floats take part, forward steps count only if nothing else differs: rounding moves many spikes by a step.
    """

    whole: int
    rounds: bool

    @staticmethod
    def of(a: Trace, b: Trace) -> Measure:
        """The measure for a pair; ``whole`` is 0 where no spike differs."""
        floats = "E0" in (a.executor, b.executor)
        n = differing_spikes(a, b) if floats else 0
        return Measure(n, False) if n else Measure(differing_spikes(a, b, rounds=True), True)

    def share(self, a: Trace, b: Trace) -> float:
        """Differing spikes, as a share of those of the pair."""
        return differing_spikes(a, b, self.rounds) / self.whole


class _Bench:
    """The two set-ups of an experiment, and how far apart any run is from a's."""

    def __init__(self, a: Setup, b: Setup, target: Trace, measure: Measure, run: Run, done: Done, total: int) -> None:
        self.a, self.b, self.target, self.measure, self.run = a, b, target, measure, run
        self.done, self.total, self.runs = done, total, 0

    def apart(self, setup: Setup) -> float:
        self.runs += 1
        self.done(self.runs, max(self.total, self.runs))
        return self.measure.share(self.target, self.run(setup))


def experiments(
    a: Setup, b: Setup, target: Trace, measure: Measure, settings: Sequence[Setting], run: Run, done: Done
) -> Experiments:
    """Switch every setting alone, both ways, then one after the other.

    Args:
        target: a's run. measure: of a's and b's runs.
    """
    order = sorted(settings, key=lambda s: list(KINDS).index(s.kind))  # stable: populations stay in their order
    groups = [[s for s in order if s.kind == kind and s.population is not None] for kind in KINDS]
    combined = [all_of(group[0].kind, group) for group in groups if len(group) > 1]
    bench = _Bench(a, b, target, measure, run, done, 3 * len(order) + 2 * len(combined) + 2)
    start, floor = bench.apart(b), bench.apart(a)  # the latter is 0 but for floats in other units, added in other order
    alone = [_alone(bench, s, start, floor, s in combined) for s in [*order, *combined]]
    tried, left, b_now = [], start, b
    for setting, entry in zip(order, alone):
        if entry.refused is None:
            try:
                b_next = setting.switch(b_now, a)
                left = bench.apart(b_next)
                b_now = b_next
                entry = replace(entry, together=1.0 - left)
            except ValueError as error:
                entry = replace(entry, refused=str(error))
        tried.append(entry)
    return Experiments((*tried, *alone[len(order) :]), left, bench.runs)


def _alone(bench: _Bench, setting: Setting, start: float, floor: float, combined: bool) -> Tried:
    """One setting both ways; what no executor can run is said instead."""
    row = Tried(setting.kind, setting.population, setting.what, None, None, combined=combined)
    why: list[str] = []
    try:
        row = replace(row, alone=start - bench.apart(setting.switch(bench.b, bench.a)))
    except ValueError as error:
        why.append(str(error))
    try:
        row = replace(row, added=bench.apart(setting.switch(bench.a, bench.b)) - floor)
    except ValueError as error:
        why.append(str(error))
    return replace(row, refused="; ".join(dict.fromkeys(why)) if len(why) == 2 else None)
