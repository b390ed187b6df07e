"""What served spikes and taken input add up to: the drive of the next forward step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from ir.connection import Dense, source_lists
from ir.graph import slices
from ir.quantized import FixedProjection, QuantizedNetwork
from targets.lava.registers import INT32, none_reached, wrap_two_sided


@dataclass(frozen=True)
class Ends:
    """Which part of the source vector (neurons, then inputs) a projection reads, and how its sum is shifted.

    Attributes:
        n: length of the drive.
    """

    start: int
    stop: int
    exponent: int
    n: int

    def shifted(self, total: Ints) -> Ints:
        """The sum after its shift; right shifts floor."""
        return total << self.exponent if self.exponent >= 0 else total >> -self.exponent


@dataclass(frozen=True, eq=False)
class DenseWires:
    """A matrix.

    Attributes:
        post: (n_post,) rows of the drive.
        rows: (n_pre, n_post) weights.
    """

    ends: Ends
    post: Ints
    rows: Ints

    def drive(self, sources: Ints, counts: Ints) -> Ints:
        """(n,) ``W s`` shifted, from the active ``sources`` (counted from 0) and how often each is delivered."""
        total = np.zeros(self.ends.n, np.int64)
        total[self.post] = counts @ self.rows[sources]
        return self.ends.shifted(total)


@dataclass(frozen=True, eq=False)
class ListedWires:
    """Synapses by source: those of source i are ``indptr[i]:indptr[i + 1]``.

    Attributes:
        targets: rows of the drive.
    """

    ends: Ends
    indptr: Ints
    targets: Ints
    weight: Ints

    def drive(self, sources: Ints, counts: Ints) -> Ints:
        """As for :class:`DenseWires`."""
        first, length = self.indptr[sources], self.indptr[sources + 1] - self.indptr[sources]
        offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        at = np.repeat(first, length) + offset
        total = np.zeros(self.ends.n, np.int64)
        np.add.at(total, self.targets[at], self.weight[at] * np.repeat(counts, length))
        return self.ends.shifted(total)


Wires = DenseWires | ListedWires


def wires_onto(network: QuantizedNetwork, neurons: Ints) -> tuple[Wires, ...]:
    """The synapses of every projection that end on ``neurons`` (sorted global indices)."""
    where = slices(network.populations)
    sources = dict(where)
    for name, at in slices(network.inputs).items():
        sources[name] = slice(network.n_neurons + at.start, network.n_neurons + at.stop)
    row_of = np.full(network.n_neurons, -1)
    row_of[neurons] = np.arange(neurons.size)
    wires = (_wire(p, sources[p.pre], row_of[where[p.post]], neurons.size) for p in network.projections)
    return tuple(w for w in wires if w is not None)


def _wire(projection: FixedProjection, source: slice, row_of: Ints, n: int) -> Wires | None:
    held = row_of >= 0
    if not held.any():
        return None
    ends = Ends(source.start, source.stop, projection.weight_exp, n)
    if isinstance(projection.connection, Dense):
        rows = np.ascontiguousarray(projection.connection.weight[held].T, dtype=np.int64)
        return DenseWires(ends, row_of[held], rows)
    lists = source_lists(projection.connection)
    kept = held[lists.post]
    indptr = np.concatenate([[0], np.cumsum(kept)])[lists.indptr]
    return ListedWires(ends, indptr, row_of[lists.post[kept]], lists.weight[kept].astype(np.int64))


class Synapses:
    """All wires onto a group of neurons.

    Attributes:
        reached: how often each edge acted.
    """

    def __init__(self, network: QuantizedNetwork, neurons: Ints) -> None:
        self.wires = wires_onto(network, neurons)
        self.n = neurons.size
        self.n_neurons = network.n_neurons
        self.reached = none_reached(network)

    def drive(self, served: Int32s, counts: Int32s | None) -> Ints:
        """The drive of what was delivered; each projection's shifted sum wraps in int32, then their sum does.

        Args:
            served: (N,) how often each neuron was, or (N + N_in,) where inputs queue too.
            counts: (N_in,) what the input sent; None = nothing.

        Returns:
            (n,).
        """
        total = np.zeros(self.n, np.int64)
        active = np.flatnonzero(served)
        delivered = served[active].astype(np.int64)
        if counts is not None:
            sent = np.flatnonzero(counts)
            active = np.concatenate([active, self.n_neurons + sent])
            delivered = np.concatenate([delivered, counts[sent].astype(np.int64)])
        if active.size == 0:
            return total
        for wire in self.wires:
            low, high = np.searchsorted(active, (wire.ends.start, wire.ends.stop))
            if low < high:
                drive = wire.drive(active[low:high] - wire.ends.start, delivered[low:high])
                total += wrap_two_sided(drive, 31, self.reached, INT32)
        return wrap_two_sided(total, 31, self.reached, INT32)
