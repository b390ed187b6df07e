"""How much of two traces agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arrays import Bits, Ints
from ir.trace import Spikes, Trace
from ir.trace_parts import select
from sim_reference.compare.same_runs import check_same_runs, compared_columns, recorded_spikes

ADDRESS = ("sample", "t", "k", "neuron")
"""The columns that say which spike it is."""


@dataclass(frozen=True)
class Equality:
    """Two runs of the same samples, value by value.

    Attributes:
        samples: of the runs.
        spikes_compared: spike addresses (sample, t, k, neuron) that at least one of the traces holds.
        values_compared: forward steps, and states at the end of time steps that both runs recorded.
        differing: spikes that only one trace holds or that differ in membrane, serving round or payload, and differing
            values.
    """

    samples: int
    spikes_compared: int
    values_compared: int
    differing: int


def equality(a: Trace, b: Trace) -> Equality:
    """Count on how much two traces agree; exactly, without tolerance.

    Raises:
        ValueError: the traces are not of the same contract, samples and neurons, or one of them only counted.
    """
    check_same_runs(a, b)
    union, parted = _spikes(recorded_spikes(a), recorded_spikes(b))
    shared = [(state, b.states[name]) for name, state in a.states.items() if name in b.states]
    both = [(a.forward_steps, b.forward_steps), *shared]
    unequal = sum(int((x != y).sum()) for x, y in both)
    return Equality(len(a.sample_ids), union, sum(x.size for x, _ in both), parted + unequal)


def _spikes(a: Spikes, b: Spikes) -> tuple[int, int]:
    """How many spikes there are in either trace, and on how many they disagree."""
    if len(a) == len(b) and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ADDRESS):
        return len(a), int(_changed(a, b, slice(None), slice(None)).sum())
    rows_a, rows_b = _addresses(a, b)
    both, in_a, in_b = np.intersect1d(rows_a, rows_b, assume_unique=True, return_indices=True)
    union = len(rows_a) + len(rows_b) - len(both)
    return union, union - len(both) + int(_changed(a, b, in_a, in_b).sum())


def _changed(a: Spikes, b: Spikes, in_a: Any, in_b: Any) -> Bits:
    """Which spikes of both traces, at these rows of each, say something else of themselves."""
    return np.any([getattr(a, name)[in_a] != getattr(b, name)[in_b] for name in compared_columns(a, b)], 0)


def _addresses(*traces: Spikes) -> list[Ints]:
    """(n,) one value a spike address, the same in all traces; the rows of one trace are distinct."""
    samples = np.unique(np.concatenate([s.sample for s in traces]))
    sides = [1 + max(int(getattr(s, name).max(initial=0)) for s in traces) for name in ("t", "k", "neuron")]
    if len(samples) * np.prod(sides, dtype=object) < 1 << 63:  # sorted far sooner as one whole number
        return [np.ravel_multi_index((np.searchsorted(samples, s.sample), s.t, s.k, s.neuron), (len(samples), *sides))
                for s in traces]  # fmt: skip
    columns = [np.stack([getattr(s, name) for name in ADDRESS], 1).astype(np.int64) for s in traces]
    return [np.ascontiguousarray(rows).view([("", np.int64)] * 4).reshape(-1) for rows in columns]


def first_samples(trace: Trace, n: int) -> Trace:
    """The first ``n`` samples of a trace."""
    return select(trace, slice(n))
