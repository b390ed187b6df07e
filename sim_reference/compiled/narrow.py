"""Which sums provably stay inside int32, so that vector code may take them."""

from __future__ import annotations

import numpy as np

from ir.arrays import Array
from ir.connection import Sparse
from sim_reference.layout import Layout, Link
from sim_reference.neurons.lif import Columns

NARROW_WEIGHT = (1 << 15) - 1
"""Weights up to this size are kept in int16."""


def largest_count(frames: Array) -> int:
    """The largest input count, negative ones by their size; one pass where none is negative."""
    largest = int(frames.view(f"u{frames.dtype.itemsize}").max(initial=0))
    return largest if largest <= np.iinfo(frames.dtype).max else max(int(frames.max()), -int(frames.min()))


def is_narrow(layout: Layout, lif: Columns, incoming: list[list[int]], most: tuple[int, int], layered: bool) -> bool:
    """Whether every sum provably stays inside int32, and a kept current within one wrap.

    Of the asynchronous schedule's inputs an event counts once, and of its neurons a refractory one. An accumulator's
    own wrap keeps what enters a current small enough, beside a bias of this size.
    """
    if not layered and not bool(layout.refractory.all()):
        return False
    if int(np.abs(lif.bias).max(initial=0)) >= 1 << 29:
        return False
    arithmetic = layout.arithmetic
    for population, links in zip(layout.network.populations, incoming):
        total = 0.0
        for link in (layout.links[i] for i in links):
            weight = np.abs(link.connection.weight.astype(np.int32, copy=False))
            if weight.max(initial=0) > NARROW_WEIGHT:
                return False
            count = max(most[0] if link.from_input else most[1], 1)
            total += _largest_sum(link, weight) * count * 2.0 ** max(link.weight_exp, 0)
        at, accumulates = layout.blocks[population.name], arithmetic.accumulator_bits is not None
        bias = float(np.abs(lif.bias_u[at]).max(initial=0))
        one_wrap = bool(lif.has_current[at].any()) and not accumulates
        if total * (1 << arithmetic.weight_shift) + bias >= (1 << 24 if one_wrap else 1 << 30):
            return False
        if accumulates and bias >= 1 << 22:
            return False
    return True


def _largest_sum(link: Link, weight: Array) -> float:
    """The largest sum of absolute weights into one target (times all sources at once)."""
    c = link.connection
    if isinstance(c, Sparse):
        owners = np.repeat(np.arange(c.n_post), np.diff(c.indptr))
        return float(np.bincount(owners, weight, c.n_post).max(initial=0))
    return float(weight.reshape(weight.shape[0], -1).sum(1, dtype=np.int64).max())
