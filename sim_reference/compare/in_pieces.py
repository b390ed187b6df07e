"""Two runs compared some samples at a time, however each lies in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from ir.arrays import Floats, Ints
from ir.trace import Trace
from ir.trace_parts import select
from sim_reference.compare.difference import Difference, check_tau, per_neuron, summed
from sim_reference.compare.divergence import Divergence, first_divergence
from sim_reference.compare.equality import Equality, equality
from sim_reference.compare.gathered import Numbers, numbers_of, statistics_of
from sim_reference.compare.same_runs import check_same_runs


class InPieces(Protocol):
    """A trace of which some samples are held at a time."""

    @property
    def rest(self) -> Trace:
        """All samples; spikes and states may be missing."""
        ...

    def __len__(self) -> int: ...

    def piece(self, i: int) -> Trace:
        """Successive samples of the batch, with spikes and states."""
        ...

    @property
    def ends(self) -> list[int]:
        """Behind the last sample of each piece, counted from the first piece's first."""
        ...


@dataclass(frozen=True, eq=False)
class Whole:
    """A trace in memory: one piece."""

    trace: Trace

    @property
    def rest(self) -> Trace:
        return self.trace

    def __len__(self) -> int:
        return 1

    def piece(self, i: int) -> Trace:
        return self.trace

    @property
    def ends(self) -> list[int]:
        return [len(self.trace.sample_ids)]


class _Reader:
    """Cuts samples out of the piece that holds them; holds one piece."""

    def __init__(self, value: InPieces) -> None:
        self.value, self.held = value, -1
        self.begins = [0, *value.ends]

    def samples(self, begin: int, end: int) -> Trace:
        """Samples ``begin`` to ``end`` - 1, which lie in one piece."""
        i = max(0, int(np.searchsorted(self.value.ends, begin, "right")))
        i = min(i, len(self.value) - 1)
        if i != self.held:
            self.trace = None  # before the next is read: two would not fit
            self.trace, self.held = self.value.piece(i), i
        assert self.trace is not None
        first = self.begins[i]
        return select(self.trace, slice(begin - first, end - first))


def side_by_side(a: InPieces, b: InPieces) -> Iterator[tuple[int, Trace, Trace]]:
    """The position of the first, and the same samples of both, as few at a time as the smaller pieces hold.

    Raises:
        ValueError: the runs are not of the same contract, samples and neurons.
    """
    check_same_runs(a.rest, b.rest)
    readers = _Reader(a), _Reader(b)
    bounds = sorted({0, *a.ends, *b.ends})
    for begin, end in pairwise(bounds) if len(bounds) > 1 else [(0, 0)]:
        yield begin, readers[0].samples(begin, end), readers[1].samples(begin, end)


def compared(a: InPieces, b: InPieces) -> tuple[Equality, Divergence | None]:
    """How much of two traces agrees, and the first event in which they part; None where they are equal.

    Raises:
        ValueError: as ``equality``.
    """
    samples = spikes = values = differing = 0
    parted: Divergence | None = None
    for begin, one, other in side_by_side(a, b):
        found = equality(one, other)
        samples, spikes = samples + found.samples, spikes + found.spikes_compared
        values, differing = values + found.values_compared, differing + found.differing
        if parted is None and (found.differing or not _same_host(one, other)):
            parted = later(first_divergence(one, other), begin)
    return Equality(samples, spikes, values, differing), parted


def _same_host(a: Trace, b: Trace) -> bool:
    return a.host is None or b.host is None or np.array_equal(a.host, b.host)


def later(found: Divergence | None, begin: int) -> Divergence | None:
    """A divergence in a part of the batch that begins at ``begin``, in the whole of it."""
    return None if found is None else replace(found, position=found.position + begin)


class Gathered:
    """The difference of two runs, piece by piece."""

    def __init__(self, tau_steps: float) -> None:
        check_tau(tau_steps)
        self.tau_steps = tau_steps
        self.parted: Ints | int = 0
        self.distance: Floats | float = 0.0
        self.numbers: tuple[list[Numbers], list[Numbers]] = [], []

    def add(self, a: Trace, b: Trace) -> None:
        """Take some samples of both."""
        parted, distance = per_neuron(a, b, self.tau_steps)
        self.parted, self.distance = self.parted + parted, self.distance + distance * len(a.sample_ids)
        for numbers, trace in zip(self.numbers, (a, b)):
            numbers.append(numbers_of(trace))

    def difference(self) -> Difference:
        """What ``difference`` gives of the whole runs."""
        (a, one), (b, other) = (statistics_of(numbers) for numbers in self.numbers)
        mean = self.distance / max(len(a.sample_ids), 1)
        assert isinstance(mean, np.ndarray) and isinstance(self.parted, np.ndarray)
        return summed(a, b, (self.parted, mean), (one.decision, other.decision), self.tau_steps)
