"""Spikes in numbers, population by population: of one run, and of two runs held to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Ints
from ir.trace import Trace
from ir.trace_parts import select
from sim_reference.compare.statistics import batch_positions


@dataclass(frozen=True)
class PopulationSpikes:
    """A population in one run.

    Attributes:
        rate: spikes a neuron and time step. silent: share of its neurons that never spike.
        interval: mean time steps between two spikes of a neuron in a sample. irregularity: of these intervals, their
            standard deviation over their mean; both NaN without any.
    """

    name: str
    neurons: int
    spikes: int
    rate: float
    silent: float
    interval: float
    irregularity: float


def population_spikes(trace: Trace) -> list[PopulationSpikes]:
    """Count and time a run's spikes, population by population."""
    t, b = trace.forward_steps.shape
    intervals, neuron = _intervals(trace)
    found: list[PopulationSpikes] = []
    for name, n in trace.populations:
        at = trace.population_slice(name)
        counts = trace.counts[:, at].astype(np.int64)
        own = intervals[(neuron >= at.start) & (neuron < at.stop)]
        mean = float(own.mean()) if own.size else float("nan")
        spread = float(own.std()) / mean if own.size and mean else float("nan")
        rate = float(counts.sum()) / max(b * t * n, 1)
        found.append(PopulationSpikes(name, n, int(counts.sum()), rate, float((~counts.any(0)).mean()), mean, spread))
    return found


def _intervals(trace: Trace) -> tuple[Ints, Ints]:
    """Time steps between successive spikes of a neuron in a sample, and which neuron's."""
    s = trace.spikes
    if s is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((s.k, s.t, s.neuron, s.sample))
    sample, neuron, t = s.sample[order], s.neuron[order].astype(np.int64), s.t[order].astype(np.int64)
    same = (sample[1:] == sample[:-1]) & (neuron[1:] == neuron[:-1])
    return np.diff(t)[same], neuron[1:][same]


@dataclass(frozen=True)
class PopulationPair:
    """A population in two runs of the same samples.

    Attributes:
        spikes: of each. alone: spikes that only the one, only the other has.
        correlation: of the neurons' spike counts, sample by sample; NaN where a run's are all alike.
    """

    name: str
    spikes: tuple[int, int]
    alone: tuple[int, int]
    correlation: float


def population_pairs(a: Trace, b: Trace) -> list[PopulationPair]:
    """Hold two runs of the same samples to each other, population by population.

    Under one schedule a spike is the same where sample, time step, forward step and neuron are; under two, whose
    forward steps mean different things, without the forward step.
    """
    only_a, only_b = alone(a, b)
    assert a.spikes is not None and b.spikes is not None
    found: list[PopulationPair] = []
    for name, _ in a.populations:
        at = a.population_slice(name)
        x, y = (trace.counts[:, at].astype(np.float64).reshape(-1) for trace in (a, b))
        parts = [(only, s.neuron) for only, s in ((only_a, a.spikes), (only_b, b.spikes))]
        n = [int((only & (neuron >= at.start) & (neuron < at.stop)).sum()) for only, neuron in parts]
        found.append(PopulationPair(name, (int(x.sum()), int(y.sum())), (n[0], n[1]), _correlation(x, y)))
    return found


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if np.array_equal(x, y):
        return 1.0
    if x.size == 0 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def same_rounds(a: Trace, b: Trace) -> bool:
    """Whether forward steps mean the same in two runs: one schedule, and both timed or neither."""
    return a.schedule == b.schedule and (a.timing is None) == (b.timing is None)


def alone(a: Trace, b: Trace) -> tuple[Bits, Bits]:
    """Which spikes of each run the other lacks."""
    rounds = same_rounds(a, b)
    most = 1 + max(int(trace.forward_steps.max(initial=0)) for trace in (a, b))
    one, other = (_codes(trace, rounds, most) for trace in (a, b))
    return ~np.isin(one, other), ~np.isin(other, one)


def _codes(trace: Trace, rounds: bool, most: int) -> Ints:
    """One value a spike; of several of a neuron in a time step, where rounds do not count, the first, second, ...

    Args:
        most: above every forward step, and so above how often a neuron fires in a time step.
    """
    s, t = trace.spikes, len(trace.forward_steps)
    assert s is not None
    place = (batch_positions(trace).astype(np.int64) * t + s.t) * np.int64(trace.n_neurons) + s.neuron
    if rounds:
        rank = s.k.astype(np.int64)
    else:
        order = np.argsort(place, kind="stable")
        ranked = place[order]
        rank = np.empty(len(place), np.int64)
        rank[order] = np.arange(len(place)) - np.searchsorted(ranked, ranked)
    if trace.counts.shape[0] * t * trace.n_neurons < (1 << 62) // most:
        return place * most + rank
    return np.ascontiguousarray(np.stack([place, rank], 1)).view([("", np.int64)] * 2).reshape(-1)


def shared(a: Trace, b: Trace) -> tuple[Trace, Trace] | None:
    """The samples that both runs have, in the first one's order; None where they are not runs of the same neurons,
    time steps and contract, share no sample, or only counted."""
    unlike = a.populations != b.populations or len(a.forward_steps) != len(b.forward_steps) or a.contract != b.contract
    if unlike or a.spikes is None or b.spikes is None:
        return None
    place = {int(x): i for i, x in enumerate(b.sample_ids)}
    mine = [i for i, x in enumerate(a.sample_ids) if int(x) in place]
    if not mine:
        return None
    theirs = [place[int(a.sample_ids[i])] for i in mine]
    return select(a, np.array(mine)), select(b, np.array(theirs))


def of_sample(trace: Trace, sample: int) -> Trace:
    """One sample of a run."""
    return select(trace, np.flatnonzero(trace.sample_ids == sample))
