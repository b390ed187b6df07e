"""Linear maps one after the other: two connections become one, rows are scaled."""

from __future__ import annotations

import math

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.connection import Connection, Conv2d, Dense, Sparse, apply, synapses, with_weight
from ir.layers.shapes import size_of
from ir.layers.window import Axis

MAX_DENSE = 1 << 25
MAX_PRODUCTS = 1 << 24


def compose(first: Connection, second: Connection) -> Connection:
    """``second(first(s))`` as one connection: a convolution where that is exact, else dense or sparse.

    Raises:
        ValueError: sizes disagree, or the product is too large to write out.
    """
    require(
        first.n_post == second.n_pre,
        f"a map onto {first.n_post} values cannot be followed by a map of {second.n_pre}",
    )
    if isinstance(first, Conv2d) and isinstance(second, Conv2d) and first.out_shape == second.in_shape:
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
    """Two convolutions as one; None where zeros that ``second`` pads with make that inexact, or a kernel too large."""
    (v, h), groups = (_axis(first, i).then(_axis(second, i)) for i in (0, 1)), _merged_groups(first, second)
    if v is None or h is None:
        return None
    (p, d, rows, at), (q, e, columns, across) = v.even(), h.even()
    shape = (second.weight.shape[0], first.in_shape[0] // groups, rows, columns)
    if size_of(shape) > MAX_DENSE:
        return None
    a, b = (c.weight if c.weight.dtype.kind in "iu" else c.weight.astype(np.float64) for c in (first, second))
    kernel = np.zeros(shape, np.result_type(a, b))
    inner = kernel[:, :, at, across]
    steps = [
        (first.stride[i] * second.dilation[i] // m.step, first.dilation[i] // m.step) for i, m in enumerate((v, h))
    ]
    for tap in np.ndindex(b.shape[2:]):
        where = [slice(t * s, t * s + (k - 1) * n + 1, max(n, 1)) for t, (s, n), k in zip(tap, steps, a.shape[2:])]
        inner[:, :, where[0], where[1]] += _mixed(a, b[:, :, tap[0], tap[1]], first.groups, second.groups)
    return Conv2d(kernel, first.in_shape, (v.stride, h.stride), (p, q), (d, e), groups)


def _axis(c: Conv2d, i: int) -> Axis:
    return Axis(c.in_shape[1 + i], c.weight.shape[2 + i], c.stride[i], c.padding[i], c.padding[i], c.dilation[i])


def _is_depthwise(weight: Array, groups: int) -> bool:
    """One output a channel, from that channel alone: a pooling, padding, a scale."""
    return weight.shape[0] == groups and weight.shape[1] == 1


def _merged_groups(first: Conv2d, second: Conv2d) -> int:
    """A depthwise map keeps the groups of the other."""
    if _is_depthwise(first.weight, first.groups):
        return second.groups
    return first.groups if _is_depthwise(second.weight, second.groups) else math.gcd(first.groups, second.groups)


def _mixed(first: Array, tap: Array, n_first: int, n_second: int) -> Array:
    """(C_out, C_in / groups, kh, kw): ``first`` weighted by one tap (C_out, C_mid / groups) of the second."""
    kernel = first.shape[2:]
    if _is_depthwise(first, n_first):
        mid = tap.shape[1]
        parts = tap.reshape(n_second, -1, mid, 1, 1) * first.reshape(n_second, 1, mid, *kernel)
        return parts.reshape(tap.shape[0], mid, *kernel)
    if _is_depthwise(tap, n_second):
        return tap[:, :, None, None] * first
    n = math.gcd(n_first, n_second)
    a, b = _with_groups(first, n_first, n), _with_groups(tap[:, :, None, None], n_second, n)[..., 0, 0]
    product = [np.tensordot(q, p, 1) for p, q in zip(a, b)]
    return np.concatenate(product)


def _with_groups(weight: Array, groups: int, n: int) -> Array:
    """(n, C_out / n, C_in / n, kh, kw): the zeros between finer groups written out."""
    r, (c_out, c_in) = groups // n, weight.shape[:2]
    full = np.zeros((n, r, c_out // groups, r, c_in, *weight.shape[2:]), weight.dtype)
    parts = weight.reshape(n, r, c_out // groups, c_in, *weight.shape[2:])
    for g in range(r):
        full[:, g, :, g] = parts[:, g]
    return full.reshape(n, c_out // n, r * c_in, *weight.shape[2:])


def _join(first: Connection, second: Connection) -> Sparse:
    """The product of two sparse maps, synapse by synapse."""
    pre1, mid1, w1 = written_out(first)
    mid2, post2, w2 = written_out(second)
    order = np.argsort(mid1, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(mid1, minlength=first.n_post))])
    counts = start[mid2 + 1] - start[mid2]
    total = int(counts.sum())
    require(total <= MAX_PRODUCTS, f"a product of {total} synapses is too large to write out")
    ahead = np.repeat(start[mid2] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    rows = order[ahead + np.arange(total)]
    weight = np.repeat(w2, counts) * w1[rows]
    return sparse_of(pre1[rows], np.repeat(post2, counts), weight, first.n_pre, second.n_post)


def written_out(connection: Connection) -> tuple[Array, Array, Array]:
    """All synapses as (pre, post, weight), unless there are too many."""
    each = int(np.prod(connection.weight.shape[1:])) if isinstance(connection, Conv2d) else 1
    n = connection.n_post * each if isinstance(connection, Conv2d) else int(connection.weight.size)
    require(n <= MAX_PRODUCTS, f"a map of {n} synapses is too large to write out")
    return synapses(connection)


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
    pre, post, weight = written_out(connection)
    return sparse_of(pre, post, weight * factor[post], connection.n_pre, connection.n_post)


def diagonal(values: Array) -> Sparse:
    """One synapse from each neuron to its twin."""
    n = int(values.size)
    return Sparse(np.arange(n + 1), np.arange(n, dtype=np.int32), values, n)


def pooling(in_shape: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int],
            weight: float) -> Conv2d:  # fmt: skip
    """A pooling as a grouped convolution whose every weight is ``weight``."""
    return Conv2d(np.full((in_shape[0], 1, *kernel), weight), in_shape, stride, padding, (1, 1), in_shape[0])


def added(first: Connection, second: Connection) -> Connection | None:
    """``first(s) + second(s)`` where that is one connection of the same geometry; None where it is not."""
    if isinstance(first, Dense) and isinstance(second, Dense):
        return Dense(first.weight + second.weight)
    if isinstance(first, Conv2d) and isinstance(second, Conv2d):
        same = all(getattr(first, k) == getattr(second, k) for k in ("in_shape", "stride", "padding", "dilation"))
        if same and first.groups == second.groups and first.weight.shape == second.weight.shape:
            return with_weight(first, first.weight + second.weight)
    if isinstance(first, Sparse) and isinstance(second, Sparse):
        if np.array_equal(first.indptr, second.indptr) and np.array_equal(first.indices, second.indices):
            return with_weight(first, first.weight + second.weight)
    return None


def summed(first: Connection, second: Connection) -> Connection:
    """``first(s) + second(s)`` as one connection, written out dense or sparse where the geometries differ.

    Raises:
        ValueError: sizes disagree, or the sum is too large to write out.
    """
    require(
        first.n_pre == second.n_pre and first.n_post == second.n_post,
        f"maps {first.n_pre} -> {first.n_post} and {second.n_pre} -> {second.n_post} cannot be added",
    )
    plain = added(first, second)
    if plain is not None:
        return plain
    if isinstance(first, Dense) or isinstance(second, Dense):
        return Dense(dense_weight(first) + dense_weight(second))
    (pre1, post1, w1), (pre2, post2, w2) = written_out(first), written_out(second)
    pre, post, weight = (np.concatenate(pair) for pair in ((pre1, pre2), (post1, post2), (w1, w2)))
    return sparse_of(pre, post, weight, first.n_pre, first.n_post)
