"""Single ONNX nodes drawn on a value: layers, sums of shared values, moved numbers, constants folded or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]


@dataclass
class Drawn:
    """A graph while it grows.

    Attributes:
        values: what depends on the data: name, shape of one sample.
        lead: the axes before a sample's own: 1 (the batch), or 0 for one-dimensional input.
        batch: samples of one run; open: whether the file leaves their number open.
    """

    draw: st.DrawFn
    rng: np.random.Generator
    lead: int
    batch: int
    open: bool
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    stored: list[onnx.TensorProto] = field(default_factory=list)
    values: list[tuple[str, Shape]] = field(default_factory=list)

    def any(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    def name(self) -> str:
        return f"_{len(self.nodes)}_{len(self.stored)}"

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        known = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(kind, inputs, names, name=f"n{len(self.nodes)}", **known))
        return names[0] if outputs == 1 else names

    def store(self, x: Any) -> str:
        name = f"w{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(x), name))
        return name

    def constant(self, x: Any) -> str:
        """A constant as files hold it: stored, or computed from others."""
        x = np.asarray(x)
        how = self.any(("stored", "stored", "node", "identity", "concat", "slice", "sum", "unsqueezed", "cast"))
        if how == "node":
            return self.node("Constant", value=numpy_helper.from_array(x))
        if how == "identity":
            return self.node("Identity", self.store(x))
        if how == "concat" and x.ndim and len(x) > 1:
            return self.node("Concat", self.store(x[:1]), self.store(x[1:]), axis=0)
        if how == "slice" and x.ndim:
            wide = np.concatenate([x, x[:1]])
            ends = (self.store(np.array([0])), self.store(np.array([len(x)])))
            return self.node("Slice", self.store(wide), *ends)
        if how == "sum":
            shape = self.store(np.array(x.shape, np.int64))
            value = numpy_helper.from_array(np.ones(1, x.dtype))
            return self.node("Sub", self.store(x + 1), self.node("ConstantOfShape", shape, value=value))
        if how == "unsqueezed":
            return self.node("Squeeze", self.store(x[None]), self.store(np.array([0])))
        if how == "cast":
            return self.node("Cast", self.store(x.astype(np.float64)), to=helper.np_dtype_to_tensor_dtype(x.dtype))
        return self.store(x)

    def weight(self, *shape: int) -> Any:
        """Numbers whose sums over all but the first axis stay near 1."""
        n = max(1, int(np.prod(shape[1:])))
        return (self.rng.integers(-8, 9, shape) / (8.0 * n**0.5)).astype(np.float32)

    def put(self, name: str, shape: Shape) -> None:
        self.values.append((name, tuple(int(s) for s in shape)))

    def axis(self, i: int, rank: int) -> int:
        """Axis i of a sample as the file may name it."""
        return i + self.lead - (rank + self.lead if self.coin() else 0)


def _window(d: Drawn, sides: Shape, pads: bool = True) -> dict[str, Any] | None:
    """Kernel, strides, dilations and padding that leave at least one window; None where none fits."""
    axes = len(sides)
    kernel = [d.integer(1, 3) for _ in sides]
    strides, dilations = [d.integer(1, 3) for _ in sides], [d.any((1, 1, 2)) for _ in sides]
    given: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    padding = d.any(("none", "even", "uneven", "SAME_UPPER", "SAME_LOWER", "VALID")) if pads else "none"
    spans = [s * (k - 1) + 1 for k, s in zip(kernel, dilations)]
    amounts = [0] * (2 * axes)
    if padding in ("even", "uneven"):
        amounts = [d.integer(0, span - 1) for span in spans] * 2
        if padding == "uneven":
            amounts[axes:] = [d.integer(0, span - 1) for span in spans]
        given["pads"] = amounts
    elif padding != "none":
        given["auto_pad"] = padding
    if padding.startswith("SAME"):
        return given
    return given if all(s + a + b >= n for s, a, b, n in zip(sides, amounts, amounts[axes:], spans)) else None


def _conv(d: Drawn, name: str, shape: Shape) -> str | None:
    given = _window(d, shape[1:])
    if given is None:
        return None
    groups = d.any([g for g in (1, 2, shape[0]) if shape[0] % g == 0])
    c_out = groups * d.integer(1, 2)
    weight = d.weight(c_out, shape[0] // groups, *given["kernel_shape"])
    inputs = [name, d.constant(weight)] + ([d.constant(d.weight(c_out))] if d.coin() else [])
    if d.coin():
        del given["kernel_shape"]
    return d.node("Conv", *inputs, group=groups, **given)


def _pool(d: Drawn, name: str, shape: Shape) -> str | None:
    given = _window(d, shape[1:], pads=d.coin())
    if given is None:
        return None
    del given["dilations"]
    if d.any((True, False, False)):
        given["kernel_shape"] = [1] * (len(shape) - 1)
        given.pop("pads", None)
        return d.node("MaxPool", name, **given)
    plain = not any(given.get("pads", [])) and not given.get("auto_pad", "").startswith("SAME")
    included = 1 if not plain and d.any((True, True, False)) else d.any((None, 0, 1))
    return d.node("AveragePool", name, count_include_pad=included, ceil_mode=d.any((None, None, 0, 1)), **given)


def _normalization(d: Drawn, name: str, shape: Shape) -> str:
    n = shape[0]
    gamma, beta, mean = (d.constant(d.rng.integers(-8, 9, n).astype(np.float32) / 8) for _ in range(3))
    var = d.constant(d.rng.integers(1, 9, n).astype(np.float32) / 4)
    return d.node("BatchNormalization", name, gamma, beta, mean, var, epsilon=d.any((None, 0.125)))


def _pad(d: Drawn, name: str, shape: Shape) -> str:
    before, after = ([0] * d.lead + [d.any((0, 1, 2)) for _ in shape] for _ in range(2))
    extra = [d.constant(np.float32(0))] if d.coin() else []
    return d.node("Pad", name, d.constant(np.array([*before, *after])), *extra)


def _gemm(d: Drawn, name: str, shape: Shape) -> str:
    m, alpha, beta, turned = d.integer(1, 4), d.any((None, 0.5, -2.0)), d.any((None, 0.5, 2.0)), d.any((None, 0, 1))
    weight = d.weight(m, shape[0])
    inputs = [name, d.constant(weight if turned else weight.T)]
    others = [v for v, s in d.values if s == (m,)]
    if others and d.coin():
        inputs.append(d.any(others))
    elif d.coin():
        inputs.append(d.constant(d.weight(*d.any(((m,), (1, m), (1,))))))
    return d.node("Gemm", *inputs, alpha=alpha, beta=beta, transB=turned, transA=d.any((None, 0)))


def _matmul(d: Drawn, name: str, shape: Shape) -> str:
    m = d.integer(1, 3)
    if len(shape) > 1 and d.coin():
        return d.node("MatMul", d.constant(d.weight(m, shape[-2])), name)
    if not d.lead and len(shape) == 1 and d.coin():
        return d.node("MatMul", d.constant(d.weight(m, shape[0])), name)
    return d.node("MatMul", name, d.constant(d.weight(m, shape[-1]).T))


def _with_constant(d: Drawn, name: str, shape: Shape) -> str:
    """A sum or product with a constant that is broadcast, or that the value is broadcast to."""
    kind = d.any(("Add", "Sub", "Mul", "Div"))
    sides = [d.any((1, s)) for s in shape]
    if d.coin():
        sides = [d.integer(2, 3) if s == 1 else t for s, t in zip(shape, sides)]
    sides = sides[d.integer(0, len(sides)) :]
    if len(sides) == len(shape) and d.lead and d.coin():
        sides = [1, *sides]
    x = (d.rng.choice([-1.5, -1, -0.5, 0.5, 1, 1.25], sides)).astype(np.float32)
    inputs = [name, d.constant(x)]
    return d.node(kind, *(inputs[::-1] if kind != "Div" and d.coin() else inputs))


def _joined(d: Drawn, name: str, shape: Shape) -> str:
    """A sum of values that agree or are broadcast; often the same one twice."""
    fitting = [v for v, s in d.values if len(s) == len(shape) and all(a == b or 1 in (a, b) for a, b in zip(s, shape))]
    same = [v for v, s in d.values if s == shape]
    kind = d.any(("Add", "Add", "Sub", "Sum", "Mean"))
    if kind in ("Add", "Sub"):
        other = name if d.coin() else d.any(fitting)
        return d.node(kind, *(d.any(((name, other), (other, name)))))
    return d.node(kind, *(d.any(same) for _ in range(d.integer(1, 4))), name)


def _shaped(d: Drawn, name: str, shape: Shape) -> str:
    """The same numbers with other sides."""
    n, rank = int(np.prod(shape)), len(shape)
    kind = d.any(("Flatten", "Reshape", "Unsqueeze", "Squeeze", "Reshape of a Shape"))
    if kind == "Flatten" and d.lead:
        return d.node("Flatten", name, axis=d.any((None, 1, -rank)))
    if kind == "Squeeze" and 1 in shape:
        return d.node("Squeeze", name, d.constant(np.array([d.axis(shape.index(1), rank)])))
    if kind == "Unsqueeze" and rank < 3:
        return d.node("Unsqueeze", name, d.constant(np.array([d.axis(d.integer(0, rank), rank + 1)])))
    if kind == "Reshape of a Shape" and d.lead:
        first = d.node("Gather", d.node("Shape", name), d.constant(np.array([0])), axis=0)
        return d.node("Reshape", name, d.node("Concat", first, d.constant(np.array([-1])), axis=0))
    parts = [p for p in (1, 2, 3, 4) if n % p == 0]
    part = d.any(parts)
    sides = d.any(([n], [part, n // part], [part, -1], [0, *[-1] * (rank > 1)], [-1]))
    lead = [d.any((0, *([-1] if -1 not in sides else []), *([] if d.open else [d.batch])))] if d.lead else []
    sides = sides if d.lead or 0 not in sides else [n]
    if 0 in sides:
        sides = [0, -1] if rank > 1 and (not lead or lead[0] != -1) else [n]
    return d.node("Reshape", name, d.constant(np.array([*lead, *sides])))


def _moved(d: Drawn, name: str, shape: Shape) -> str:
    """Numbers that are moved, repeated, dropped or summed up."""
    rank = len(shape)
    kind = d.any(("Transpose", "Slice", "Concat", "Split", "Gather", "Expand", "Pad"))
    i = d.integer(0, rank - 1)
    if kind == "Transpose":
        perm = [p + d.lead for p in d.draw(st.permutations(range(rank)))]
        return d.node("Transpose", name, perm=[*range(d.lead), *perm])
    if kind == "Slice":
        start, end, step = d.any(((0, 9, 2), (-1, -9, -1), (0, -1, 1), (-2, 2**60, 1)))
        start, end, step = (0, 9, 1) if shape[i] == 1 else (start, end, step)
        ends = [d.constant(np.array([x])) for x in (start, end, d.axis(i, rank), step)]
        return d.node("Slice", name, *ends)
    if kind == "Concat":
        fitting = [v for v, s in d.values if len(s) == rank and s[:i] == shape[:i] and s[i + 1 :] == shape[i + 1 :]]
        inputs = [name, *(d.any(fitting) for _ in range(d.integer(1, 2)))]
        if not d.lead or (d.batch == 1 and not d.open):
            inputs.append(d.constant(d.weight(*[1] * d.lead, *shape)))
        return d.node("Concat", *d.draw(st.permutations(inputs)), axis=d.axis(i, rank))
    if kind == "Split" and shape[i] > 1:
        sizes = d.constant(np.array([1, shape[i] - 1]))
        first, second = d.node("Split", name, sizes, outputs=2, axis=d.axis(i, rank))
        return d.any((first, second))
    if kind == "Gather":
        index = d.rng.integers(-shape[i], shape[i], d.any(((), (1,), (2,)) if rank > 1 else ((1,), (2,))))
        return d.node("Gather", name, d.constant(index), axis=d.axis(i, rank))
    if kind == "Expand":
        sides = [d.integer(1, 3) if s == 1 else d.any((1, s)) for s in shape]
        return d.node("Expand", name, d.constant(np.array([*[1] * d.lead, *sides])))
    return _pad(d, name, shape)


def _reduced(d: Drawn, name: str, shape: Shape) -> str:
    """Sums and means over some axes of a sample."""
    rank = len(shape)
    axes = sorted(d.draw(st.sets(st.integers(0, rank - 1), min_size=1)))
    keep = 0 if len(axes) < rank and d.coin() else d.any((None, 1))
    kind = d.any(("ReduceMean", "ReduceSum"))
    return d.node(kind, name, d.constant(np.array([d.axis(a, rank) for a in axes])), keepdims=keep)


def _plain(d: Drawn, name: str, shape: Shape) -> str:
    kind = d.any(("Relu", "Relu", "Relu", "Identity", "Dropout", "Neg", "Cast"))
    if kind == "Cast":
        return d.node("Cast", d.node("Cast", name, to=TensorProto.DOUBLE), to=TensorProto.FLOAT)
    return d.node(kind, name)


def drawn_step(d: Drawn, shape: Shape) -> Callable[[Drawn, str, Shape], str | None]:
    everywhere = [_with_constant, _joined, _joined, _shaped, _moved, _plain, _plain, _reduced]
    if not shape:
        return d.any([_with_constant, _joined, _plain])
    if not d.lead:
        return d.any([*everywhere, _matmul])
    if len(shape) == 1:
        return d.any([*everywhere, _gemm, _gemm, _matmul, _normalization])
    if len(shape) == 2:
        return d.any([*everywhere, _conv, _conv, _conv, _pool, _pool, _matmul, _normalization, _global])
    if len(shape) == 3:
        sliding = [_conv, _conv, _conv, _conv, _pool, _pool, _pool, _global, _pad]
        return d.any([*everywhere, *sliding, _matmul, _normalization])
    return d.any(everywhere)


def _global(d: Drawn, name: str, shape: Shape) -> str:
    return d.node("GlobalAveragePool", name)
