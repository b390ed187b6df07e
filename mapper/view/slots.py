"""Which cores each net reaches under a partition, and what each core holds: counted once, then kept exact."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Array, frozen_array
from ir.kernels import kept_on_disk, part
from mapper.view.hypergraph import Hypergraph, Incidence


class Nets(NamedTuple):
    """The arrays of ``Hypergraph`` and ``Incidence`` that a move needs; never written."""

    source: Array
    rate: Array
    axons: Array
    neurons: Array
    memory: Array
    group: Array
    shared: Array
    in_start: Array
    in_net: Array
    own_start: Array
    own_net: Array


class PartitionState(NamedTuple):
    """A partition under change.

    Attributes:
        block: (V,) core of each vertex.
        slot_start: (E + 1,) room of each net for the cores it reaches.
        slot_len: (E,) number of cores reached.
        slot_block, slot_count: core reached, and how many targets it holds.
        use: (K, 3) neurons, memory (without the overhead of axons), input axons of each core.
        members: (K, G) vertices of each sharing group on each core.
        connected, reached: (K,) scratch, zero between calls.
        touched: (K + 1,) scratch.
    """

    block: Array
    slot_start: Array
    slot_len: Array
    slot_block: Array
    slot_count: Array
    use: Array
    members: Array
    connected: Array
    reached: Array
    touched: Array


@part
def add_pin(state, e, b):
    """Count one more target of net e on core b; return whether the net is new there."""
    first = state.slot_start[e]
    for j in range(first, first + state.slot_len[e]):
        if state.slot_block[j] == b:
            state.slot_count[j] += 1
            return False
    j = first + state.slot_len[e]
    state.slot_block[j] = b
    state.slot_count[j] = 1
    state.slot_len[e] += 1
    return True


@part
def drop_pin(state, e, b):
    """Count one target of net e on core b fewer; return whether the net has left it."""
    first = state.slot_start[e]
    last = first + state.slot_len[e] - 1
    for j in range(first, last + 1):
        if state.slot_block[j] == b:
            state.slot_count[j] -= 1
            if state.slot_count[j] > 0:
                return False
            state.slot_block[j] = state.slot_block[last]
            state.slot_count[j] = state.slot_count[last]
            state.slot_len[e] -= 1
            return True
    return False


@kept_on_disk
def fill_slots(nets, start, target, state):
    """Count targets a core for every net, and what every core holds, from ``state.block``."""
    for e in range(nets.source.size):
        for i in range(start[e], start[e + 1]):
            b = state.block[target[i]]
            if add_pin(state, e, b):
                state.use[b, 2] += nets.axons[e]
    for v in range(state.block.size):
        b = state.block[v]
        state.use[b, 0] += nets.neurons[v]
        state.use[b, 1] += nets.memory[v]
        g = nets.group[v]
        if g >= 0:
            if state.members[b, g] == 0:
                state.use[b, 1] += nets.shared[g]
            state.members[b, g] += 1


@kept_on_disk
def rate_of_cut(nets, state):
    """Objective from the slots: rate x cores other than the source's own that a net reaches."""
    total = 0
    for e in range(nets.source.size):
        s = nets.source[e]
        home = state.block[s] if s >= 0 else -1
        first = state.slot_start[e]
        for j in range(first, first + state.slot_len[e]):
            if state.slot_block[j] != home:
                total += nets.rate[e]
    return total


def build_nets(graph: Hypergraph, where: Incidence) -> Nets:
    """Gather the arrays the compiled moves read."""
    shared = graph.shared if graph.shared.size else frozen_array(np.zeros(1), np.int64)
    return Nets(
        graph.source,
        graph.rate,
        graph.axons,
        graph.neurons,
        graph.memory,
        graph.group,
        shared,
        where.start,
        where.net,
        where.own_start,
        where.own_net,
    )


def build_state(graph: Hypergraph, nets: Nets, block: NDArray[Any], k: int) -> PartitionState:
    """Count what each core holds and each net reaches under ``block``."""
    room = np.minimum(np.diff(graph.start), k)
    slot_start = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
    n_slots = int(slot_start[-1])
    state = PartitionState(
        np.array(block, np.int32),
        slot_start,
        np.zeros(graph.n_nets, np.int32),
        np.empty(n_slots, np.int32),
        np.empty(n_slots, np.int32),
        np.zeros((k, 3), np.int64),
        np.zeros((k, nets.shared.size), np.int32),
        np.zeros(k, np.int64),
        np.zeros(k, np.int64),
        np.zeros(k + 2, np.int32),
    )
    fill_slots(nets, graph.start, graph.target, state)
    return state
