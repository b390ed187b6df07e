"""Give every core a chip of the board: little traffic between chips, and no chip with more cores than it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from ir.arrays import Array, Floats, Int32s
from ir.kernels import kept_on_disk, part
from mapper.draws import uniform

Flow = Any  # (K, K) scipy.sparse matrix, symmetric, without a diagonal

STARTS = 4  # partitions tried, each from groups of its own
GROUPS = 6  # groups a chip at which cores are no longer joined
LOOKS = 1_200_000_000  # flow entries that one annealing may look at: about half a second
MELT, WARM, COLD = 0.2, 0.03, 0.001  # temperatures in the mean flow of a vertex: groups first, then parts of them, last
LAST, LONGER = 0.1, 8  # first temperature of the last annealings, and how many times longer each is
AGAIN = 2  # times that the cheapest partition is annealed once more
PRICE = 0.1, 4.0  # of a core too many on a chip, in the mean flow of a core: while hot, while cold
CLOSEST = 4096  # cores of which every pair's flow is kept at hand: 64 MB


def chips_of(both: Flow, capacity: int, n_chips: int, starts: list[Int32s], seed: int = 0) -> Int32s:
    """Partition cores over chips so that few packets change chip; same seed, same chips.

    Cores that talk most are joined, group by group, until some ``GROUPS`` a chip are left; these are annealed over the
    chips, then taken apart step by step and annealed again, cooler. The cheapest of several partitions is annealed once
    more, at length.

    Args:
        both: (K, K) flow between two cores in both directions.
        capacity: cores of a chip; ``n_chips`` of them hold all.
        starts: chips to begin from, (K,) each, beside our own; none that fits is cheaper than the result.

    Returns:
        (K,) chip of each core, numbered from 0.
    """
    assert both.shape[0] <= capacity * n_chips
    found = [_from_groups(both, capacity, n_chips, seed + i) for i in range(STARTS)]
    for start in starts:
        chip = fitted(both, start, capacity, n_chips)
        found += [chip, _annealed(both, np.ones(chip.size, np.int64), chip, capacity, n_chips, WARM, seed)]
    best = min((fitted(both, chip, capacity, n_chips) for chip in found), key=lambda chip: cut(both, chip))
    one = np.ones(best.size, np.int64)
    last = [_annealed(both, one, best, capacity, n_chips, LAST, seed + i, LONGER) for i in range(AGAIN)]
    return min((best, *(fitted(both, chip, capacity, n_chips) for chip in last)), key=lambda chip: cut(both, chip))


def cut(both: Flow, chip: Array) -> float:
    """Packets that change chip."""
    pairs = both.tocoo()
    return float(pairs.data[chip[pairs.row] != chip[pairs.col]].sum()) / 2


def between_chips(flow: Flow, chip: Array, n_chips: int) -> Flow:
    """(chips, chips) packets from chip to chip, those inside a chip on the diagonal."""
    one = _members(chip, n_chips)
    return (one.T @ flow @ one).tocsr()


def _members(chip: Array, n_chips: int) -> Flow:
    """(K, chips) 1 where a core lies on a chip."""
    return scipy.sparse.csr_matrix((np.ones(chip.size), (np.arange(chip.size), chip)), shape=(chip.size, n_chips))


def _from_groups(both: Flow, capacity: int, n_chips: int, seed: int) -> Int32s:
    """Partition groups of cores, then smaller ones, then cores."""
    draw = np.random.default_rng(seed)
    levels, names = [(both, np.ones(both.shape[0], np.int64))], list[Int32s]()
    while levels[-1][0].shape[0] > GROUPS * n_chips:
        flow, size = levels[-1]
        name = joined(draw.permutation(size.size), flow.indptr, flow.indices, flow.data, size, capacity // 4)
        if int(name.max()) + 1 == size.size:
            break
        names.append(name)
        levels.append(_contracted(flow, size, name))
    flow, size = levels.pop()
    chip = draw.integers(0, n_chips, size.size).astype(np.int32)
    chip = _annealed(flow, size, chip, capacity, n_chips, MELT, seed)
    for (flow, size), name in zip(reversed(levels), reversed(names)):
        chip = _annealed(flow, size, chip[name], capacity, n_chips, WARM, seed)
    return chip


def _contracted(flow: Flow, size: Array, name: Int32s) -> tuple[Flow, Array]:
    """Flow between groups, and their sizes."""
    k = int(name.max()) + 1
    joint = between_chips(flow, name, k)
    joint.setdiag(0)
    joint.eliminate_zeros()
    joint.sort_indices()
    return joint, np.bincount(name, size, minlength=k).astype(np.int64)


def _annealed(
    flow: Flow, size: Array, chip: Int32s, capacity: int, n_chips: int, hot: float, seed: int, longer: int = 1
) -> Int32s:
    """Move and swap groups between chips, cooling from ``hot``; what overfills a chip costs more and more."""
    n, total = size.size, float(flow.sum())
    if n < 2 or total == 0.0 or n_chips < 2:
        return chip.astype(np.int32)
    looks = longer * int(np.clip(LOOKS / (flow.nnz / n + 30), 20 * n, 1500 * n))
    heat = np.array([hot, COLD]) * total / n
    price = np.array(PRICE) * total / int(size.sum())
    state = chip.astype(np.int32).copy(), np.bincount(chip, size, minlength=n_chips).astype(np.int64)
    near = flow.toarray() if n <= CLOSEST else np.zeros((0, 0))
    lists = flow.indptr, flow.indices, flow.data, near
    anneal_chips(*lists, size, *state, _pull(flow, chip, n_chips), capacity, looks, heat, price, _stream(seed))
    return state[0]


def _stream(seed: int) -> Array:
    return np.array([seed], np.uint64)


def _pull(flow: Flow, chip: Array, n_chips: int) -> Floats:
    """(V, chips) flow between each vertex and each chip."""
    return np.ascontiguousarray((flow @ _members(chip, n_chips)).toarray(), np.float64)


def fitted(both: Flow, chip: Array, capacity: int, n_chips: int) -> Int32s:
    """Send cores of overfull chips on to chips with room, each time the one that costs least."""
    chip = np.asarray(chip, np.int32).copy()
    held = np.bincount(chip, minlength=n_chips)
    if held.max() <= capacity:
        return chip
    pull = _pull(both, chip, n_chips)
    while held.max() > capacity:
        full, room = int(held.argmax()), np.flatnonzero(held < capacity)
        own = np.flatnonzero(chip == full)
        gain = pull[own][:, room] - pull[own, full][:, None]
        i, j = np.unravel_index(int(gain.argmax()), gain.shape)
        core, to = int(own[i]), int(room[j])
        chip[core] = to
        held[full], held[to] = held[full] - 1, held[to] + 1
        at = slice(both.indptr[core], both.indptr[core + 1])
        pull[both.indices[at], full] -= both.data[at]
        pull[both.indices[at], to] += both.data[at]
    return chip


@kept_on_disk
def joined(order, start, other, weight, size, most):
    """Join each vertex with the free neighbour that it has most flow with for its size.

    Args:
        most: size of a joint vertex at most.

    Returns:
        (V,) number of each vertex's joint one.
    """
    name = np.full(size.size, -1, np.int32)
    n = 0
    for v in order:
        if name[v] >= 0:
            continue
        best, most_dense = -1, 0.0
        for i in range(start[v], start[v + 1]):
            u = other[i]
            if name[u] < 0 and u != v and size[u] + size[v] <= most and weight[i] / size[u] > most_dense:
                best, most_dense = u, weight[i] / size[u]
        name[v] = n
        if best >= 0:
            name[best] = n
        n += 1
    return name


@part
def flow_with(u, v, start, other, weight, near):
    """Flow between two vertices; entries of a row are sorted."""
    if near.shape[0] > 0:
        return near[u, v]
    low, high = start[u], start[u + 1]
    while low < high:
        middle = (low + high) // 2
        if other[middle] < v:
            low = middle + 1
        else:
            high = middle
    return weight[low] if low < start[u + 1] and other[low] == v else 0.0


@part
def too_many(held, capacity):
    """Cores that a chip has too many."""
    return max(held - capacity, 0)


@part
def send(v, to, start, other, weight, size, chip, held, pull):
    """Move a vertex to a chip."""
    home = chip[v]
    for i in range(start[v], start[v + 1]):
        pull[other[i], home] -= weight[i]
        pull[other[i], to] += weight[i]
    held[home] -= size[v]
    held[to] += size[v]
    chip[v] = to


@kept_on_disk
def anneal_chips(start, other, weight, near, size, chip, held, pull, capacity, looks, heat, price, random):
    """Offer random vertices a chip where a neighbour lies, alone or for a vertex from there, ever cooler.

    Args:
        near: (V, V) flows, or empty.
        chip, held, pull: (V,), (chips,) cores on each, (V, chips); changed in place.
        heat, price: (first, last) temperature, and cost of a core too many; both change geometrically.
    """
    n, n_chips = size.size, held.size
    cool, dear = np.log(heat[1] / heat[0]), np.log(price[1] / price[0])
    for look in range(looks):
        v = min(int(uniform(random) * n), n - 1)
        home, degree = chip[v], start[v + 1] - start[v]
        if degree > 0 and uniform(random) < 0.7:
            to = chip[other[start[v] + min(int(uniform(random) * degree), degree - 1)]]
        else:
            to = min(int(uniform(random) * n_chips), n_chips - 1)
        if to == home:
            continue
        warm, cost = heat[0] * np.exp(cool * look / looks), price[0] * np.exp(dear * look / looks)
        u = -1
        if held[to] + size[v] > capacity or uniform(random) < 0.3:
            for _ in range(4 * n_chips):
                u = min(int(uniform(random) * n), n - 1)
                if chip[u] == to:
                    break
                u = -1
        gain, moved = pull[v, to] - pull[v, home], size[v]
        if u >= 0:
            gain += pull[u, home] - pull[u, to] - 2.0 * flow_with(u, v, start, other, weight, near)
            moved -= size[u]
        gain += cost * (too_many(held[to], capacity) + too_many(held[home], capacity))
        gain -= cost * (too_many(held[to] + moved, capacity) + too_many(held[home] - moved, capacity))
        if gain > 0.0 or uniform(random) < np.exp(gain / warm):
            send(v, to, start, other, weight, size, chip, held, pull)
            if u >= 0:
                send(u, home, start, other, weight, size, chip, held, pull)
