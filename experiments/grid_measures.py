"""What a run says of decisions: by the first output spike, by counts; spikes and forward steps until then and after."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ir.arrays import Ints
from ir.trace import Trace
from sim_reference.compare.settling import settled
from sim_reference.compare.statistics import batch_positions, decision

KEPT = ("first_right", "right", "first_steps", "first_spikes", "drained_spikes")
"""What of each sample is kept in a row: what networks are compared by, sample by sample."""

BUDGETS = (5, 10, 15, 20, 30, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 700, 1000, 1400, 2000, 3000, 5000)
"""Spikes of a sample, of the curves of early decisions; the first rows end at 1,000."""

STEPS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 32, 36, 40, 50, 60, 80, 100, 150, 200, 300, 400, 600, 1000, 1500, 2500)
"""Forward steps of a sample, likewise; the first rows end at 1,000."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """Of each sample, (B,) each; who never decides is wrong, and counted until drained.

    Attributes:
        first_right: whether the class of the first output spike is right; of several in a forward step the smallest
            index counts.
        right: whether the class with most output spikes is.
        first_steps, first_spikes: forward steps and spikes of the network until the first output spike, its own forward
            step included.
        stands_steps, stands_spikes: until the class with most output spikes no longer changes.
        drained_steps, drained_spikes: of the whole sample.
    """

    first_right: Ints
    right: Ints
    first_steps: Ints
    first_spikes: Ints
    stands_steps: Ints
    stands_spikes: Ints
    drained_steps: Ints
    drained_spikes: Ints

    def means(self) -> dict[str, float]:
        """Their means over samples."""
        return {f.name: round(float(np.mean(getattr(self, f.name))), 5) for f in fields(self)}

    def packed(self) -> dict[str, str]:
        """What is compared sample by sample, in short."""
        return {name: packed(getattr(self, name)) for name in KEPT}


def decisions(trace: Trace) -> Decisions:
    """Read a trace that has spikes and labels."""
    assert trace.spikes is not None and trace.labels is not None
    s, position = trace.spikes, batch_positions(trace)
    clock = _clock(trace, position)
    n = len(trace.sample_ids)
    drained = trace.forward_steps.sum(0, dtype=np.int64)
    output = trace.population_slice(trace.output)
    out = np.flatnonzero((s.neuron >= output.start) & (s.neuron < output.stop))
    who, place = np.unique(position[out], return_index=True)  # spikes are sorted by time, then by neuron
    first, steps = np.full(n, -1, np.int64), drained.copy()
    first[who], steps[who] = s.neuron[out[place]] - output.start, clock[out[place]]
    stands = settled(trace)
    stands = np.where(stands < 0, drained, stands)

    def until(limit: Ints) -> Ints:
        return np.bincount(position[clock <= limit[position]], minlength=n)

    return Decisions(
        (first == trace.labels).astype(np.int64),
        (decision(trace, "count") == trace.labels).astype(np.int64),
        steps,
        until(steps),
        stands,
        until(stands),
        drained,
        trace.counts.sum(1, dtype=np.int64),
    )


def curve(trace: Trace, budgets: Sequence[int], by_steps: bool = False) -> list[float]:
    """Accuracy where each sample stops as soon as the next forward step would spend more spikes than a budget, or more
    forward steps.

    The class with most output spikes until then is the decision, ties to the smallest index; none is wrong.
    """
    assert trace.spikes is not None and trace.labels is not None
    s, position = trace.spikes, batch_positions(trace)
    n, output = len(trace.sample_ids), trace.population_slice(trace.output)
    n_classes = output.stop - output.start
    spent = _clock(trace, position) if by_steps else _spent(trace, position)
    out = (s.neuron >= output.start) & (s.neuron < output.stop)
    place = position * n_classes + s.neuron - output.start
    found: list[float] = []
    for budget in budgets:
        counts = np.bincount(place[out & (spent <= budget)], minlength=n * n_classes).reshape(n, n_classes)
        decided = np.where(counts.any(1), counts.argmax(1), -1)
        found.append(round(float((decided == trace.labels).mean()), 5))
    return found


def _clock(trace: Trace, position: Ints) -> Ints:
    """(n,) forward steps of a spike's sample until it is fired, its own included."""
    assert trace.spikes is not None
    before = np.cumsum(trace.forward_steps, 0, dtype=np.int64) - trace.forward_steps
    return before[trace.spikes.t, position] + trace.spikes.k + 1


def _spent(trace: Trace, position: Ints) -> Ints:
    """(n,) spikes of a spike's sample until the forward step in which it is fired is over."""
    assert trace.spikes is not None
    s = trace.spikes
    most = int(trace.forward_steps.max(initial=0)) + 1
    step = (position * trace.forward_steps.shape[0] + s.t) * most + s.k
    order = np.argsort(step, kind="stable")
    last = np.searchsorted(step[order], step, side="right")
    before = np.searchsorted(position[order], np.arange(len(trace.sample_ids)))
    return last - before[position]


def packed(values: Ints) -> str:
    """Whole numbers from 0 to 65,535, compressed, as text.

    >>> unpacked(packed(np.array([3, 0, 700]))).tolist()
    [3, 0, 700]
    """
    return base64.b64encode(zlib.compress(np.asarray(values).astype("<u2").tobytes(), 9)).decode()


def unpacked(text: str) -> Ints:
    """The same back."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u2").astype(np.int64)


def resampled(n: int, draws: int, seed: int = 0) -> Ints:
    """(draws, n) places of samples, drawn with replacement: the same for all networks, which pairs them."""
    return np.random.default_rng(seed).integers(0, n, (draws, n))


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of a bootstrap's values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def difference(a: np.ndarray, b: np.ndarray, places: Ints) -> tuple[float, float, float]:
    """Mean of ``a`` less that of ``b``, and its 95 % interval; (seeds, B) each, paired by sample."""
    x, y = a.mean(0), b.mean(0)
    return (float(x.mean() - y.mean()), *interval(x[places].mean(1) - y[places].mean(1)))


def ratio(a: np.ndarray, b: np.ndarray, places: Ints) -> tuple[float, float, float]:
    """Mean of ``a`` over that of ``b``, and its 95 % interval."""
    x, y = a.mean(0), b.mean(0)
    return (float(x.mean() / y.mean()), *interval(x[places].mean(1) / y[places].mean(1)))


def compared(row: dict[str, Any]) -> dict[str, Ints]:
    """What a cell keeps of each sample, by name."""
    return {name: unpacked(row[name]) for name in KEPT}
