"""A population's weights as rows of sources with one Hessian each group of rows, rounded for any scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.arrays import Array, Floats
from ir.chip import IntFormat
from ir.coding import delivered
from ir.connection import Conv2d, Dense
from ir.fixed_point import of_weights
from ir.network import Network, Population
from ir.trace import Trace
from mapper.rounding.compensate import Hessian, compensated
from mapper.rounding.features import leaked, rows_of_dense, rows_of_kernel, source_counts

MOST_SOURCES = 3000
"""Of a row; beyond it, weights are rounded to the nearest: a Hessian has the square of it in numbers."""

Weights = dict[int, Array]
"""Rounded weights by the place of their projection in the network, int32."""


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows that share their sources.

    Attributes:
        places: of the projections in the network whose weights lie side by side in a row.
        rows: which rows of those projections' weights.
        goal: (R, K) what the rows should bring, in trained units.
    """

    places: tuple[int, ...]
    rows: slice
    goal: Floats
    hessian: Hessian


@dataclass(frozen=True, eq=False)
class Rows:
    """All weights into a population that know their errors; other projections into it keep the nearest integers."""

    network: Network
    groups: tuple[_Group, ...]

    def rounded(self, scale: Array | float, grid: IntFormat) -> Weights:
        """The integers of every projection of the groups, at a scale for all neurons or one a neuron."""
        found: Weights = {}
        for group in self.groups:
            for i in group.places:
                c = self.network.projections[i].connection
                found.setdefault(i, np.empty(c.weight.shape, np.int32))
            first = self.network.projections[group.places[0]].connection
            each = np.broadcast_to(np.asarray(of_weights(first, scale)).reshape(-1), (len(first.weight),))[group.rows]
            made = compensated(group.goal * each[:, None], group.hessian, grid)
            begin = 0
            for i in group.places:
                shape = found[i][group.rows].shape
                n = int(np.prod(shape[1:]))
                found[i][group.rows] = made[:, begin : begin + n].reshape(shape)
                begin += n
        return found

    def drawn(self, seed: int) -> Rows:
        """The same rows, rounded in another order of their sources (``Hessian.drawn``)."""
        groups = (replace(g, hessian=g.hessian.drawn(seed + 1000 * n)) for n, g in enumerate(self.groups))
        return replace(self, groups=tuple(groups))


def has_rows(network: Network, p: Population) -> bool:
    """Whether any weights into a population can know their errors: not those of sparse projections, nor too many."""
    dense, kernels = _into(network, p)
    return not p.neuron.FEED_FORWARD and bool(dense or kernels)


def _into(network: Network, p: Population) -> tuple[list[int], list[int]]:
    """The dense projections into a population, together, and the convolutions, as far as each has few sources."""
    into = [(i, e.connection) for i, e in enumerate(network.projections) if e.post == p.name]
    dense = [(i, c.n_pre) for i, c in into if isinstance(c, Dense)]
    kernels = [i for i, c in into if isinstance(c, Conv2d) and int(np.prod(c.weight.shape[1:])) <= MOST_SOURCES]
    few = sum(n for _, n in dense) <= MOST_SOURCES
    return [i for i, _ in dense] if few else [], kernels


def rows_of(network: Network, p: Population, frames: Array, trained: Trace, now: Trace | None) -> Rows:
    """The rows of a population with their Hessians.

    Dense projections share one; a convolution has one for each of its groups of channels. Sparse ones have none.

    Args:
        trained: a run of the floats. now: a run of the integers as they are, whose spikes will arrive instead.
    """
    decays = p.neuron.decays(network.dt_s)

    def arriving(i: int) -> tuple[Array, Array | None]:
        e = network.projections[i]
        before = leaked(source_counts(network, e, frames, trained), decays)
        same = now is None or e.pre not in {q.name for q in network.populations}
        return before, None if same or now is None else leaked(source_counts(network, e, frames, now), decays)

    dense, kernels = _into(network, p)
    groups: list[_Group] = []
    if dense:
        groups.append(_dense_group(network, dense, [arriving(i) for i in dense]))
    for i in kernels:
        c = network.projections[i].connection
        assert isinstance(c, Conv2d)
        groups += _kernel_groups(network, i, c, *arriving(i))
    return Rows(network, tuple(groups))


def _dense_group(network: Network, places: list[int], arriving: list[tuple[Array, Array | None]]) -> _Group:
    before = rows_of_dense(np.concatenate([a for a, _ in arriving], 2))
    now = rows_of_dense(np.concatenate([a if b is None else b for a, b in arriving], 2))
    weight = np.concatenate([_delivered(network, i) for i in places], 1)
    hessian = Hessian.of(now, None if all(b is None for _, b in arriving) else before)
    return _Group(tuple(places), slice(None), hessian.wanted(weight), hessian)


def _kernel_groups(network: Network, i: int, c: Conv2d, before: Array, now: Array | None) -> list[_Group]:
    per_out = c.weight.shape[0] // c.groups
    weight, found = _delivered(network, i), list[_Group]()
    for g in range(c.groups):
        rows = slice(g * per_out, (g + 1) * per_out)
        trained = rows_of_kernel(before, c, g)
        hessian = Hessian.of(trained) if now is None else Hessian.of(rows_of_kernel(now, c, g), trained)
        found.append(_Group((i,), rows, hessian.wanted(weight[rows]), hessian))
    return found


def _delivered(network: Network, i: int) -> Floats:
    weight = np.asarray(delivered(network, network.projections[i]), np.float64)
    return weight.reshape(len(weight), -1)
