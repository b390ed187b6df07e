"""Give every used core a site on the board: spectral embedding, linear assignment, short annealing of hops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import eigsh

from ir.arrays import Array, Int32s
from ir.chip import Mesh
from ir.kernels import kept_on_disk
from ir.mapped import Core
from mapper.board.chips import between_chips, chips_of
from mapper.board.route import Flow
from mapper.board.sites import Sites, board_sites, chip_places
from mapper.draws import uniform

DENSE_EIGEN = 1500  # cores up to which all eigenvectors are the quickest way to three
ASSIGN_AT_ONCE = 2500  # sites up to which the assignment takes about a second
VISITS = 800_000_000  # flow entries annealing may look at: about two seconds
HEAT = 1.5  # first temperature, in the mean flow of a core


def symmetric(flow: Flow) -> Flow:
    """Flow between two cores in both directions, without the diagonal."""
    both = scipy.sparse.csr_matrix(flow + flow.T, dtype=np.float64)
    both.setdiag(0)
    both.eliminate_zeros()
    both.sort_indices()
    return both


def embed(both: Flow) -> Array:
    """Draw the cores in the plane: (K, 2) ranks in the two slowest modes of the flow's Laplacian."""
    k = both.shape[0]
    degree = np.asarray(both.sum(axis=1)).reshape(-1) + 1e-9 * max(float(both.sum()) / k, 1.0)
    root = scipy.sparse.diags(1.0 / np.sqrt(degree))
    near = (root @ both @ root).tocsr()
    if k <= DENSE_EIGEN:
        modes = scipy.linalg.eigh(near.toarray(), subset_by_index=(max(k - 3, 0), k - 1))[1]
    else:
        modes = eigsh(near, k=3, which="LA", v0=np.ones(k))[1]
    modes = modes / np.sqrt(degree)[:, None]
    modes = modes * np.where(modes[np.abs(modes).argmax(0), np.arange(modes.shape[1])] < 0, -1.0, 1.0)
    plane = np.zeros((k, 2))
    for i, mode in enumerate(modes.T[::-1][1:3]):
        plane[np.argsort(mode, kind="stable"), i] = (np.arange(k) + 0.5) / k
    return plane


def assign(plane: Array, sites: Sites) -> Int32s:
    """Send every core to a site of its own: least squared distance; by sorted strips where there are many.

    Args:
        plane: (K, 2) wanted places in 0..1.

    Returns:
        (K,) site of each core.
    """
    where = np.stack([sites.column, sites.row], 1).astype(np.float64)
    if where.shape[0] > ASSIGN_AT_ONCE:
        return _strips(plane, where)
    low = where.min(0)
    wanted = plane * (where.max(0) + 1 - low) + low - 0.5
    cost = ((wanted[:, None, :] - where[None, :, :]) ** 2).sum(2)
    return linear_sum_assignment(cost)[1].astype(np.int32)


def _strips(plane: Array, where: Array) -> Int32s:
    """Fill the columns of sites from the left, each by rising second coordinate."""
    k = plane.shape[0]
    order = np.lexsort((where[:, 1], where[:, 0]))[:k]
    column = where[order, 0]
    rank = np.argsort(plane[:, 0], kind="stable")
    site = np.empty(k, np.int32)
    for low in np.flatnonzero(np.append(True, column[1:] != column[:-1])):
        high = low + int((column[low:] == column[low]).sum())
        members = rank[low:high]
        site[members[np.argsort(plane[members, 1], kind="stable")]] = order[low:high]
    return site


@kept_on_disk
def move_gain(core, old_x, old_y, new_x, new_y, partner, start, other, weight, x, y):
    """Hops saved where a core goes from one tile to another, its flow with ``partner`` aside."""
    gain = 0.0
    for i in range(start[core], start[core + 1]):
        t = other[i]
        there, down = x[t], y[t]
        saved = abs(old_x - there) + abs(old_y - down) - abs(new_x - there) - abs(new_y - down)
        if t != partner:
            gain += weight[i] * saved
    return gain


@kept_on_disk
def swap_gain(a, b, p, q, start, other, weight, x, y, column, row):
    """Hops saved where core a goes from site p to q and core b (or nobody, -1) from q to p.

    Args:
        x, y: (K,) tile of each core now.
    """
    here_x, here_y, there_x, there_y = column[p], row[p], column[q], row[q]
    gain = move_gain(a, here_x, here_y, there_x, there_y, b, start, other, weight, x, y)
    if b >= 0:
        gain += move_gain(b, there_x, there_y, here_x, here_y, a, start, other, weight, x, y)
    return gain


