"""The linear nodes of a NIR graph as connections with a bias: what lies between two neurons becomes one projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from ir.compose import compose, diagonal, pooling, scale_rows
from ir.connection import Connection, Conv2d, Dense, apply
from ir.formats.hdf5 import numbers
from ir.formats.nir_graph import Node

Array = NDArray[Any]
Shape = tuple[int, ...]

MAX_SIDE = 1 << 16
MAX_VALUES = 1 << 24


@dataclass(frozen=True)
class Linear:
    """``a = W s(t - delay)`` along one path.

    Attributes:
        connection: None = identity.
        delay_s: seconds, () or one a source; only before the first map.
    """

    shape: Shape
    connection: Connection | None = None
    delay_s: Array | float = 0.0

    def __post_init__(self) -> None:
        if self.n > MAX_VALUES:
            raise FormatError(f"values of shape {self.shape} are more than {MAX_VALUES}; no chip holds so many")

    @property
    def n(self) -> int:
        return size_of(self.shape)


def size_of(shape: Shape) -> int:
    """Number of values of a shape."""
    return int(np.prod(shape, dtype=object))


def follow(path: Linear, node: Node) -> Linear:
    """The path with one more linear node at its end (without that node's bias)."""
    if node.kind in ("Identity", "Flatten", "Shift"):
        return Linear(_flat(path.shape, node) if node.kind == "Flatten" else path.shape, path.connection, path.delay_s)
    if node.kind == "Reshape":
        return Linear(_reshaped(path.shape, node), path.connection, path.delay_s)
    if node.kind == "Delay":
        return _delayed(path, node)
    if node.kind in ("Scale", "BatchNorm"):
        return _scaled(path, node)
    connection, shape = connection_of(node, path.shape)
    merged = connection if path.connection is None else compose(path.connection, connection)
    return Linear(shape, merged, path.delay_s)


def bias_of(node: Node, shape_after: Shape) -> Array | None:
    """What a node adds to each of its values, (n,); None where nothing."""
    if node.kind not in ("Affine", "Conv1d", "Conv2d", "Shift", "BatchNorm") or "bias" not in node.params:
        return None
    bias = numbers(node.params, "bias", _who(node)).astype(np.float64)
    n = size_of(shape_after)
    if node.kind in ("Shift", "BatchNorm"):
        bias = _spread(_by_channel(bias, shape_after, node), shape_after, node).reshape(-1)
    if node.kind != "Affine" and bias.ndim == 1 and bias.size == shape_after[0]:
        bias = np.repeat(bias, n // shape_after[0])
    if bias.size not in (1, n):
        raise FormatError(f"the bias of {_who(node)} has shape {bias.shape}; its output has {n} values")
    bias = np.broadcast_to(bias.reshape(-1), (n,))
    return bias if bias.any() else None


def carried(bias: Array, path: Linear) -> Array:
    """A bias after the linear nodes of ``path``."""
    return bias if path.connection is None else np.asarray(apply(path.connection, bias))


def _who(node: Node) -> str:
    return f"{node.kind} {node.name!r}"


def integers(node: Node, key: str, count: int, default: int | None = None) -> tuple[int, ...]:
    """A small integer parameter, once for each axis."""
    if key not in node.params and default is not None:
        return (default,) * count
    given = numbers(node.params, key, _who(node), "iuf").reshape(-1)
    if given.size not in (1, count) or bool((given != np.round(given)).any()) or bool((np.abs(given) > MAX_SIDE).any()):
        raise FormatError(f"{key} of {_who(node)} is {given.tolist()[:4]}; give {count} whole numbers")
    return tuple(int(x) for x in np.broadcast_to(given, (count,)))


def _padding(
    node: Node, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    given = node.params.get("padding", 0)
    if isinstance(given, str):
        spans = [d * (k - 1) for k, d in zip(kernel, dilation)]
        if given == "valid":
            return (0,) * len(kernel)
        if given == "same" and set(stride) == {1} and not any(s % 2 for s in spans):
            return tuple(s // 2 for s in spans)
        raise FormatError(
            f"padding of {_who(node)} is {given!r} with kernel {kernel} and stride {stride}; give numbers"
        )
    return integers(node, "padding", len(kernel), 0)


def connection_of(node: Node, shape: Shape) -> tuple[Connection, Shape]:
    """Affine, Linear, convolutions and poolings on values of ``shape``, and the shape of the result."""
    if node.kind in ("Affine", "Linear"):
        weight = numbers(node.params, "weight", _who(node))
        if weight.ndim != 2 or weight.shape[1] != size_of(shape):
            raise FormatError(f"the weight of {_who(node)} has shape {weight.shape}, what comes in has shape {shape}")
        return Dense(_floats(weight)), (int(weight.shape[0]),)
    if node.kind == "Conv1d":
        return _conv1d(node, shape)
    if len(shape) != 3:
        raise FormatError(f"{_who(node)} gets values of shape {shape}; it needs (channels, height, width)")
    in_shape = (shape[0], shape[1], shape[2])
    if node.kind == "Conv2d":
        connection = _conv2d(node, in_shape)
        return connection, connection.out_shape
    if node.kind == "GlobalAvgPool2d":
        pool = pooling(in_shape, in_shape[1:], (1, 1), (0, 0), 1.0 / size_of(in_shape[1:]))
        return pool, pool.out_shape
    kernel, stride = integers(node, "kernel_size", 2), integers(node, "stride", 2)
    if shape[0] * size_of(kernel) > MAX_VALUES:
        raise FormatError(f"the kernel {kernel} of {_who(node)} is too large; it gets values of shape {shape}")
    weight = 1.0 if node.kind == "SumPool2d" else 1.0 / size_of(kernel)
    pool = pooling(in_shape, _pair(kernel), _pair(stride), _pair(_padding(node, kernel, stride, (1, 1))), weight)
    return pool, pool.out_shape


def _pair(x: tuple[int, ...]) -> tuple[int, int]:
    return x[0], x[1]


def _floats(weight: Array) -> Array:
    return weight if weight.dtype.kind == "f" and weight.dtype.itemsize >= 4 else weight.astype(np.float64)


def _conv2d(node: Node, in_shape: tuple[int, int, int]) -> Conv2d:
    weight = numbers(node.params, "weight", _who(node))
    if weight.ndim != 4:
        raise FormatError(f"the weight of {_who(node)} has shape {weight.shape}; give (C_out, C_in / groups, kh, kw)")
    stride, dilation = integers(node, "stride", 2, 1), integers(node, "dilation", 2, 1)
    kernel = tuple(int(k) for k in weight.shape[2:])
    padding = _padding(node, kernel, stride, dilation)
    groups = integers(node, "groups", 1, 1)[0]
    return Conv2d(_floats(weight), in_shape, _pair(stride), _pair(padding), _pair(dilation), groups)


def _conv1d(node: Node, shape: Shape) -> tuple[Connection, Shape]:
    """A convolution along time-like axis n as one of height 1."""
    weight = numbers(node.params, "weight", _who(node))
    if weight.ndim != 3 or len(shape) != 2:
        raise FormatError(
            f"{_who(node)} has a weight of shape {weight.shape} and gets {shape}; give (C_out, C_in, k) and (C, n)"
        )
    (stride,), (dilation,) = integers(node, "stride", 1, 1), integers(node, "dilation", 1, 1)
    (padding,) = _padding(node, (int(weight.shape[2]),), (stride,), (dilation,))
    groups = integers(node, "groups", 1, 1)[0]
    in_shape = (shape[0], 1, shape[1])
    conv = Conv2d(_floats(weight)[:, :, None], in_shape, (1, stride), (0, padding), (1, dilation), groups)
    return conv, (conv.out_shape[0], conv.out_shape[2])


def _flat(shape: Shape, node: Node) -> Shape:
    (start,), (end,) = integers(node, "start_dim", 1, 0), integers(node, "end_dim", 1, -1)
    start, end = (x + len(shape) if x < 0 else x for x in (start, end))
    if not 0 <= start <= end < len(shape):
        raise FormatError(f"{_who(node)} flattens axes {start}..{end} of values of shape {shape}")
    return (*shape[:start], size_of(shape[start : end + 1]), *shape[end + 1 :])


def _reshaped(shape: Shape, node: Node) -> Shape:
    """The new shape; one side may be -1."""
    wanted = [int(x) for x in numbers(node.params, "shape", _who(node), "iu").reshape(-1)]
    known = size_of(tuple(x for x in wanted if x != -1))
    if wanted.count(-1) == 1 and known > 0 and size_of(shape) % known == 0:
        wanted[wanted.index(-1)] = size_of(shape) // known
    if not wanted or min(wanted) < 1 or size_of(tuple(wanted)) != size_of(shape):
        raise FormatError(f"{_who(node)} makes {wanted} of values of shape {shape}; sizes must agree")
    return tuple(wanted)


def _spread(values: Array, shape: Shape, node: Node) -> Array:
    try:
        return np.broadcast_to(values, shape)
    except ValueError as error:
        raise FormatError(f"{_who(node)} holds {values.shape}, what comes in has shape {shape}") from error


def _by_channel(values: Array, shape: Shape, node: Node) -> Array:
    """A batch normalization holds one number a channel."""
    return values.reshape(-1, *(1,) * (len(shape) - 1)) if node.kind == "BatchNorm" else values


def _scaled(path: Linear, node: Node) -> Linear:
    scale = _by_channel(numbers(node.params, "scale", _who(node)).astype(np.float64), path.shape, node)
    if scale.size not in (1, path.n):
        try:
            scale = np.broadcast_to(scale, path.shape)
        except ValueError as error:
            raise FormatError(
                f"the scale of {_who(node)} has shape {scale.shape}, what comes in {path.shape}"
            ) from error
    flat = scale.reshape(-1)
    if path.connection is None:
        return Linear(path.shape, diagonal(np.broadcast_to(flat, (path.n,))), path.delay_s)
    return Linear(path.shape, scale_rows(path.connection, flat if flat.size > 1 else flat[0]), path.delay_s)


def _delayed(path: Linear, node: Node) -> Linear:
    delay = numbers(node.params, "delay", _who(node)).astype(np.float64).reshape(-1)
    if delay.size not in (1, path.n) or bool((delay < 0).any()):
        raise FormatError(
            f"{_who(node)} has {delay.size} delays, the least {delay.min():g} s; give one or {path.n}, at least 0"
        )
    uniform = bool((delay == delay[0]).all())
    if path.connection is not None and not uniform:
        raise FormatError(f"{_who(node)} delays each value differently after a linear map; put it before the map")
    return Linear(path.shape, path.connection, path.delay_s + (delay[0] if uniform else delay))
