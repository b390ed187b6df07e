"""Change the number of cores: cut cores that exceed a limit, join cores that fit together."""

from __future__ import annotations

import numpy as np

from ir.arrays import Array, Int32s
from ir.kernels import kept_on_disk
from mapper.search.fills import ordered_fill
from mapper.search.refine import overflow, overflow_part
from mapper.view.hypergraph import Caps, Hypergraph, Incidence, cap_array
from mapper.view.slots import PartitionState, build_nets, build_state


def over_limit(state: PartitionState, limits: Array) -> Array:
    """Number the cores that exceed any limit."""
    use = state.use
    return np.flatnonzero(
        (use[:, 0] > limits[0]) | (use[:, 1] + limits[3] * use[:, 2] > limits[1]) | (use[:, 2] > limits[2])
    )


@kept_on_disk
def grow(core, first, weight, nets, start, target, state, gain):
    """Collect ``weight`` neurons of a core by growing from vertex ``first`` along shared nets.

    Returns:
        (V,) bool, the vertices of the grown part, and the last of them.
    """
    members = np.flatnonzero(state.block == core)
    picked = np.zeros(state.block.size, np.bool_)
    filled, v, last = 0, first, first
    while v >= 0:
        last = v
        picked[v] = True
        filled += nets.neurons[v]
        if filled >= weight:
            break
        for i in range(nets.in_start[v], nets.in_start[v + 1]):
            e = nets.in_net[i]
            for j in range(start[e], start[e + 1]):
                if state.block[target[j]] == core:
                    gain[target[j]] += nets.rate[e]
        v, best = -1, -1.0
        for u in members:
            if not picked[u] and gain[u] > best:
                v, best = u, gain[u]
    for u in members:
        gain[u] = 0.0
    return picked, last


def split_cores(graph: Hypergraph, where: Incidence, block: Int32s, caps: Caps, share: float = 1.0) -> Int32s:
    """Cut the fullest ``share`` of the cores that exceed a limit in two along their nets; others stay."""
    nets = build_nets(graph, where)
    k = int(block.max()) + 1
    state = build_state(graph, nets, block, k)
    gain, new = np.zeros(graph.n_vertices), block.copy()
    limits = cap_array(graph, caps)
    wrong = over_limit(state, limits)
    excess = np.array([overflow(u[0], u[1], u[2], limits) for u in state.use[wrong]])
    for core in wrong[np.argsort(-excess, kind="stable")][: int(np.ceil(share * wrong.size))]:
        members = np.flatnonzero(block == core)
        if members.size > 1:
            total, pins = int(graph.neurons[members].sum()), (nets, graph.start, graph.target, state, gain)
            edge = grow(core, members[0], total, *pins)[1]
            new[grow(core, edge, total // 2, *pins)[0]], k = k, k + 1
    return new


@kept_on_disk
def shared_axons(nets, state):
    """Axons (K, K) that two cores have in common and rate (K, K) that joining them would save."""
    k = state.use.shape[0]
    common, saved = np.zeros((k, k), np.int64), np.zeros((k, k), np.int64)
    for e in range(nets.source.size):
        s = nets.source[e]
        home = state.block[s] if s >= 0 else -1
        first, last = state.slot_start[e], state.slot_start[e] + state.slot_len[e]
        for i in range(first, last):
            a = state.slot_block[i]
            if home >= 0 and a != home:
                saved[min(a, home), max(a, home)] += nets.rate[e]
            for j in range(i + 1, last):
                b = state.slot_block[j]
                common[min(a, b), max(a, b)] += nets.axons[e]
                if a != home and b != home:
                    saved[min(a, b), max(a, b)] += nets.rate[e]
    return common, saved


@kept_on_disk
def best_pair(common, saved, state, caps, alive):
    """Find the pair of cores that fits on one and saves most; (-1, -1) if none fits."""
    k = alive.size
    best, pair = -1, (-1, -1)
    for a in range(k):
        for b in range(a + 1, k):
            if not (alive[a] and alive[b]) or saved[a, b] <= best:
                continue
            axons = state.use[a, 2] + state.use[b, 2] - common[a, b]
            if overflow_part(state.use[a, 0] + state.use[b, 0], state.use[a, 1] + state.use[b, 1], axons, caps) == 0.0:
                best, pair = saved[a, b], (a, b)
    return pair


def merge_cores(graph: Hypergraph, where: Incidence, block: Int32s, caps: Caps) -> Int32s:
    """Join pairs of cores that fit on one, those that save most first, until none fits; km1 never grows."""
    nets, limits, block = build_nets(graph, where), cap_array(graph, caps), compact(block)
    while True:
        k = int(block.max()) + 1
        state = build_state(graph, nets, block, k)
        common, saved = shared_axons(nets, state)
        alive, name = np.ones(k, bool), np.arange(k, dtype=np.int32)
        a, b = best_pair(common, saved, state, limits, alive)
        if a < 0:
            return block
        while a >= 0:
            name[b], alive[a], alive[b] = a, False, False
            a, b = best_pair(common, saved, state, limits, alive)
        block = compact(name[block])


def compact(block: Int32s) -> Int32s:
    """Number the used cores 0, 1, 2, ... in the old order."""
    return np.unique(block, return_inverse=True)[1].reshape(-1).astype(np.int32)


def refill(graph: Hypergraph, where: Incidence, block: Int32s, caps: Caps) -> Int32s:
    """Fill new cores, in order, with the vertices of cores that exceed a limit; fits if each vertex fits alone."""
    nets = build_nets(graph, where)
    k = int(block.max()) + 1
    state = build_state(graph, nets, block, k)
    wrong = over_limit(state, cap_array(graph, caps))
    if wrong.size == 0:
        return block
    stray = np.flatnonzero(np.isin(block, wrong))
    order = stray[np.argsort(block[stray], kind="stable")].astype(np.int32)
    filled = ordered_fill(graph, where, caps, order)
    return compact(np.where(filled >= 0, k + filled, block))
