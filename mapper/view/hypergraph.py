"""The partitioner's view of a network: one net a source, its pins the targets; and what a core holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir.arrays import Array, Int32s, Ints, frozen_array, set_field
from ir.check import require
from mapper.view.pins import renamed_pins, transpose_pins

UNLIMITED = 1 << 60


@dataclass(frozen=True)
class Caps:
    """What one core holds, in the units of the hypergraph.

    Attributes:
        neurons: neurons.
        memory: synapse memory.
        axons: distinct sources with a target in the core, sources inside it included.
        out_axons: (source, other core) pairs that leave the core.
    """

    neurons: int = UNLIMITED
    memory: int = UNLIMITED
    axons: int = UNLIMITED
    out_axons: int = UNLIMITED


@dataclass(frozen=True, eq=False)
class Hypergraph:
    """Vertices are neurons or groups of twins; net e carries the spikes of its sources to its targets.

    A vertex may be the source of several nets; ``target`` may hold the source itself (a recurrent group).

    Attributes:
        start: (E + 1,) where each net's targets begin.
        target: (P,) vertices, distinct within a net.
        source: (E,) vertex that fires the net; -1 = an input, which is no neuron.
        rate: (E,) spikes of all sources of the net, scaled to integers.
        axons: (E,) number of sources behind the net; each takes an input axon of every core it reaches.
        neurons: (V,) neurons of each vertex.
        memory: (V,) synapse memory of each vertex.
        overhead: memory an input axon takes on its core, besides its synapses.
        group: (V,) index into ``shared``; -1 = shares nothing.
        shared: (G,) memory taken once a core that holds any vertex of the group (convolution kernels).
    """

    start: Ints
    target: Int32s
    source: Int32s
    rate: Ints
    axons: Ints
    neurons: Ints
    memory: Ints
    overhead: int = 0
    group: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    shared: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if self.group.size == 0:
            set_field(self, "group", np.full(self.neurons.size, -1, np.int32))
        for name in ("start", "rate", "axons", "neurons", "memory", "shared"):
            set_field(self, name, _read_only(getattr(self, name), np.int64))
        for name in ("target", "source", "group"):
            set_field(self, name, _read_only(getattr(self, name), np.int32))
        require(
            self.start.size == self.source.size + 1 and int(self.start[-1]) == self.target.size,
            "hypergraph start does not match its nets and targets",
        )
        require(self.rate.size == 0 or int(self.rate.min()) > 0, "hypergraph rates must be at least 1")

    @property
    def n_vertices(self) -> int:
        return int(self.neurons.size)

    @property
    def n_nets(self) -> int:
        return int(self.source.size)

    @property
    def n_pins(self) -> int:
        return int(self.target.size)


def _read_only(values: ArrayLike, dtype: type) -> np.ndarray:
    """Freeze without a copy where nobody else can write: these arrays may hold 30 million pins."""
    array = np.asarray(values)
    if array.dtype == dtype and array.flags.c_contiguous and array.base is None:
        array.setflags(write=False)
        return array
    return frozen_array(array, dtype)


def neuron_hypergraph(
    start: ArrayLike, target: ArrayLike, rate: ArrayLike, memory: ArrayLike | None = None
) -> Hypergraph:
    """Build the hypergraph of N neurons without groups: net i belongs to neuron i.

    Args:
        start: (N + 1,) where each neuron's targets begin.
        target: (P,) distinct targets of each neuron.
        rate: (N,) scaled spike rates.
        memory: (N,) synapse memory of each neuron; None = one unit a synapse.
    """
    start = np.asarray(start, np.int64)
    n = start.size - 1
    ones = np.ones(n, np.int64)
    if memory is None:
        memory = np.bincount(np.asarray(target), minlength=n)
    return Hypergraph(
        start, np.asarray(target), np.arange(n, dtype=np.int32), np.asarray(rate), ones, ones.copy(), np.asarray(memory)
    )


@dataclass(frozen=True, eq=False)
class Incidence:
    """The same pins seen from the vertices.

    Attributes:
        start: (V + 1,) where each vertex's incoming nets begin.
        net: (P,) nets that have the vertex as a target.
        own_start, own_net: (V + 1,) and (E,) likewise, the nets each vertex is the source of.
    """

    start: Ints
    net: Int32s
    own_start: Ints
    own_net: Int32s


def run_starts(index: Array, n: int) -> Ints:
    """(n + 1,) where the run of each value 0..n-1 begins once ``index`` is sorted."""
    return np.concatenate([[0], np.cumsum(np.bincount(index, minlength=n))]).astype(np.int64)


def incidence(graph: Hypergraph) -> Incidence:
    """Transpose the pins of ``graph``."""
    start = run_starts(graph.target, graph.n_vertices)
    net = transpose_pins(graph.start, graph.target, start[:-1].copy())
    order = np.argsort(graph.source, kind="stable").astype(np.int32)
    own_net = order[int((graph.source < 0).sum()) :]
    return Incidence(start, net, run_starts(graph.source[own_net], graph.n_vertices), own_net)


def renumber(graph: Hypergraph, order: Array) -> Hypergraph:
    """Give vertex ``order[i]`` the number i and sort the nets by source, so that what is near lies near in memory.

    Args:
        order: (V,) permutation.
    """
    name = np.empty(graph.n_vertices, np.int32)
    name[order] = np.arange(graph.n_vertices, dtype=np.int32)
    source = np.where(graph.source >= 0, name[graph.source], -1)
    nets = np.argsort(source, kind="stable")
    start, target = renamed_pins(graph.start, graph.target, nets, name)
    return Hypergraph(
        start,
        target,
        source[nets],
        graph.rate[nets],
        graph.axons[nets],
        graph.neurons[order],
        graph.memory[order],
        graph.overhead,
        graph.group[order],
        graph.shared,
    )


def cap_array(graph: Hypergraph, caps: Caps) -> NDArray[np.float64]:
    """Limits as the compiled code reads them: neurons, memory, axons, memory an axon."""
    return np.array([caps.neurons, caps.memory, caps.axons, graph.overhead], np.float64)
