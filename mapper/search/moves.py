"""Compiled pieces of the refiner: which cores each net reaches, and what a move would change."""

from __future__ import annotations

from typing import NamedTuple

from ir.kernels import part
from mapper.view.slots import add_pin, drop_pin


class Leave(NamedTuple):
    """What a vertex frees on its core, and what it would bring to any other."""

    n_touched: int
    rate_in: int
    leave: int
    axons_in: int
    axons_freed: int


@part
def touch(state, b, n, w, m):
    """Add to the scratch sums of core b, listing it at first contact; return the list's length."""
    if state.connected[b] == 0 and state.reached[b] == 0:
        state.touched[n] = b
        n += 1
    state.connected[b] += w
    state.reached[b] += m
    return n


@part
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


@part
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


@part
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


@part
def forget(state, n):
    """Clear the scratch sums of the ``n`` listed cores."""
    for i in range(n):
        b = state.touched[i]
        state.connected[b] = 0
        state.reached[b] = 0


@part
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
