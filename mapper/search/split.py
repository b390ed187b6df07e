"""Change the number of cores: cut cores that exceed a limit, join cores that fit together."""

from __future__ import annotations

import numpy as np

from ir.arrays import Array, Int32s
from ir.kernels import kept_on_disk
from mapper.search.fills import ordered_fill
from mapper.search.refine import overflow, overflow_part
from mapper.view.hypergraph import Caps, Hypergraph, Incidence, cap_array
from mapper.view.slots import Nets, PartitionState, build_nets, build_state

TABLE = 2_000_000  # pairs of cores that are counted at a time


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
def shared_axons(nets, state, number, low, common, saved):
    """Count the axons that two cores have in common and the rate that joining them would save.

    Args:
        number: (K,) number of each core among those that may be joined, -1 = none.
        common, saved: (R, C) for the smaller of two numbers from ``low`` on, and the larger; added to.
    """
    high = low + common.shape[0]
    for e in range(nets.source.size):
        s = nets.source[e]
        home = state.block[s] if s >= 0 else -1
        at_home = number[home] if home >= 0 else -1
        first, last = state.slot_start[e], state.slot_start[e] + state.slot_len[e]
        for i in range(first, last):
            a = number[state.slot_block[i]]
            if a < 0:
                continue
            if at_home >= 0 and a != at_home and low <= min(a, at_home) < high:
                saved[min(a, at_home) - low, max(a, at_home)] += nets.rate[e]
            for j in range(i + 1, last):
                b = number[state.slot_block[j]]
                if b < 0 or not low <= min(a, b) < high:
                    continue
                common[min(a, b) - low, max(a, b)] += nets.axons[e]
                if a != at_home and b != at_home:
                    saved[min(a, b) - low, max(a, b)] += nets.rate[e]


def joinable(state: PartitionState, nets: Nets, caps: Array) -> tuple[Array, Array]:
    """Pairs of cores that fit on one and share a net, those that save most first, then by number."""
    use = state.use
    fits = np.ones(use.shape[0], np.bool_)
    for r in range(2):  # beside the emptiest other core
        least, second = np.partition(use[:, r], 1)[:2]
        fits &= use[:, r] + np.where(use[:, r] == least, second, least) <= caps[r]
    cores = np.flatnonzero(fits)
    number = np.full(use.shape[0], -1, np.int64)
    number[cores] = np.arange(cores.size)
    found = [np.zeros((3, 0), np.int64)]
    rows = max(1, TABLE // max(cores.size, 1))
    for low in range(0, cores.size, rows):
        one = use[cores[low : low + rows], None]
        common, saved = (np.zeros((one.shape[0], cores.size), np.int64) for _ in range(2))
        shared_axons(nets, state, number, low, common, saved)
        neurons, memory, axons = (one + use[cores]).transpose(2, 0, 1)
        axons = axons - common
        good = (saved > 0) & (neurons / caps[0] <= 1.0) & (axons / caps[2] <= 1.0)
        a, b = np.nonzero(good & ((memory + caps[3] * axons) / caps[1] <= 1.0))
        found.append(np.stack([cores[a + low], cores[b], saved[a, b]]))
    a, b, saved = np.concatenate(found, axis=1)
    order = np.lexsort((b, a, -saved))
    return a[order], b[order]


@kept_on_disk
def join(first, second, use, caps, name):
    """Join the given pairs of cores, each core once, in order; then those without a common net that fit on one."""
    k = name.size
    free = np.ones(k, np.bool_)
    joined = 0
    for i in range(first.size):
        a, b = first[i], second[i]
        if free[a] and free[b]:
            name[b], free[a], free[b] = a, False, False
            joined += 1
    least = np.empty(3, np.int64)
    for r in range(3):
        least[r] = use[:, r].min()
    for a in range(k):
        if not free[a] or overflow_part(use[a, 0] + least[0], use[a, 1] + least[1], use[a, 2] + least[2], caps) > 0.0:
            continue
        for b in range(a + 1, k):
            if not free[b]:
                continue
            if overflow_part(use[a, 0] + use[b, 0], use[a, 1] + use[b, 1], use[a, 2] + use[b, 2], caps) == 0.0:
                name[b], free[a], free[b] = a, False, False
                joined += 1
                break
    return joined


def merge_cores(graph: Hypergraph, where: Incidence, block: Int32s, caps: Caps) -> Int32s:
    """Join pairs of cores that fit on one, those that save most first, until none fits; km1 never grows."""
    nets, limits, block = build_nets(graph, where), cap_array(graph, caps), compact(block)
    while True:
        k = int(block.max()) + 1
        if k == 1:
            return block
        state, name = build_state(graph, nets, block, k), np.arange(k, dtype=np.int32)
        first, second = joinable(state, nets, limits)
        if join(first, second, state.use, limits, name) == 0:
            return block
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
