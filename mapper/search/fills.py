"""The simple mappers: fill core after core, in a given order or greedily by shared sources; always feasible."""

from __future__ import annotations

import numpy as np

from ir.arrays import Int32s
from ir.kernels import kept_on_disk, part
from mapper.view.hypergraph import Caps, Hypergraph, Incidence, cap_array

GROWTH = 1.25  # a waiting vertex is listed again when its gain grew by this factor: few entries, nearly the best one


@part
def newcomers(v, core, in_start, in_net, axons, last):
    """Input axons that vertex v would add to the open core."""
    added = 0
    for i in range(in_start[v], in_start[v + 1]):
        if last[in_net[i]] != core:
            added += axons[in_net[i]]
    return added


@part
def fits(v, core, added, use, caps, neurons, memory, group, shared, holds):
    """Whether vertex v, with ``added`` new axons, still fits the open core."""
    need = use[1] + memory[v]
    if group[v] >= 0 and holds[group[v]] != core:
        need += shared[group[v]]
    return use[0] + neurons[v] <= caps[0] and use[2] + added <= caps[2] and need + caps[3] * (use[2] + added) <= caps[1]


@part
def put(v, core, added, use, neurons, memory, group, shared, holds, in_start, in_net, last):
    """Place vertex v on the open core."""
    use[0] += neurons[v]
    use[1] += memory[v]
    use[2] += added
    if group[v] >= 0 and holds[group[v]] != core:
        use[1] += shared[group[v]]
        holds[group[v]] = core
    for i in range(in_start[v], in_start[v + 1]):
        last[in_net[i]] = core


@kept_on_disk
def fill_in_order(order, caps, neurons, memory, axons, group, shared, in_start, in_net):
    """Next fit: open a new core whenever the next vertex does not fit."""
    block = np.full(neurons.size, -1, np.int32)
    last = np.full(axons.size, -1, np.int32)
    holds = np.full(max(shared.size, 1), -1, np.int32)
    use = np.zeros(3, np.int64)
    core = 0
    for v in order:
        added = newcomers(v, core, in_start, in_net, axons, last)
        if not fits(v, core, added, use, caps, neurons, memory, group, shared, holds) and use[0] > 0:
            core += 1
            use[:] = 0
            added = newcomers(v, core, in_start, in_net, axons, last)
        put(v, core, added, use, neurons, memory, group, shared, holds, in_start, in_net, last)
        block[v] = core
    return block


@part
def push(heap_gain, heap_vertex, n, gain, v):
    """Add to a binary max-heap of n entries; return n + 1."""
    i = n
    while i > 0:
        up = (i - 1) // 2
        if heap_gain[up] >= gain:
            break
        heap_gain[i], heap_vertex[i] = heap_gain[up], heap_vertex[up]
        i = up
    heap_gain[i], heap_vertex[i] = gain, v
    return n + 1


@part
def pop(heap_gain, heap_vertex, n):
    """Remove the top of a binary max-heap of n entries; return n - 1."""
    n -= 1
    gain, v = heap_gain[n], heap_vertex[n]
    i = 0
    while 2 * i + 1 < n:
        down = 2 * i + 1
        if down + 1 < n and heap_gain[down + 1] > heap_gain[down]:
            down += 1
        if gain >= heap_gain[down]:
            break
        heap_gain[i], heap_vertex[i] = heap_gain[down], heap_vertex[down]
        i = down
    heap_gain[i], heap_vertex[i] = gain, v
    return n


@part
def attract(e, weight, start, target, core, block, gain, stamp, listed, heap_gain, heap_vertex, n):
    """Raise the gain of every waiting target of net e; return the heap's length."""
    for i in range(start[e], start[e + 1]):
        t = target[i]
        if block[t] >= 0:
            continue
        if stamp[t] != core:
            stamp[t], gain[t], listed[t] = core, 0.0, 0.0
        gain[t] += weight
        if gain[t] > GROWTH * listed[t] and n < heap_gain.size:
            listed[t] = gain[t]
            n = push(heap_gain, heap_vertex, n, gain[t], t)
    return n


@kept_on_disk
def fill_greedily(
    order, caps, neurons, memory, axons, rate, group, shared, start, target, in_start, in_net, own_start, own_net
):
    """Grow each core from the first free vertex by whoever shares most rate with it, until nothing near fits."""
    n_vertices = order.size
    block = np.full(n_vertices, -1, np.int32)
    last = np.full(axons.size, -1, np.int32)
    holds = np.full(max(shared.size, 1), -1, np.int32)
    gain, listed = np.zeros(n_vertices), np.zeros(n_vertices)
    stamp = np.full(n_vertices, -1, np.int32)
    room = max(target.size * 2, 1024)
    heap_gain, heap_vertex = np.empty(room), np.empty(room, np.int32)
    use = np.zeros(3, np.int64)
    core, n, cursor, misses = -1, 0, 0, 0
    while cursor < n_vertices:
        if core < 0 or n == 0 or misses > 32:
            while cursor < n_vertices and block[order[cursor]] >= 0:
                cursor += 1
            if cursor == n_vertices:
                break
            v = order[cursor]
            added = newcomers(v, core, in_start, in_net, axons, last)
            if core < 0 or misses > 0 or not fits(v, core, added, use, caps, neurons, memory, group, shared, holds):
                core, n, misses = core + 1, 0, 0
                use[:] = 0
        else:
            v, listed_gain = heap_vertex[0], heap_gain[0]
            n = pop(heap_gain, heap_vertex, n)
            if block[v] >= 0:
                continue
            if listed_gain < gain[v] and listed[v] < gain[v]:
                listed[v] = gain[v]
                n = push(heap_gain, heap_vertex, n, gain[v], v)
                continue
        added = newcomers(v, core, in_start, in_net, axons, last)
        if use[0] > 0 and not fits(v, core, added, use, caps, neurons, memory, group, shared, holds):
            misses += 1
            continue
        block[v] = core
        for i in range(in_start[v], in_start[v + 1]):
            e = in_net[i]
            if last[e] != core:
                n = attract(e, rate[e], start, target, core, block, gain, stamp, listed, heap_gain, heap_vertex, n)
        for i in range(own_start[v], own_start[v + 1]):
            e = own_net[i]
            n = attract(e, rate[e], start, target, core, block, gain, stamp, listed, heap_gain, heap_vertex, n)
        put(v, core, added, use, neurons, memory, group, shared, holds, in_start, in_net, last)
    return block


def ordered_fill(graph: Hypergraph, where: Incidence, caps: Caps, order: Int32s) -> Int32s:
    """Fill cores in a given order of vertices (next fit).

    Args:
        order: vertices; those left out get no core (-1).

    Returns:
        (V,) core of each vertex. A vertex too large for any core stays alone on one.
    """
    return fill_in_order(
        order,
        cap_array(graph, caps),
        graph.neurons,
        graph.memory,
        graph.axons,
        graph.group,
        graph.shared,
        where.start,
        where.net,
    )


def greedy_fill(graph: Hypergraph, where: Incidence, caps: Caps, order: Int32s) -> Int32s:
    """Fill cores by shared sources: h-edge overlap weighted by rate (after Ronzani and Silvano 2026).

    Args:
        order: where a new core looks for its first vertex.
    """
    return fill_greedily(
        order,
        cap_array(graph, caps),
        graph.neurons,
        graph.memory,
        graph.axons,
        graph.rate,
        graph.group,
        graph.shared,
        graph.start,
        graph.target,
        where.start,
        where.net,
        where.own_start,
        where.own_net,
    )
