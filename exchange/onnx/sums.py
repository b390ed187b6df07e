"""ONNX's sums, differences and products with constants, broadcast as the standard says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exchange.graph.linear import Shape
from exchange.onnx.walk import MAX_MAP, Known, Op, Value
from ir.arrays import Array
from ir.check import FormatError
from ir.layers.shapes import size_of


def _sides(op: Op, x: Known) -> Shape:
    """An input's sides beside one sample's: a constant's must leave the batch alone."""
    if isinstance(x, Value):
        return x.shape
    lead = op.walk.lead
    rank = max(op.rank(v) for v in op.inputs if isinstance(v, Value))
    if x.ndim > rank and lead:
        raise FormatError(f"a constant of shape {x.shape} puts axes before the batch of a value with {rank} axes")
    if lead and x.ndim == rank and x.shape[0] != 1:
        raise FormatError(f"a constant of shape {x.shape} differs from sample to sample")
    return x.shape[1:] if lead and x.ndim == rank else x.shape


def _common(op: Op, xs: Sequence[Known]) -> Shape:
    """The shape of one sample that all inputs are broadcast to."""
    ranks = {len(x.shape) for x in xs if isinstance(x, Value)}
    if op.walk.lead and len(ranks) > 1:
        raise FormatError(f"it joins values with {min(ranks) + 1} and {max(ranks) + 1} axes, which mixes the batch")
    shapes = [_sides(op, x) for x in xs]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        found = " and ".join(map(str, dict.fromkeys(shapes)))
        raise FormatError(f"it joins shapes {found}, which do not fit") from error
    if 0 in shape:
        raise FormatError(f"it makes values of shape {shape}; no side may be empty")
    return shape


def widened(op: Op, value: Value, shape: Shape) -> Value:
    """A value repeated along its sides of 1."""
    if value.shape == shape:
        return value
    if size_of(shape) == value.n:
        return op.reshaped(value, shape)
    if size_of(shape) > MAX_MAP:
        raise FormatError(f"it makes values of shape {shape}, over {MAX_MAP}")
    return op.picked(value, np.broadcast_to(op.places(value), shape))


def total(op: Op, xs: Sequence[Known]) -> Value:
    """The sum of values and constants; what is there twice counts twice."""
    shape = _common(op, xs)
    values = [widened(op, x, shape) for x in xs if isinstance(x, Value)]
    result = values[0] if len(values) == 1 else op.put("Identity", {}, *values)
    for x in xs:
        if not isinstance(x, Value):
            result = op.put("Shift", {"bias": op.walk.floats(x).reshape(_sides(op, x))}, result)
    return result


def _known(op: Op) -> list[Known]:
    """All inputs, constants finite."""
    return [op.value(i) if isinstance(x, Value) else op.constant(i) for i, x in enumerate(op.inputs)]


def add(op: Op) -> Value:
    """``Add`` and ``Sum``."""
    return total(op, _known(op))


def mean(op: Op) -> Value:
    """``Mean`` of several inputs."""
    return op.put("Scale", {"scale": np.array(1.0 / len(op.inputs))}, total(op, _known(op)))


def _minus(op: Op, x: Known) -> Known:
    return op.put("Scale", {"scale": np.array(-1.0)}, x) if isinstance(x, Value) else np.negative(op.walk.floats(x))


def subtract(op: Op) -> Value:
    """``Sub``: a value minus itself is 0, its bias too."""
    first, second = _two(op)
    return total(op, [first, _minus(op, second)])


def negate(op: Op) -> Value:
    """``Neg``."""
    return op.put("Scale", {"scale": np.array(-1.0)}, op.value())


def multiply(op: Op) -> Value:
    """``Mul`` by a constant."""
    first, second = _two(op)
    value, factor = (first, second) if isinstance(first, Value) else (second, first)
    if isinstance(factor, Value) or not isinstance(value, Value):
        raise FormatError("it multiplies two values of the data; only fixed factors are read")
    return _scaled(op, value, factor, op.walk.floats(factor))


def divide(op: Op) -> Value:
    """``Div`` by a constant."""
    value, divisor = op.value(), op.constant(1)
    if not divisor.all():
        raise FormatError("it divides by 0")
    return _scaled(op, value, divisor, 1.0 / op.walk.floats(divisor))


def _scaled(op: Op, value: Value, factor: Array, inverse: Array) -> Value:
    shape = _common(op, [value, factor])
    return op.put("Scale", {"scale": np.asarray(inverse).reshape(_sides(op, factor))}, widened(op, value, shape))


def _two(op: Op) -> tuple[Known, Known]:
    known = _known(op)
    if len(known) != 2:
        raise FormatError(f"it has {len(known)} inputs; give two")
    return known[0], known[1]