@kept_on_disk
def anneal_sites(start, other, weight, site, core_at, chip, column, row, lookup, moves, hot, random):
    """Swap cores with cores or free sites near themselves on the same chip, cooling to zero.

    Args:
        site, core_at: (K,) and (S,), changed in place. chip: (S,) chip of each site.
        lookup: (columns, rows, slots) site at each address, -1 = none.
    """
    k = site.size
    wide, high, deep = lookup.shape
    at_x, at_y = column[site], row[site]
    for step in range(moves):
        left = 1.0 - step / moves
        a = min(int(uniform(random) * k), k - 1)
        p = site[a]
        reach = 1.0 + left * 0.25 * max(wide, high)
        x = int(column[p] + (2.0 * uniform(random) - 1.0) * reach + 0.5)
        y = int(row[p] + (2.0 * uniform(random) - 1.0) * reach + 0.5)
        if x < 0 or y < 0 or x >= wide or y >= high:
            continue
        q = lookup[x, y, min(int(uniform(random) * deep), deep - 1)]
        if q < 0 or q == p or chip[q] != chip[p]:
            continue
        b = core_at[q]
        gain = swap_gain(a, b, p, q, start, other, weight, at_x, at_y, column, row)
        heat = hot * left * left
        if gain > 0.0 or (heat > 0.0 and uniform(random) < np.exp(gain / heat)):
            site[a], core_at[q], core_at[p] = q, a, b
            at_x[a], at_y[a] = column[q], row[q]
            if b >= 0:
                site[b] = p
                at_x[b], at_y[b] = column[p], row[p]
    return site


def place_on(flow: Flow, sites: Sites, seed: int = 0, visits: int = VISITS) -> Int32s:
    """Place the cores of a flow on distinct sites with few packet-hops; same seed, same places.

    On several chips: chips first, so that few packets change chip, then sites inside each.

    Args:
        flow: (K, K) packets from core to core, scaled to any unit.
        visits: flow entries that annealing may look at.

    Returns:
        (K,) site of each core.
    """
    k, both = flow.shape[0], symmetric(flow)
    if k < 3 or both.nnz == 0:
        return np.arange(k, dtype=np.int32)
    whole = replace(sites, chip=np.zeros(sites.chip.size, np.int32))
    at = _annealed(both, whole, assign(_lengthwise(embed(both), sites), sites), seed, visits)
    n_chips = int(sites.chip.max()) + 1
    if n_chips == 1:
        return at
    capacity = sites.chip.size // n_chips
    in_order = (np.arange(k) // capacity).astype(np.int32)
    chip = chips_of(both, capacity, n_chips, [sites.chip[at], in_order], seed)
    chip = _arranged(both, chip, sites, seed)
    return _annealed(both, sites, _inside(both, chip, sites), seed, visits)


def _arranged(both: Flow, chip: Int32s, sites: Sites, seed: int) -> Int32s:
    """Rename chips so that those that talk most lie near each other: they are placed as cores are on one chip."""
    row, column = chip_places(sites)
    board = Sites(*(np.zeros(column.size, np.int32),) * 4, column=column, row=row)
    return place_on(between_chips(both, chip, column.size), board, seed)[chip]


def _inside(both: Flow, chip: Int32s, sites: Sites) -> Int32s:
    """(K,) a site of each core on its chip: drawn in the plane chip by chip, turned towards the chips it talks to."""
    row, column = chip_places(sites)
    site = np.empty(chip.size, np.int32)
    for c in range(column.size):
        own, room = np.flatnonzero(chip == c), np.flatnonzero(sites.chip == c)
        flow = both[own][:, own]
        if own.size < 3 or flow.nnz == 0:
            site[own] = room[: own.size]
            continue
        here = Sites(*(getattr(sites, name)[room] for name in ("chip", "x", "y", "slot", "column", "row")))
        plane = _lengthwise(embed(flow), here)
        for axis, place in ((0, column), (1, row)):
            pull = both[own] @ np.sign(place[chip] - place[c])
            if float(pull @ (plane[:, axis] - 0.5)) < 0.0:
                plane[:, axis] = 1.0 - plane[:, axis]
        site[own] = room[assign(plane, here)]
    return site


def _lengthwise(plane: Array, sites: Sites) -> Array:
    """Lay the slower mode along the longer side of the sites."""
    wide = np.ptp(sites.column) >= np.ptp(sites.row)
    return plane if wide else np.ascontiguousarray(plane[:, ::-1])


def _annealed(both: Flow, sites: Sites, site: Int32s, seed: int, visits: int) -> Int32s:
    """Swap sites of the same chip while that saves hops."""
    k, n_sites = site.size, sites.column.size
    core_at = np.full(n_sites, -1, np.int32)
    core_at[site] = np.arange(k, dtype=np.int32)
    lookup = np.full((int(sites.column.max()) + 1, int(sites.row.max()) + 1, int(sites.slot.max()) + 1), -1, np.int32)
    lookup[sites.column, sites.row, sites.slot] = np.arange(n_sites)
    moves = int(min(visits * k / (2 * both.nnz + 16 * k), 5000 * k))
    hot = HEAT * float(both.sum()) / k
    return anneal_sites(
        both.indptr,
        both.indices,
        both.data,
        site.copy(),
        core_at,
        sites.chip,
        sites.column,
        sites.row,
        lookup,
        moves,
        hot,
        np.array([seed], np.uint64),
    )


def place(flow: Flow, mesh: Mesh, seed: int = 0) -> tuple[Core, ...]:
    """Place the cores of a flow on a board; see ``place_on``.

    Returns:
        (K,) cores with their addresses.
    """
    sites = board_sites(mesh, flow.shape[0])
    at = place_on(flow, sites, seed)
    address = np.stack([sites.chip, sites.x, sites.y, sites.slot], 1)[at].tolist()
    return tuple(Core(i, *place) for i, place in enumerate(address))
