"""The placement that ours is compared with: a Hilbert curve and force-directed swaps of neighbours (after Jin 2023)."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ir.arrays import Array
from ir.kernels import kept_on_disk
from mapper.board.place import swap_gain, symmetric


def hilbert(side: int) -> Array:
    """(side^2, 2) points of the Hilbert curve through a square whose side is a power of two."""
    points = np.zeros((1, 2), np.int64)
    size = 1
    while size < side:
        turned = points[:, ::-1]
        points = np.concatenate([turned, points + [0, size], points + [size, size], [2 * size - 1, size - 1] - turned])
        size *= 2
    return points


@kept_on_disk
def neighbour_swaps(start, other, weight, site, core_at, column, row, side, sweeps):
    """Swap neighbouring sites while that saves hops, at most ``sweeps`` times over the mesh."""
    x, y = column[site], row[site]
    for _ in range(sweeps):
        swaps = 0
        for p in range(side * side):
            for step in (1, side):
                q = p + step
                if q >= side * side or (step == 1 and q % side == 0):
                    continue
                a, b, here, there = core_at[p], core_at[q], p, q
                if a < 0:
                    a, b, here, there = b, a, q, p
                if a >= 0 and swap_gain(a, b, here, there, start, other, weight, x, y, column, row) > 1e-9:
                    site[a], core_at[there], core_at[here] = there, a, b
                    x[a], y[a] = column[there], row[there]
                    if b >= 0:
                        site[b] = here
                        x[b], y[b] = column[here], row[here]
                    swaps += 1
        if swaps == 0:
            break
    return site


def hilbert_and_force(flow: scipy.sparse.spmatrix, order: Array, side: int) -> tuple[Array, Array]:
    """Lay the cores along the curve in ``order``, then swap neighbours until none gains.

    Returns:
        Column and row of each core.
    """
    both, points, k = symmetric(flow), hilbert(side), flow.shape[0]
    site = np.empty(k, np.int32)
    site[order] = (points[:k, 1] * side + points[:k, 0]).astype(np.int32)
    core_at = np.full(side * side, -1, np.int32)
    core_at[site] = np.arange(k)
    row, column = np.divmod(np.arange(side * side, dtype=np.int32), np.int32(side))
    site = neighbour_swaps(both.indptr, both.indices, both.data, site, core_at, column, row, side, 1000)
    return column[site], row[site]
