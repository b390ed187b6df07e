"""Linear maps one after the other: two connections become one, rows are scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import require
from ir.connection import Connection, Conv2d, Dense, Sparse, apply, synapses

Array = NDArray[Any]

MAX_DENSE = 1 << 25
MAX_PRODUCTS = 1 << 27


def compose(first: Connection, second: Connection) -> Connection:
    """``second(first(s))`` as one connection: a convolution where that is exact, else dense or sparse.

    Raises:
        ValueError: sizes disagree, or the product is too large to write out.
    """
    require(
        first.n_post == second.n_pre,
        f"a map onto {first.n_post} values cannot be followed by a map of {second.n_pre}",
    )
    if isinstance(first, Conv2d) and isinstance(second, Conv2d):
        merged = _merge(first, second)
        if merged is not None:
            return merged
    if isinstance(second, Dense) or isinstance(first, Dense):
        size = max(first.n_pre * first.n_post, first.n_pre * second.n_post)
        require(size <= MAX_DENSE, f"a product of {first.n_pre} x {second.n_post} weights is too large to write out")
        return Dense(apply(second, dense_weight(first).T).T)
    return _join(first, second)


def dense_weight(connection: Connection) -> Array:
    """The (n_post, n_pre) matrix of any connection."""
    if isinstance(connection, Dense):
        return connection.weight
    require(
        connection.n_pre * connection.n_post <= MAX_DENSE,
        f"a matrix of {connection.n_post} x {connection.n_pre} weights is too large to write out",
    )
    pre, post, weight = synapses(connection)
    matrix = np.zeros((connection.n_post, connection.n_pre), weight.dtype)
    np.add.at(matrix, (post, pre), weight)
    return matrix


def _merge(first: Conv2d, second: Conv2d) -> Conv2d | None:
    """Two convolutions as one, unless padding between them or a cut-off edge makes that inexact.

    A zero that ``second`` pads with must also be what ``first`` gives there: true if ``first`` sees
    only padding outside, that is if its windows tile the padded input exactly and it adds no overlap.
    """
    plain = first.dilation == (1, 1) and second.dilation == (1, 1) and first.padding == (0, 0)
    tiles = all(
        first.weight.shape[2 + i] <= first.stride[i]
        and (first.in_shape[1 + i] - first.weight.shape[2 + i]) % first.stride[i] == 0
        and first.in_shape[1 + i] % first.stride[i] == 0
        for i in (0, 1)
    )
    if not plain or not (tiles or second.padding == (0, 0)):
        return None
    kernel = _merged_kernel(first, second)
    stride = (first.stride[0] * second.stride[0], first.stride[1] * second.stride[1])
    padding = (first.stride[0] * second.padding[0], first.stride[1] * second.padding[1])
    depthwise = first.groups == second.groups == first.in_shape[0] == second.in_shape[0]
    merged = Conv2d(kernel, first.in_shape, stride, padding, (1, 1), first.groups if depthwise else 1)
    return merged if merged.out_shape == second.out_shape else None


def _merged_kernel(first: Conv2d, second: Conv2d) -> Array:
    """(C_out, C_in / groups, kh, kw) of the merged convolution, in float64 (integers stay integers)."""
    a, b = _full(first), _full(second)
    (sy, sx), (ah, aw), (bh, bw) = first.stride, a.shape[2:], b.shape[2:]
    kernel = np.zeros((b.shape[0], a.shape[1], (bh - 1) * sy + ah, (bw - 1) * sx + aw), np.result_type(a, b))
    for y in range(bh):
        for x in range(bw):
            kernel[:, :, y * sy : y * sy + ah, x * sx : x * sx + aw] += np.tensordot(b[:, :, y, x], a, 1)
    depthwise = first.groups == second.groups == first.in_shape[0] == second.in_shape[0]
    if not depthwise:
        return kernel
    per = kernel.shape[0] // first.groups
    return kernel[np.arange(kernel.shape[0]), np.arange(kernel.shape[0]) // per][:, None]


def _full(c: Conv2d) -> Array:
    """The kernel with groups written out, (C_out, C_in, kh, kw), integer or float64."""
    weight = c.weight if c.weight.dtype.kind in "iu" else c.weight.astype(np.float64)
    full = np.zeros((weight.shape[0], c.in_shape[0], *weight.shape[2:]), weight.dtype)
    per_out, per_in = weight.shape[0] // c.groups, weight.shape[1]
    for g in range(c.groups):
        full[g * per_out : (g + 1) * per_out, g * per_in : (g + 1) * per_in] = weight[g * per_out : (g + 1) * per_out]
    return full


def _join(first: Connection, second: Connection) -> Sparse:
    """The product of two sparse maps, synapse by synapse."""
    pre1, mid1, w1 = synapses(first)
    mid2, post2, w2 = synapses(second)
    order = np.argsort(mid1, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(mid1, minlength=first.n_post))])
    counts = start[mid2 + 1] - start[mid2]
    total = int(counts.sum())
    require(total <= MAX_PRODUCTS, f"a product of {total} synapses is too large to write out")
    ahead = np.repeat(start[mid2] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    rows = order[ahead + np.arange(total)]
    weight = np.repeat(w2, counts) * w1[rows]
    return sparse_of(pre1[rows], np.repeat(post2, counts), weight, first.n_pre, second.n_post)


def sparse_of(pre: Array, post: Array, weight: Array, n_pre: int, n_post: int) -> Sparse:
    """A Sparse from synapses in any order; those between the same two neurons add up."""
    address, where = np.unique(post.astype(np.int64) * n_pre + pre, return_inverse=True)
    summed = np.zeros(address.size, weight.dtype)
    np.add.at(summed, where.reshape(-1), weight)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(address // n_pre, minlength=n_post))])
    return Sparse(indptr, (address % n_pre).astype(np.int32), summed, n_pre)


def scale_rows(connection: Connection, factor: Array) -> Connection:
    """``factor * W s``; ``factor`` () or (n_post,)."""
    factor = np.asarray(factor)
    if factor.size == 1:
        return with_weight(connection, connection.weight * factor.reshape(()))
    if isinstance(connection, Dense):
        return Dense(connection.weight * factor[:, None])
    if isinstance(connection, Conv2d):
        by_channel = factor.reshape(connection.out_shape[0], -1)
        if bool((by_channel == by_channel[:, :1]).all()):
            return with_weight(connection, connection.weight * by_channel[:, 0, None, None, None])
    pre, post, weight = synapses(connection)
    return sparse_of(pre, post, weight * factor[post], connection.n_pre, connection.n_post)


def with_weight(c: Connection, weight: Array) -> Connection:
    """The same geometry with other weights."""
    if isinstance(c, Dense):
        return Dense(weight)
    if isinstance(c, Conv2d):
        return Conv2d(weight, c.in_shape, c.stride, c.padding, c.dilation, c.groups)
    return Sparse(c.indptr, c.indices, weight, c.n_pre)


def diagonal(values: Array) -> Sparse:
    """One synapse from each neuron to its twin."""
    n = int(values.size)
    return Sparse(np.arange(n + 1), np.arange(n, dtype=np.int32), values, n)


def pooling(in_shape: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int],
            weight: float) -> Conv2d:  # fmt: skip
    """A pooling as a grouped convolution whose every weight is ``weight``."""
    return Conv2d(np.full((in_shape[0], 1, *kernel), weight), in_shape, stride, padding, (1, 1), in_shape[0])
