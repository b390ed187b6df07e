"""What an ONNX graph computes from constants alone, by onnx's own reference evaluator, within bounds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ir.arrays import Array
from ir.check import FormatError

Bound = Callable[[onnx.NodeProto, list[Array]], int]

MAX_RESULT = 1 << 24
"""Most numbers of one folded value."""

MAX_KEPT = 256 << 20
"""Bytes that all folded constants of one file take together, where its stored ones are few."""

MAX_WORK = 1 << 28
"""Most numbers made and products formed by all folding in one file."""

DAMAGED = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What onnx's evaluator raises on nodes that do not follow the standard."""


@dataclass
class Folding:
    """Folds constants until the file's allowance is used up.

    Attributes:
        left: steps that may still be taken; room: bytes that results may still hold.
    """

    opset: int
    left: int = MAX_WORK
    room: int = MAX_KEPT

    def fold(self, node: onnx.NodeProto, inputs: list[Array | None]) -> list[Array]:
        """The outputs of a node whose inputs are all known.

        Raises:
            FormatError: no operator that is folded, a result too large, or a node that breaks the standard.
        """
        bound = BOUNDS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if bound is None:
            raise FormatError("it computes a constant in a way that is not folded; fold constants before exporting")
        given = [x for x in inputs if x is not None]
        try:
            size = bound(node, given)
            rows, summed, columns = _factors(node, given) if bound is _product else (size, 1, 1)
        except DAMAGED as error:
            raise FormatError("its constant inputs do not fit it; export the model again") from error
        self._take(size, rows * summed * columns + sum(x.size for x in given))
        feeds = {name: x for name, x in zip(node.input, inputs) if x is not None}
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found = ReferenceEvaluator(node, opsets={"": self.opset}).run(None, feeds)
        except DAMAGED as error:
            raise FormatError("its constant inputs do not fit it; export the model again") from error
        results = [_plain(x) for x in found]
        self.room -= sum(x.nbytes for x in results if x.base is None)
        if self.room < 0:
            raise FormatError(f"its constants take over {MAX_KEPT >> 20} MB once folded; fold constants before")
        return results

    def _take(self, size: int, work: int) -> None:
        if size > MAX_RESULT:
            raise FormatError(f"it makes a constant of {size} numbers, at most {MAX_RESULT}; fold constants before")
        self.left -= size + work
        if self.left < 0:
            raise FormatError(f"its constants take over {MAX_WORK} steps to compute; fold constants before exporting")


def _plain(x: Any) -> Array:
    if not isinstance(x, (np.ndarray, np.generic)) or np.asarray(x).dtype.kind not in "biuf":
        raise FormatError("it makes a constant that is no plain number; fold constants before exporting")
    return np.asarray(x)


def _size(sides: Any) -> int:
    """Number of values, in Python's integers."""
    n = 1
    for side in sides:
        n *= max(int(side), 0)
    return n


def _as_given(node: onnx.NodeProto, x: list[Array]) -> int:
    return sum(a.size * max(a.ndim, 1) for a in x)


def _broadcast(node: onnx.NodeProto, x: list[Array]) -> int:
    rank = max(a.ndim for a in x)
    return _size(max(a.shape[i] for a in x if -i <= a.ndim) for i in range(-rank, 0))


def _of_shape(node: onnx.NodeProto, x: list[Array]) -> int:
    return _size(x[0].reshape(-1))


def _expand(node: onnx.NodeProto, x: list[Array]) -> int:
    target = [int(side) for side in x[1].reshape(-1)]
    rank = max(len(target), x[0].ndim)
    sides = [[1] * (rank - len(s)) + list(s) for s in (target, x[0].shape)]
    return _size(max(a, b) for a, b in zip(*sides))


def _tile(node: onnx.NodeProto, x: list[Array]) -> int:
    return x[0].size * _size(x[1].reshape(-1))


def _range(node: onnx.NodeProto, x: list[Array]) -> int:
    start, limit, delta = (float(a.reshape(())) for a in x)
    return max(int((limit - start) / delta) + 1, 0)


def _pad(node: onnx.NodeProto, x: list[Array]) -> int:
    pads = next((list(a.ints) for a in node.attribute if a.name == "pads"), None)
    widths = [int(p) for p in (x[1].reshape(-1) if pads is None else pads)]
    return _size(side + max(widths, default=0) * 2 for side in x[0].shape) if max(widths, default=0) > 0 else x[0].size


def _gather(node: onnx.NodeProto, x: list[Array]) -> int:
    axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
    return x[1].size * (x[0].size // max(x[0].shape[axis], 1))


def _product(node: onnx.NodeProto, x: list[Array]) -> int:
    rows, _, columns = _factors(node, x)
    return rows * columns


def _factors(node: onnx.NodeProto, x: list[Array]) -> tuple[int, int, int]:
    """Rows, summands and columns of a matrix product; stacks of matrices as if each met each."""
    trans_a, trans_b = (any(a.name == k and a.i for a in node.attribute) for k in ("transA", "transB"))
    summed = x[0].shape[-2 if trans_a else -1]
    last = x[1].shape[-2 if trans_b and x[1].ndim > 1 else -1] if x[1].ndim > 1 else 1
    stacks = _size(x[1].shape[:-2])
    return x[0].size // max(summed, 1), summed, last * stacks


BOUNDS: dict[str, Bound] = {
    **dict.fromkeys((
        "Abs", "Cast", "Ceil", "Clip", "Concat", "CumSum", "Exp", "Flatten", "Floor", "Identity", "Log", "Neg",
        "Not", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
        "ReduceSumSquare", "Relu", "Reshape", "Round", "ScatterElements", "ScatterND", "Shape", "Sign", "Size",
        "Slice", "Split", "Sqrt", "Squeeze", "Transpose", "Unsqueeze",
    ), _as_given),
    **dict.fromkeys((
        "Add", "And", "DequantizeLinear", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
        "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
    ), _broadcast),
    "ConstantOfShape": _of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "GatherElements": _as_given,
    "Gemm": _product,
    "MatMul": _product,
    "Pad": _pad,
    "Range": _range,
    "Tile": _tile,
}  # fmt: skip
"""Operators whose result is bounded before it is computed, and the bound: the numbers they make."""
