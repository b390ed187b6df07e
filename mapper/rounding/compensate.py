"""Integers that keep sums, not weights: each weight that is rounded hands its error on to those that come after it.

The method is GPTQ's (Frantar et al. 2023, arXiv:2210.17323), then coordinate descent on the same square error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.arrays import Array, Floats
from ir.chip import IntFormat

DAMPING = 0.02
"""Added to the diagonal of a Hessian, as a share of its mean: sources that hardly spiked say little."""

SWEEPS = 3
"""Passes of coordinate descent."""


@dataclass(frozen=True, eq=False)
class Hessian:
    """How much an error of each weight, and of each two together, moves the membranes of a row's neurons.

    Attributes:
        matrix: (K, K) ``X'X`` of the leak-filtered spikes of K sources, damped.
        order: (K,) sources as they are rounded: the loudest first, or drawn.
        factor: (K, K) the upper Cholesky factor of the inverse, sources in that order.
        shift: (K, K) what carries trained weights to those that do the same from the spikes that now arrive:
            ``W + W shift``; None = the spikes that arrive are those of training.
    """

    matrix: Floats
    order: Array
    factor: Floats
    shift: Floats | None = None

    @staticmethod
    def of(now: Array, trained: Array | None = None) -> Hessian:
        """From features (M, K), rows being time steps of samples, as they arrive now and as they did in training."""
        matrix = np.asarray(now.T @ now, np.float64)
        loud = np.diag(matrix)
        matrix = matrix + np.eye(len(matrix)) * max(DAMPING * float(loud.mean()), 1e-9)
        order = np.argsort(-loud, kind="stable")
        shift = None if trained is None else np.linalg.solve(matrix, np.asarray(now.T @ (trained - now), np.float64)).T
        return Hessian(matrix, order, _factor(matrix, order), shift)

    def drawn(self, seed: int) -> Hessian:
        """The same with its sources in an order that is drawn: errors are handed on to others, and others remain."""
        order = np.random.default_rng(seed).permutation(len(self.order))
        return replace(self, order=order, factor=_factor(self.matrix, order))

    def wanted(self, weight: Floats) -> Floats:
        """(R, K) the weights that would bring the trained sums from the spikes that arrive."""
        return weight if self.shift is None else weight + weight @ self.shift


def _factor(matrix: Floats, order: Array) -> Floats:
    inverse = np.linalg.inv(matrix[np.ix_(order, order)])
    return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T)


def compensated(weight: Floats, hessian: Hessian, grid: IntFormat) -> Array:
    """Round rows of weights so that their sums over the spikes of training change least.

    Args:
        weight: (R, K) in weight mantissa units.

    Returns:
        (R, K) int32 numbers of ``grid``.
    """
    low, high = grid.lo / grid.step, grid.hi / grid.step
    goal = np.asarray(weight, np.float64) / grid.step
    starts = _handed_on(goal, hessian, low, high), np.clip(np.rint(goal), low, high)
    slopes = [(goal - start) @ hessian.matrix for start in starts]
    handed, plain = (((goal - start) * slope).sum(1) for start, slope in zip(starts, slopes))
    better = (handed <= plain)[:, None]  # at the ends of the grid nothing can be handed on
    found, gradient = np.where(better, *starts), np.where(better, *slopes)
    loud = np.diag(hessian.matrix)
    for _ in range(SWEEPS):
        before = found.copy()
        for j in hessian.order:
            now = np.clip(np.rint(found[:, j] + gradient[:, j] / loud[j]), low, high)
            moved = np.flatnonzero(now != found[:, j])
            if moved.size:
                gradient[moved] -= np.outer(now[moved] - found[moved, j], hessian.matrix[j])
                found[moved, j] = now[moved]
        if np.array_equal(before, found):
            break
    return (found * grid.step).astype(np.int32)


def _handed_on(goal: Floats, hessian: Hessian, low: float, high: float) -> Floats:
    """GPTQ: in order, each error is handed on to the sources that come after."""
    left, factor = goal[:, hessian.order].copy(), hessian.factor
    for j in range(left.shape[1]):
        rounded = np.clip(np.rint(left[:, j]), low, high)
        error = (left[:, j] - rounded) / factor[j, j]
        left[:, j] = rounded
        left[:, j + 1 :] -= np.outer(error, factor[j, j + 1 :])
    found = np.empty_like(left)
    found[:, hessian.order] = left
    return found
