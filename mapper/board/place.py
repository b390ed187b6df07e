"""Give every used core a site on the board: spectral embedding, linear assignment, short annealing of hops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.linalg import eigsh

from ir.arrays import Array, Int32s, frozen_array, set_field
from ir.check import CapacityError
from ir.chip import Mesh
from ir.kernels import kept_on_disk
from ir.mapped import Core
from ir.words import counted
from mapper.board.route import Flow
from mapper.draws import uniform

DENSE_EIGEN = 1500  # cores up to which all eigenvectors are the quickest way to three
ASSIGN_AT_ONCE = 2500  # sites up to which the assignment takes about a second
VISITS = 800_000_000  # flow entries annealing may look at: about two seconds
HEAT = 1.5  # first temperature, in the mean flow of a core


@dataclass(frozen=True, eq=False)
class Sites:
    """Where cores can be.

    Attributes:
        chip, x, y, slot: (S,) address of each site, tile coordinates on its chip.
        column, row: (S,) tile coordinates on the board; hops are differences of these.
    """

    chip: Int32s
    x: Int32s
    y: Int32s
    slot: Int32s
    column: Int32s
    row: Int32s

    def __post_init__(self) -> None:
        for name in ("chip", "x", "y", "slot", "column", "row"):
            set_field(self, name, frozen_array(getattr(self, name), np.int32))


def check_room(mesh: Mesh, n_cores: int, board: str = "the board", who: str = "", why: str = "") -> None:
    """Raise where a board has too few cores.

    Args:
        board: its name; ``who``: which population needs how many of them; ``why``: what fills them.

    Raises:
        CapacityError: cores needed, cores there are, and the smallest board that would do.
    """
    if n_cores > mesh.n_cores:
        chips = -(-n_cores // mesh.usable_cores)
        raise CapacityError(
            f"the network needs {counted(n_cores, 'core')}{who}, {board} has {mesh.n_cores}; {why}use fewer, or a "
            f"board of {counted(chips, 'chip')} (chips_x, chips_y under [mesh] in the chip's file)"
        )


def board_sites(mesh: Mesh, n_cores: int) -> Sites:
    """List the usable sites of the fewest chips that hold ``n_cores``, chip by chip, tile by tile.

    Raises:
        CapacityError: the board has fewer cores.
    """
    check_room(mesh, n_cores)
    n_chips = -(-n_cores // mesh.usable_cores)
    chip, place = np.divmod(np.arange(n_chips * mesh.usable_cores), mesh.usable_cores)
    tile, slot = np.divmod(place, mesh.cores_per_tile)
    y, x = np.divmod(tile, mesh.width)
    chip_row, chip_column = np.divmod(chip, mesh.chips_x)
    return Sites(chip, x, y, slot, chip_column * mesh.width + x, chip_row * mesh.height + y)


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
    span = where.max(0) + 1
    if span[0] < span[1]:
        plane = plane[:, ::-1]
    if where.shape[0] > ASSIGN_AT_ONCE:
        return _strips(plane, where)
    wanted = plane * span - 0.5
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
def anneal_sites(start, other, weight, site, core_at, column, row, lookup, moves, hot, random):
    """Swap cores with cores or free sites near the middle of their partners or near themselves, cooling to zero.

    Args:
        site, core_at: (K,) and (S,), changed in place.
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
        if q < 0 or q == p:
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

    Args:
        flow: (K, K) packets from core to core, scaled to any unit.
        visits: flow entries that annealing may look at.

    Returns:
        (K,) site of each core.
    """
    k, n_sites = flow.shape[0], sites.column.size
    both = symmetric(flow)
    if k < 3 or both.nnz == 0:
        return np.arange(k, dtype=np.int32)
    site = assign(embed(both), sites)
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
        site,
        core_at,
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
