"""ONNX's ReLU under its many names: a layer is judged by what it does, so whatever is ``max(x, 0)`` is a population."""

from __future__ import annotations

import numpy as np

from exchange.onnx.walk import Op, Value
from ir.check import FormatError

ONLY = "only max(x, 0) has a counterpart in a spiking network"

NO_LIMIT = float(np.finfo(np.float32).max)
"""A limit as far out as this is none."""


def relu(op: Op) -> Value:
    """``Relu``: a population."""
    return op.put("Relu", {}, op.value())


def clip(op: Op) -> Value:
    """``Clip``: ReLU where it begins at 0 and has no end, nothing where it has neither."""
    low, high = (_limit(op, i, name) for i, name in ((1, "min"), (2, "max")))
    if high is not None and high < NO_LIMIT:
        raise FormatError(f"it clips values at {high:g} (as ReLU6 does); {ONLY}")
    if low is None or low <= -NO_LIMIT:
        return op.value()
    if low != 0:
        raise FormatError(f"it clips values at {low:g}; {ONLY}")
    return relu(op)


def _limit(op: Op, i: int, name: str) -> float | None:
    """An attribute in old files, an input in newer ones; None where it is left out."""
    if not op.has(i):
        return op.given.number(name, 0.0) if op.given.has(name) else None
    limit = op.limit(i)
    if limit.size != 1:
        raise FormatError(f"input {i} has shape {limit.shape}; it must be one number")
    return float(limit.reshape(()))


def leaky_relu(op: Op) -> Value:
    """``LeakyRelu`` without a leak, ``ThresholdedRelu`` at 0."""
    alpha = op.given.number("alpha", 0.01 if op.kind == "LeakyRelu" else 1.0)
    if alpha != 0:
        raise FormatError(f"its alpha is {alpha:g}; {ONLY}")
    return relu(op)


def prelu(op: Op) -> Value:
    """``PRelu`` whose slopes are all 0."""
    op.value()
    if op.constant(1).any():
        raise FormatError(f"its slopes are not 0; {ONLY}")
    return relu(op)


def larger(op: Op) -> Value:
    """``Max`` of a value and 0."""
    at = next(i for i, x in enumerate(op.inputs) if isinstance(x, Value))
    rest = [i for i in range(len(op.inputs)) if i != at]
    value = op.value(at)
    zeros = [op.constant(i) for i in rest if not isinstance(op.inputs[i], Value)]
    if len(zeros) != len(rest) or any(z.any() or z.size != 1 or z.ndim > op.rank(value) for z in zeros):
        raise FormatError(f"it takes the largest of several values; {ONLY}")
    return op.put("Relu", {}, value) if zeros else value
