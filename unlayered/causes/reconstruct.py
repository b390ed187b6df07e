"""One file and a trace: work out the set-up that left the trace, change by change, each tried on the trace itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.arrays import Ints
from ir.check import require
from ir.graph import layered_order, slices
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import ORDERS, Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.misfits import Misfit, misserved, most_served, replay
from unlayered.causes.local import evidence, guesses
from unlayered.causes.setup import Setup

MOST_SAMPLES, MOST_CHANGES = 8, 4
"""Samples that are replayed, and changes that are looked for in one population."""


def reconstructed(known: Setup, own: Trace, trace: Trace, stimulus: Stimulus) -> Setup:
    """The known set-up with the changes that explain a trace, as far as any were found.

    Args:
        own: the known set-up's run of the same samples.

    Raises:
        ValueError: it is one of floats, or a trace does not tell enough.
    """
    require(not isinstance(known.network, Network), "floats are not replayed; give the integers that ran as the file")
    positions = differing_samples(own, trace)
    seen = _Seen(trace, stimulus, positions)
    found = replace(known, schedule=_schedule(known, trace, positions))
    found = _arithmetic(found, seen)
    for name in [p.name for p in found.network.populations]:
        found = _population(found, name, seen)
    return found


def differing_samples(a: Trace, b: Trace) -> list[int]:
    """Positions of the first samples in which two runs differ in spikes, rounds or states."""
    parted = (a.counts != b.counts).any(1) | (a.forward_steps != b.forward_steps).any(0)
    for name in a.states.keys() & b.states.keys():
        parted |= (a.states[name] != b.states[name]).any((0, 2))
    parted |= _hash(a) != _hash(b)
    return [int(x) for x in np.flatnonzero(parted)[:MOST_SAMPLES]]


def _hash(trace: Trace) -> Ints:
    """(B,) a number for each sample that depends on every spike of it."""
    s = trace.spikes
    assert s is not None
    code = ((s.t * np.int64(31) + s.k) * np.int64(1_000_003) + s.neuron) * np.int64(31) + s.k_served + 1
    order = np.argsort(trace.sample_ids)
    rows = order[np.searchsorted(trace.sample_ids, s.sample, sorter=order)]
    mixed = (code * np.int64(0x9E3779B1)) % np.int64(1 << 40)
    return np.bincount(rows, mixed, len(trace.sample_ids)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a trace shows of some samples."""

    trace: Trace
    stimulus: Stimulus
    positions: Sequence[int]

    def misfits(self, setup: Setup, only: str | None = None, most: int | None = None) -> list[Misfit]:
        """Neurons that a set-up does not explain; no further than ``most``."""
        names = None if only is None else [only]
        return replay(setup.mapped(), self.stimulus, self.trace, setup.schedule, self.positions, names, most)


def _schedule(known: Setup, trace: Trace, positions: Sequence[int]) -> Schedule:
    """The trace's own word on its schedule; where others were served than that says, the rule that explains them."""
    said = trace.schedule
    if _looks_layered(known, trace):
        return said if said.kind == "layered" else replace(said, kind="layered")
    said = said if said.kind == "asynchronous" else replace(said, kind="asynchronous")
    if said.input == "queued":  # events are served, too, and a trace does not hold them
        return said
    tried = [(misserved(known.mapped(), trace, s, positions), i, s) for i, s in enumerate(_schedules(said, trace))]
    return min(tried, key=lambda x: x[:2])[2]


def _schedules(said: Schedule, trace: Trace) -> Iterator[Schedule]:
    """Schedules that may have served so: as said first, then with one thing changed, then with two."""
    sizes = dict.fromkeys((said.F, most_served(trace), None))
    orders = dict.fromkeys((said.order, *ORDERS))
    both = [(f, order) for f in sizes for order in orders]
    for f, order in sorted(both, key=lambda x: (x[0] != said.F) + (x[1] != said.order)):
        yield replace(said, F=f, order=order)


def _looks_layered(known: Setup, trace: Trace) -> bool:
    """Whether every spike lies at its population's place, served at once, in as many rounds as there are places."""
    order, s = layered_order(known.network), trace.spikes
    assert s is not None
    place = np.concatenate([np.full(p.n, order.place[p.name]) for p in known.network.populations])
    steps = bool((trace.forward_steps == order.n_places).all())
    return steps and bool((s.k == place[s.neuron]).all()) and bool((s.k_served == s.k).all())


def _arithmetic(setup: Setup, seen: _Seen) -> Setup:
    """The registers under which the fewest neurons misfit; others than the file's where they explain most of it."""
    assert isinstance(setup.network, QuantizedNetwork)
    least = len(seen.misfits(setup))
    chosen = setup
    for name in ARITHMETICS if least else ():
        other = replace(setup, network=replace(setup.network, arithmetic=name))
        n = len(seen.misfits(other, most=least)) if name != setup.network.arithmetic else least
        if 2 * n < least:
            chosen, least = other, n
    return chosen


def _population(setup: Setup, name: str, seen: _Seen) -> Setup:
    """Change by change, the one that leaves the fewest misfits at a population, as long as each helps."""
    for _ in range(MOST_CHANGES):
        misfits = seen.misfits(setup, name)
        if not misfits:
            break
        best, least = None, len(misfits)
        for guess in guesses(setup, evidence(setup.network, name, misfits, seen.stimulus, seen.trace)):
            try:
                n = len(seen.misfits(guess, name, least))
            except ValueError:  # what no executor could run left no trace
                continue
            if n < least:
                best, least = guess, n
            if not n:
                break
        if best is None:
            break
        setup = best
    return setup


def unexplained(setup: Setup, trace: Trace, stimulus: Stimulus, positions: Sequence[int]) -> dict[str, int]:
    """How many neurons of each population still misfit."""
    found = {x.neuron for x in _Seen(trace, stimulus, positions).misfits(setup)}
    blocks = slices(setup.network.populations)
    counts = {name: sum(at.start <= i < at.stop for i in found) for name, at in blocks.items()}
    return {name: n for name, n in counts.items() if n}
