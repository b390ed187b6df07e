"""Compiled pieces of the refiner: which cores each net reaches, and what a move would change."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = Any


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


class State(NamedTuple):
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


class Leave(NamedTuple):
    """What a vertex frees on its core, and what it would bring to any other."""

    n_touched: int
    rate_in: int
    leave: int
    axons_in: int
    axons_freed: int


@njit(cache=True)
def transpose_pins(start, target, cursor):
    """List the nets of each vertex; ``cursor`` holds where each vertex's list begins and is used up."""
    net = np.empty(target.size, np.int32)
    for e in range(start.size - 1):
        for i in range(start[e], start[e + 1]):
            v = target[i]
            net[cursor[v]] = e
            cursor[v] += 1
    return net


@njit(cache=True)
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


@njit(cache=True)
def drop_pin(state, e, b):
    """Count one target of net e on core b less; return whether the net is gone from there."""
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


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True)
def touch(state, b, n, w, m):
    """Add to the scratch sums of core b, listing it at first contact; return the list's length."""
    if state.connected[b] == 0 and state.reached[b] == 0:
        state.touched[n] = b
        n += 1
    state.connected[b] += w
    state.reached[b] += m
    return n


@njit(cache=True)
def look_around(v, nets, state):
    """Sum, for each core near v, the rate and axons of v's incoming nets that are already there.

    Scratch ``connected`` gets rates, ``reached`` gets axons; ``forget`` clears them.
    """
    a = state.block[v]
    n, rate_in, leave, axons_in, freed = 0, 0, 0, 0, 0
    for i in range(nets.in_start[v], nets.in_start[v + 1]):
        e = nets.in_net[i]
        s = nets.source[e]
        home = state.block[s] if s >= 0 else -1
        w = nets.rate[e] if s != v else 0
        m = nets.axons[e]
        rate_in += w
        axons_in += m
        there = home < 0
        first = state.slot_start[e]
        for j in range(first, first + state.slot_len[e]):
            b = state.slot_block[j]
            there = there or b == home
            if b == a and state.slot_count[j] == 1:
                freed += m
                if a != home:
                    leave -= w
            n = touch(state, b, n, w, m)
        if not there:
            n = touch(state, home, n, w, 0)
    return Leave(n, rate_in, leave, axons_in, freed)


@njit(cache=True)
def own_nets(v, nets, state, n):
    """Add the rates of v's own nets on the cores their other targets lie on; return the list's length."""
    a = state.block[v]
    for i in range(nets.own_start[v], nets.own_start[v + 1]):
        o = nets.own_net[i]
        first = state.slot_start[o]
        for j in range(first, first + state.slot_len[o]):
            b = state.slot_block[j]
            if b == a and state.slot_count[j] == 1 and has_loop(v, o, nets):
                continue
            n = touch(state, b, n, nets.rate[o], 0)
    return n


@njit(cache=True)
def has_loop(v, o, nets):
    """Whether v is a target of net o; its incoming nets are sorted."""
    low, end = nets.in_start[v], nets.in_start[v + 1]
    high = end
    while low < high:
        middle = (low + high) // 2
        if nets.in_net[middle] < o:
            low = middle + 1
        else:
            high = middle
    return low < end and nets.in_net[low] == o


@njit(cache=True)
def forget(state, n):
    """Clear the scratch sums of the ``n`` listed cores."""
    for i in range(n):
        b = state.touched[i]
        state.connected[b] = 0
        state.reached[b] = 0


@njit(cache=True)
def move(v, b, nets, state):
    """Move vertex v to core b, keeping slots and uses exact."""
    a = state.block[v]
    for i in range(nets.in_start[v], nets.in_start[v + 1]):
        e = nets.in_net[i]
        if drop_pin(state, e, a):
            state.use[a, 2] -= nets.axons[e]
        if add_pin(state, e, b):
            state.use[b, 2] += nets.axons[e]
    for r, amount in ((0, nets.neurons[v]), (1, nets.memory[v])):
        state.use[a, r] -= amount
        state.use[b, r] += amount
    g = nets.group[v]
    if g >= 0:
        state.members[a, g] -= 1
        if state.members[a, g] == 0:
            state.use[a, 1] -= nets.shared[g]
        if state.members[b, g] == 0:
            state.use[b, 1] += nets.shared[g]
        state.members[b, g] += 1
    state.block[v] = b


@njit(cache=True)
def contract_pins(start, target, cluster, n_clusters):
    """Replace targets by their clusters, each once a net; return the new start and target."""
    seen = np.full(n_clusters, -1, np.int32)
    new_start = np.zeros(start.size, np.int64)
    new_target = np.empty(target.size, np.int32)
    n = 0
    for e in range(start.size - 1):
        for i in range(start[e], start[e + 1]):
            c = cluster[target[i]]
            if seen[c] != e:
                seen[c] = e
                new_target[n] = c
                n += 1
        new_start[e + 1] = n
    return new_start, new_target[:n].copy()


@njit(cache=True)
def renamed_pins(start, target, nets, name):
    """Reorder the nets and rename their targets; return the new start and target."""
    new_start = np.zeros(start.size, np.int64)
    new_target = np.empty(target.size, np.int32)
    n = 0
    for i in range(nets.size):
        for j in range(start[nets[i]], start[nets[i] + 1]):
            new_target[n] = name[target[j]]
            n += 1
        new_start[i + 1] = n
    return new_start, new_target
