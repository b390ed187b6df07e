"""ONNX's operators that move, repeat, join or sum up the numbers of one sample; the batch is left where it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from exchange.graph.linear import Shape
from exchange.onnx.sums import widened
from exchange.onnx.walk import MAX_MAP, Op, Value
from ir import layers
from ir.arrays import Ints
from ir.check import FormatError
from ir.layers.shapes import size_of

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)

MANY = (1 << 31) - 1
"""An end of a slice from here on means all."""


def identity(op: Op) -> Value:
    """``Identity``."""
    return op.value()


def dropout(op: Op) -> Value:
    """``Dropout`` outside training."""
    op.given.number("ratio", 0.5)
    op.given.integer("seed", 0)
    if op.has(2) and op.constant(2).any():
        raise FormatError("it drops values; export the model in eval mode")
    return op.value()


def cast(op: Op) -> Value:
    """``Cast`` to a type in which nothing is rounded away."""
    to = op.given.integer("to", 0)
    op.given.integer("saturate", 1)
    op.given.text("round_mode", "up")
    if to not in FLOATS:
        raise FormatError(f"it casts the data to ONNX type {to}; only float and double are read")
    value = op.value()
    return Value(value.node, value.shape)


def shape_of(op: Op) -> Ints:
    """``Shape``: the batch as the file was written, 1 where that is open."""
    value = op.value()
    sides = np.array([*([op.walk.batch] * op.walk.lead), *value.shape], np.int64)
    one_more = sides + np.eye(1, sides.size, dtype=np.int64)[0] * op.walk.is_open
    part = slice(op.given.integer("start", 0), op.given.integer("end", len(sides)))
    op.one_more = None if np.array_equal(sides[part], one_more[part]) else one_more[part]
    return sides[part]


def flatten(op: Op) -> Value:
    """``Flatten``."""
    value, axis = op.value(), op.given.integer("axis", 1)
    if op.walk.lead:
        return op.reshaped(value, layers.matrix(f"{op.kind} {op.name!r}", value.shape, axis))
    at = axis + len(value.shape) if axis < 0 else axis
    if not 0 <= at <= len(value.shape):
        raise FormatError(f"it flattens at axis {axis} of a value with {len(value.shape)} axes")
    return op.reshaped(value, (size_of(value.shape[:at]), size_of(value.shape[at:])))


def reshape(op: Op) -> Value:
    """``Reshape``: 0 keeps a side, -1 takes what is left."""
    value, sizes = op.value(), op.list("shape", 1, batch_first=True)
    sizes = [] if sizes is None else sizes
    if op.given.integer("allowzero", 0) and 0 in sizes:
        raise FormatError(f"it makes sides {sizes}; no side may be empty")
    if op.walk.lead and (not sizes or sizes[0] not in (0, -1, op.walk.batch)):
        raise FormatError(f"it reshapes to {sizes[:8]}; the batch must stay first")
    if op.walk.lead and len(sizes) == 1:  # one number a sample
        if value.n != 1:
            raise FormatError(f"it reshapes to {sizes}; the batch must stay first")
        return op.reshaped(value, ())
    return op.reshaped(value, layers.reshape(f"{op.kind} {op.name!r}", value.shape, sizes, bool(op.walk.lead)))


def squeeze(op: Op) -> Value:
    """``Squeeze``."""
    value, axes = op.value(), op.list("axes", 1)
    if axes is None:
        if op.walk.lead:
            raise FormatError("it drops every axis of 1, the batch of one sample too; name its axes")
        axes = [i for i, side in enumerate(value.shape) if side == 1]
    at = op.axes(axes, op.rank(value))
    if any(value.shape[a] != 1 for a in at):
        raise FormatError(f"it drops axes {axes} of values of shape {value.shape}; only sides of 1 can go")
    return op.reshaped(value, tuple(side for i, side in enumerate(value.shape) if i not in at))


def unsqueeze(op: Op) -> Value:
    """``Unsqueeze``."""
    value, axes = op.value(), op.list("axes", 1)
    rank = op.rank(value) + len(axes or ())
    if not axes:
        raise FormatError("it adds no axes; name them")
    at, rest = op.axes(axes, rank), iter(value.shape)
    return op.reshaped(value, tuple(1 if i in at else next(rest) for i in range(rank - op.walk.lead)))


def transpose(op: Op) -> Value:
    """``Transpose`` of the axes of one sample."""
    value, lead = op.value(), op.walk.lead
    perm = op.given.integers("perm")
    perm = list(range(op.rank(value)))[::-1] if perm is None else perm
    if sorted(perm) != list(range(op.rank(value))):
        raise FormatError(f"its perm is {perm[:8]}; values have {op.rank(value)} axes")
    if perm[:lead] != list(range(lead)):
        raise FormatError(f"its perm is {perm[:8]}; the batch must stay first")
    return op.picked(value, op.places(value).transpose([p - lead for p in perm[lead:]]))


def cut(op: Op) -> Value:
    """``Slice``."""
    value = op.value()
    starts, ends, axes, steps = (op.list(k, i + 1) for i, k in enumerate(("starts", "ends", "axes", "steps")))
    n = len(starts or ())
    axes, steps = list(range(n)) if axes is None else axes, [1] * n if steps is None else steps
    if not starts or not ends or {len(ends), len(axes), len(steps)} != {n}:
        raise FormatError("its starts, ends, axes and steps are not as many")
    places, rank = op.places(value), op.rank(value)
    cuts = [x for x in zip(starts, ends, axes, steps) if not _keeps_the_batch(op, rank, *x)]
    op.axes([axis for _, _, axis, _ in cuts], rank)
    for start, end, axis, step in cuts:
        if step == 0:
            raise FormatError("it takes steps of 0")
        at = op.axis(axis, rank)
        places = np.take(places, _range(start, end, step, places.shape[at]), axis=at)
    return op.picked(value, _full(places))


def _keeps_the_batch(op: Op, rank: int, start: int, end: int, axis: int, step: int) -> bool:
    """Whether a slice takes every sample, as writers say that slice every axis."""
    whole = start == 0 and step == 1 and end >= (MANY if op.walk.is_open else op.walk.batch)
    return bool(op.walk.lead) and axis in (0, -rank) and whole


def _range(start: int, end: int, step: int, side: int) -> range:
    """The places a slice takes, clamped as the standard says."""
    start, end = (x + side if x < 0 else x for x in (start, end))
    low, high = (0, side) if step > 0 else (-1, side - 1)
    return range(min(max(start, max(low, 0)), high), min(max(end, low), high), step)


def _full(places: Ints) -> Ints:
    if places.size == 0:
        raise FormatError("it takes nothing; no value may be empty")
    return places


def gather(op: Op) -> Value:
    """``Gather`` with fixed indices."""
    value, indices = op.value(), op.constant(1)
    at = op.axis(op.given.integer("axis", 0), op.rank(value))
    side = value.shape[at]
    if indices.dtype.kind not in "iu" or bool((indices < -side).any()) or bool((indices >= side).any()):
        raise FormatError(f"its indices do not lie in the {side} places of axis {at}")
    if indices.size * (value.n // side) > MAX_MAP:
        raise FormatError(f"it takes {indices.size} times a part of {value.shape}, too much to write out")
    return op.picked(value, _full(np.take(op.places(value), indices.astype(np.int64), axis=at)))


def split(op: Op) -> list[Value]:
    """``Split``, into equal parts unless it says how."""
    value, sizes = op.value(), op.list("split", 1)
    at = op.axis(op.given.integer("axis", 0), op.rank(value))
    n, side = op.given.integer("num_outputs", op.n_outputs), value.shape[at]
    if sizes is None:
        part = -(-side // max(n, 1))
        sizes = [min(part, side - i * part) for i in range(max(n, 1))]
    if len(sizes) != op.n_outputs or min(sizes) < 1 or sum(sizes) != side:
        raise FormatError(f"it splits a side of {side} into {sizes[:8]} for {op.n_outputs} outputs")
    parts = np.split(op.places(value), np.cumsum(sizes)[:-1].tolist(), axis=at)
    return [op.picked(value, part) for part in parts]


def concat(op: Op) -> Value:
    """``Concat`` of values and constants: each has its own places in the result."""
    parts = [op.value(i) if isinstance(x, Value) else op.constant(i) for i, x in enumerate(op.inputs)]
    first = next(x for x in parts if isinstance(x, Value))
    at = op.axis(op.given.integer("axis", 1), op.rank(first))
    sides = [x.shape if isinstance(x, Value) else x.shape[op.walk.lead :] for x in parts]
    for x, s in zip(parts, sides):
        one = isinstance(x, Value) or not op.walk.lead or x.shape[:1] == (1,)
        if not one or len(s) != len(first.shape) or s[:at] != first.shape[:at] or s[at + 1 :] != first.shape[at + 1 :]:
            raise FormatError(f"it joins values of shapes {sides[:8]} along axis {at}, which do not fit")
    shape = (*first.shape[:at], sum(s[at] for s in sides), *first.shape[at + 1 :])
    if size_of(shape) > MAX_MAP:
        raise FormatError(f"it makes values of shape {shape}, over {MAX_MAP}")
    cuts = np.cumsum([s[at] for s in sides])[:-1].tolist()
    places = np.split(np.arange(size_of(shape)).reshape(shape), cuts, axis=at)
    bias = np.zeros(size_of(shape))
    values: list[Value] = []
    for x, where in zip(parts, places):
        if isinstance(x, Value):
            values.append(op.mapped(x, shape, np.arange(x.n), where.reshape(-1), np.ones(x.n)))
        else:
            bias[where.reshape(-1)] = op.walk.floats(x).reshape(-1)
    result = op.put("Identity", {}, *values)
    return op.put("Shift", {"bias": bias}, result) if bias.any() else result


def expand(op: Op) -> Value:
    """``Expand``."""
    value, lead = op.value(), op.walk.lead
    sizes = op.whole(1, batch_first=op.has(1) and np.size(op.inputs[1]) == op.rank(value))  # type: ignore[arg-type]
    if lead and (len(sizes) > op.rank(value) or (len(sizes) == op.rank(value) and sizes[0] not in (1, op.walk.batch))):
        raise FormatError(f"it repeats to {sizes[:8]}; the batch must stay first")
    wanted = sizes[1:] if lead and len(sizes) == op.rank(value) else sizes
    try:
        shape = np.broadcast_shapes(value.shape, tuple(wanted))
    except ValueError as error:
        raise FormatError(f"it repeats values of shape {value.shape} to {sizes[:8]}, which do not fit") from error
    if 0 in shape:
        raise FormatError(f"it makes values of shape {shape}; no side may be empty")
    return widened(op, value, shape)


def reduce(op: Op) -> Value:
    """``ReduceMean`` and ``ReduceSum`` over axes of one sample."""
    value, axes = op.value(), op.list("axes", 1)
    keep, noop = op.given.integer("keepdims", 1), op.given.integer("noop_with_empty_axes", 0)
    if not axes and noop:
        return value
    at = op.axes(axes or range(op.rank(value)), op.rank(value))
    shape = tuple(1 if i in at else side for i, side in enumerate(value.shape))
    left = shape if keep else tuple(side for i, side in enumerate(shape) if i not in at)
    return op.reshaped(_reduced(op, value, at, shape), left)


def _reduced(op: Op, value: Value, at: Sequence[int], shape: Shape) -> Value:
    """Sums or means, sides of 1 kept; over a whole image as a pooling."""
    axes = len(value.shape) - 1
    if axes in (1, 2) and list(at) == list(range(1, axes + 1)):
        kernel = np.array(value.shape[1:])
        if op.kind == "ReduceMean":
            return op.put(f"GlobalAvgPool{axes}d", {}, value)
        if axes == 2:
            return op.put("SumPool2d", {"kernel_size": kernel, "stride": kernel}, value)
    places = np.broadcast_to(np.arange(size_of(shape)).reshape(shape), value.shape).reshape(-1)
    if value.n > MAX_MAP:
        raise FormatError(f"it sums up {value.n} values one by one, at most {MAX_MAP}")
    weight = 1.0 if op.kind == "ReduceSum" else size_of(shape) / value.n
    return op.mapped(value, shape, np.arange(value.n), places, np.full(value.n, weight))
