"""How far two runs of the same samples are apart, as statistics: counts, rates, timing and decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Floats, Ints, set_field
from ir.check import require
from ir.trace import Trace
from sim_reference.compare.same_runs import check_same_runs, recorded_spikes
from sim_reference.compare.statistics import batch_positions, decision, statistics

TAU_STEPS = 10.0
"""Time constant of the van Rossum distance, in time steps, unless another is asked for."""

COLUMNS_AT_ONCE = 1 << 22
"""Values (samples x neurons) of one time step that are held at once."""


@dataclass(frozen=True, eq=False)
class PopulationDifference:
    """How a population differs between run a and run b.

    Attributes:
        spikes: of a and of b.
        differing: spikes (sample, time step, neuron) that one run has and the other lacks.
        rate_error: (rate of b - rate of a) / rate of a; NaN where a is silent and b is not.
        correlation: of the (samples x neurons) spike counts, Pearson's; NaN where a run's counts are all alike.
        van_rossum: mean distance of a neuron's spike trains in a sample (van Rossum 2001); one spike too many, alone,
            is sqrt(1/2).
        count_difference: (n,) spikes of each neuron, b - a. van_rossum_of_neuron: (n,) mean over samples.
    """

    name: str
    n: int
    spikes: tuple[int, int]
    differing: int
    rate_error: float
    correlation: float
    van_rossum: float
    count_difference: Ints
    van_rossum_of_neuron: Floats

    def __post_init__(self) -> None:
        for name in ("count_difference", "van_rossum_of_neuron"):
            array = np.array(getattr(self, name))
            array.setflags(write=False)
            set_field(self, name, array)


@dataclass(frozen=True, eq=False)
class Difference:
    """Two runs of the same samples in numbers.

    Attributes:
        populations: one entry each, in declaration order.
        decisions: (B,) class of each sample in a and in b, -1 = none.
        flips: (B,) ids of the samples whose decisions differ, in the batch's order.
        accuracy: of a and of b; None without labels.
        tau_steps: time constant of the van Rossum distance, in time steps.
    """

    populations: tuple[PopulationDifference, ...]
    decisions: tuple[Ints, Ints]
    flips: Ints
    accuracy: tuple[float, float] | None
    samples: int
    tau_steps: float

    @property
    def differing(self) -> int:
        """Spikes (sample, time step, neuron) that one run has and the other lacks."""
        return sum(p.differing for p in self.populations)

    @property
    def rate_error(self) -> float:
        """The largest relative error of a population's rate, as a magnitude; infinite where a silent one spikes."""
        errors = [np.inf if np.isnan(p.rate_error) else abs(p.rate_error) for p in self.populations]
        return float(max(errors))


def difference(a: Trace, b: Trace, tau_steps: float = TAU_STEPS) -> Difference:
    """Compare two runs as statistics.

    Raises:
        ValueError: they are not of the same contract, samples and neurons, one of them only counted, or tau is no time.
    """
    check_same_runs(a, b)
    check_tau(tau_steps)
    for trace in (a, b):
        recorded_spikes(trace)  # raises where a run only counted
    return summed(a, b, per_neuron(a, b, tau_steps), (decided(a), decided(b)), tau_steps)


def summed(
    a: Trace, b: Trace, neurons: tuple[Ints, Floats], decisions: tuple[Ints, Ints], tau_steps: float
) -> Difference:
    """The same of two runs whose spikes were looked at already.

    Args:
        neurons: what :func:`per_neuron` gives. decisions: (B,) of a and of b.
    """
    populations = tuple(_population(a, b, name, *neurons) for name, _ in a.populations)
    one, other = decisions
    labels = a.labels if a.labels is not None else b.labels
    right = (
        None if labels is None or not len(labels) else (float((one == labels).mean()), float((other == labels).mean()))
    )
    return Difference(populations, (one, other), a.sample_ids[one != other], right, len(a.sample_ids), tau_steps)


def check_tau(tau_steps: float) -> None:
    """Raise unless it is a time."""
    require(0 < tau_steps < np.inf, f"the van Rossum time constant is {tau_steps} time steps; give more than 0")


def decided(trace: Trace) -> Ints:
    """(B,) decisions, by output spikes, or by membranes where the output never spikes and they were recorded."""
    return decision(trace, statistics(trace).readout)


