"""Linear maps from sources to targets: dense, convolution, sparse; weights float or integer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ir.arrays import Array, Int32s, Ints, frozen_array, numbers, set_field, whole_array
from ir.check import INT32, MAX_NEURONS, block_shape, check_finite, check_type, require, whole


@dataclass(frozen=True, eq=False)
class Dense:
    """``a = W s``.

    Attributes:
        weight: (n_post, n_pre).
    """

    weight: Array

    def __post_init__(self) -> None:
        set_field(self, "weight", frozen_array(numbers("Dense weight", self.weight)))
        require(
            self.weight.ndim == 2 and self.weight.size > 0,
            f"Dense weight has shape {self.weight.shape}; give (n_post, n_pre), not empty",
        )
        check_finite("Dense weight", self.weight)

    @property
    def n_pre(self) -> int:
        return int(self.weight.shape[1])

    @property
    def n_post(self) -> int:
        return int(self.weight.shape[0])


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Cross-correlation as torch's ``Conv2d``; a grouped one with one weight a channel is a pooling.

    Attributes:
        weight: (C_out, C_in / groups, kh, kw).
        in_shape: (C_in, H, W).
        stride, padding, dilation: (vertical, horizontal).
        groups: number of channel groups.
    """

    weight: Array
    in_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        set_field(self, "weight", frozen_array(numbers("Conv2d weight", self.weight)))
        for name in ("stride", "padding", "dilation"):
            set_field(self, name, _pair(f"Conv2d {name}", getattr(self, name)))
        set_field(self, "in_shape", block_shape("Conv2d in_shape", self.in_shape))
        require(min(self.in_shape, default=0) > 0, f"Conv2d in_shape is {self.in_shape}; every side must be positive")
        set_field(self, "groups", whole("Conv2d groups", self.groups, *INT32))
        require(
            self.weight.ndim == 4 and self.weight.size > 0,
            f"Conv2d weight has shape {self.weight.shape}; give (C_out, C_in/groups, kh, kw)",
        )
        require(len(self.in_shape) == 3, f"Conv2d in_shape is {self.in_shape}; give (C_in, H, W)")
        require(
            min(self.stride) > 0 and min(self.dilation) > 0 and min(self.padding) >= 0 and self.groups > 0,
            "Conv2d stride, dilation and groups must be positive, padding not negative",
        )
        c_out, c_group = self.weight.shape[:2]
        require(
            c_group * self.groups == self.in_shape[0] and c_out % self.groups == 0,
            f"Conv2d weight {self.weight.shape} with {self.groups} groups does not fit {self.in_shape[0]} channels",
        )
        check_finite("Conv2d weight", self.weight)
        rows, columns = (self.in_shape[1 + i] + 2 * self.padding[i] for i in (0, 1))
        require(
            self.in_shape[0] * rows * columns <= MAX_NEURONS,
            f"Conv2d padding {self.padding} makes {rows} x {columns} of {self.in_shape}; at most {MAX_NEURONS} places",
        )
        require(
            min(self.out_shape) > 0, f"Conv2d kernel {self.weight.shape[2:]} is larger than its input {self.in_shape}"
        )

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(C_out, H_out, W_out)."""
        h, w = (
            (self.in_shape[1 + i] + 2 * self.padding[i] - self.dilation[i] * (self.weight.shape[2 + i] - 1) - 1)
            // self.stride[i]
            + 1
            for i in (0, 1)
        )
        return int(self.weight.shape[0]), h, w

    @property
    def n_pre(self) -> int:
        return math.prod(self.in_shape)

    @property
    def n_post(self) -> int:
        return math.prod(self.out_shape)


@dataclass(frozen=True, eq=False)
class Sparse:
    """Explicit synapses in compressed rows, one row a target.

    Attributes:
        indptr: (n_post + 1,) where each target's synapses begin.
        indices: (n_synapses,) the sources.
        weight: (n_synapses,).
        n_pre: number of sources.
    """

    indptr: Ints
    indices: Int32s
    weight: Array
    n_pre: int

    def __post_init__(self) -> None:
        set_field(self, "indptr", whole_array("Sparse indptr", self.indptr))
        set_field(self, "indices", whole_array("Sparse indices", self.indices, np.int32))
        set_field(self, "weight", frozen_array(numbers("Sparse weight", self.weight)))
        set_field(self, "n_pre", whole("Sparse n_pre", self.n_pre, 1, MAX_NEURONS))
        require(
            self.indptr.ndim == 1
            and self.indptr.size > 1
            and self.indptr[0] == 0
            and bool((np.diff(self.indptr) >= 0).all()),
            "Sparse indptr must be (n_post + 1,), start at 0 and never fall",
        )
        require(
            self.indices.shape == self.weight.shape == (int(self.indptr[-1]),),
            "Sparse indices and weight must hold indptr[-1] synapses",
        )
        require(
            self.n_pre > 0
            and (self.indices.size == 0 or (0 <= int(self.indices.min()) and int(self.indices.max()) < self.n_pre)),
            f"Sparse indices must lie in 0..{self.n_pre - 1}",
        )
        check_finite("Sparse weight", self.weight)

    @property
    def n_post(self) -> int:
        return int(self.indptr.size - 1)


def _pair(who: str, values: Any) -> tuple[int, int]:
    """Two whole numbers, vertical and horizontal."""
    check_type(who, values, (tuple, list), "two whole numbers")
    require(len(values) == 2, f"{who} has {len(values)} numbers; give two, vertical and horizontal")
    return whole(who, values[0], *INT32), whole(who, values[1], *INT32)


Connection = Union[Dense, Conv2d, Sparse]
CONNECTIONS = (Dense, Conv2d, Sparse)


@dataclass(frozen=True, eq=False)
class SourceLists:
    """Synapses grouped by source: ``post[indptr[i]:indptr[i+1]]`` are the targets of source i."""

    indptr: Ints
    post: Int32s
    weight: Array


def _conv_synapses(c: Conv2d) -> tuple[Ints, Ints, Array]:
    """All (pre, post, weight) of a convolution, post-major."""
    (_, h, w), (c_out, ho, wo) = c.in_shape, c.out_shape
    c_group, kh, kw = c.weight.shape[1:]
    o, y, x, i, a, b = np.ogrid[:c_out, :ho, :wo, :c_group, :kh, :kw]
    row = y * c.stride[0] - c.padding[0] + a * c.dilation[0]
    col = x * c.stride[1] - c.padding[1] + b * c.dilation[1]
    channel = (o // (c_out // c.groups)) * c_group + i
    inside = np.broadcast_to((row >= 0) & (row < h) & (col >= 0) & (col < w), (c_out, ho, wo, c_group, kh, kw))
    pre = np.broadcast_to((channel * h + row) * w + col, inside.shape)[inside]
    post = np.broadcast_to((o * ho + y) * wo + x, inside.shape)[inside]
    weight = np.broadcast_to(c.weight[:, None, None], inside.shape)[inside]
    return pre.astype(np.int64), post.astype(np.int64), weight


def synapses(connection: Connection) -> tuple[Ints, Ints, Array]:
    """All synapses as (pre, post, weight), zero weights included; expands convolutions."""
    if isinstance(connection, Conv2d):
        return _conv_synapses(connection)
    if isinstance(connection, Dense):
        post, pre = np.divmod(np.arange(connection.weight.size), connection.n_pre)
        return pre, post, connection.weight.reshape(-1)
    post = np.repeat(np.arange(connection.n_post), np.diff(connection.indptr))
    return connection.indices.astype(np.int64), post, connection.weight


def source_lists(connection: Connection) -> SourceLists:
    """Group the synapses of ``connection`` by source, targets ascending."""
    if isinstance(connection, Dense):
        n_pre, n_post = connection.n_pre, connection.n_post
        return SourceLists(
            np.arange(n_pre + 1) * n_post,
            np.tile(np.arange(n_post, dtype=np.int32), n_pre),
            np.ascontiguousarray(connection.weight.T).reshape(-1),
        )
    pre, post, weight = synapses(connection)
    order = np.argsort(pre, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=connection.n_pre))])
    return SourceLists(indptr, post[order].astype(np.int32), weight[order])


def apply(connection: Connection, s: Array) -> Array:
    """``a = W s`` for s of shape (..., n_pre); integers stay exact (int64).

    Returns:
        (..., n_post), in int64 for integer weights and spikes, else float64.
    """
    exact = connection.weight.dtype.kind in "iu" and s.dtype.kind in "iub"
    dtype = np.int64 if exact else np.float64
    s = s.astype(dtype)
    if isinstance(connection, Dense):
        return s @ connection.weight.T.astype(dtype)
    flat = s.reshape(-1, connection.n_pre)
    if isinstance(connection, Conv2d):
        return _apply_conv(connection, flat, dtype).reshape(*s.shape[:-1], connection.n_post)
    out = np.zeros((flat.shape[0], connection.n_post), dtype)
    post = np.repeat(np.arange(connection.n_post), np.diff(connection.indptr))
    np.add.at(out.T, post, (flat[:, connection.indices] * connection.weight.astype(dtype)).T)
    return out.reshape(*s.shape[:-1], connection.n_post)


def _apply_conv(c: Conv2d, flat: Array, dtype: Any) -> Array:
    (_, ho, wo), (kh, kw) = c.out_shape, c.weight.shape[2:]
    padded = np.pad(flat.reshape(-1, *c.in_shape), ((0, 0), (0, 0), (c.padding[0],) * 2, (c.padding[1],) * 2))
    out = np.zeros((flat.shape[0], *c.out_shape), dtype)
    per_in, per_out = c.in_shape[0] // c.groups, c.out_shape[0] // c.groups
    for a in range(kh):
        for b in range(kw):
            row, col = a * c.dilation[0], b * c.dilation[1]
            window = padded[
                :,
                :,
                row : row + (ho - 1) * c.stride[0] + 1 : c.stride[0],
                col : col + (wo - 1) * c.stride[1] + 1 : c.stride[1],
            ]
            for g in range(c.groups):
                kernel = c.weight[g * per_out : (g + 1) * per_out, :, a, b].astype(dtype)
                out[:, g * per_out : (g + 1) * per_out] += np.einsum(
                    "oi,bihw->bohw", kernel, window[:, g * per_in : (g + 1) * per_in]
                )
    return out.reshape(flat.shape[0], -1)


def with_weight(connection: Connection, weight: Array) -> Connection:
    """The same connection with other weights of the same shape."""
    if isinstance(connection, Dense):
        return Dense(weight)
    if isinstance(connection, Sparse):
        return Sparse(connection.indptr, connection.indices, weight, connection.n_pre)
    return Conv2d(
        weight, connection.in_shape, connection.stride, connection.padding, connection.dilation, connection.groups
    )