def _population(a: Trace, b: Trace, name: str, parted: Ints, distance: Floats) -> PopulationDifference:
    at = a.population_slice(name)
    x, y = (np.asarray(trace.counts[:, at], np.int64) for trace in (a, b))
    total = int(x.sum()), int(y.sum())
    same = 0.0 if total[0] == total[1] else float("nan")
    return PopulationDifference(
        name,
        at.stop - at.start,
        total,
        int(parted[at].sum()),
        (total[1] - total[0]) / total[0] if total[0] else same,
        correlation(x.reshape(-1), y.reshape(-1)),
        float(distance[at].mean()),
        (y - x).sum(0),
        distance[at],
    )


def correlation(x: Ints, y: Ints) -> float:
    """Pearson's correlation; 1 of what is alike and constant, NaN where only one of them is constant."""
    if np.array_equal(x, y):
        return 1.0
    dx, dy = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((dx**2).sum() * (dy**2).sum()))
    return float((dx * dy).sum() / scale) if scale > 0 else float("nan")


def differing_spikes(a: Trace, b: Trace, rounds: bool = False) -> int:
    """Spikes (sample, time step, neuron) that one run has and the other lacks; with ``rounds`` also by forward step."""
    check_same_runs(a, b)
    found = _addresses(a, rounds), _addresses(b, rounds)
    codes, sign = np.unique(np.concatenate(found), return_inverse=True)
    weight = np.concatenate([np.ones(len(found[0])), -np.ones(len(found[1]))])
    return int(np.abs(np.bincount(sign.reshape(-1), weight, len(codes))).sum())


def _addresses(trace: Trace, rounds: bool) -> Ints:
    s, (t, _) = recorded_spikes(trace), trace.forward_steps.shape
    code = (batch_positions(trace) * t + s.t) * np.int64(trace.n_neurons) + s.neuron
    return code * np.int64(1 << 24) + s.k if rounds else code


def per_neuron(a: Trace, b: Trace, tau_steps: float) -> tuple[Ints, Floats]:
    """(N,) differing spikes of each neuron, and its mean van Rossum distance over samples.

    The distance of two trains that lie on a grid is a closed form: with ``d`` the difference of their counts in each
    time step, ``D^2 = 1/2 sum_ij d_i d_j exp(-|i - j| / tau)``, here summed in one pass over time steps.
    """
    n_samples, n = a.counts.shape
    parted, distance = np.zeros(n, np.int64), np.zeros(n)
    chunk = max(1, COLUMNS_AT_ONCE // max(n, 1))
    for first in range(0, n_samples, chunk):
        last = min(first + chunk, n_samples)
        own, squared = _one_pass(a, b, range(first, last), tau_steps)
        parted += own
        distance += np.sqrt(squared / 2).sum(0)
    return parted, distance / max(n_samples, 1)


def _one_pass(a: Trace, b: Trace, samples: range, tau_steps: float) -> tuple[Ints, Floats]:
    """(N,) differing spikes and (samples, N) sums of d_i d_j exp(-|i - j| / tau)."""
    shape, kept = (len(samples), a.n_neurons), np.exp(-1.0 / tau_steps)
    steps = [_by_time_step(trace, samples) for trace in (a, b)]
    parted, memory, squared = np.zeros(shape[1], np.int64), np.zeros(shape), np.zeros(shape)
    for t in range(len(a.forward_steps)):
        memory *= kept
        codes = [codes[bounds[t] : bounds[t + 1]] for codes, bounds in steps]
        if not any(map(len, codes)):
            continue
        x, y = (np.bincount(c, minlength=shape[0] * shape[1]).reshape(shape) for c in codes)
        d = x - y
        parted += np.abs(d).sum(0)
        squared += d * (d + 2 * memory)
        memory += d
    return parted, np.maximum(squared, 0)


def _by_time_step(trace: Trace, samples: range) -> tuple[Ints, Ints]:
    """The spikes of some samples as (position x N + neuron), sorted by time step, and where each time step begins."""
    s, position = recorded_spikes(trace), batch_positions(trace)
    mine = np.flatnonzero((position >= samples.start) & (position < samples.stop))
    mine = mine[np.argsort(s.t[mine], kind="stable")]
    bounds = np.searchsorted(s.t[mine], np.arange(len(trace.forward_steps) + 1))
    return (position[mine] - samples.start) * trace.n_neurons + s.neuron[mine], bounds
