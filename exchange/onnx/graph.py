"""An ordinary ONNX network (ReLU, convolutions, poolings) as a graph of the nodes that NIR files are made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Union

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

from exchange.graph.linear import MAX_VALUES, Shape
from exchange.graph.nodes import Graph, Node
from exchange.onnx import layers as onnx_layers
from exchange.onnx import rectify
from exchange.onnx import shapes as onnx_shapes
from exchange.onnx import sums as onnx_sums
from exchange.onnx.attributes import Attributes
from exchange.onnx.fold import Folding
from exchange.onnx.model import Beside, stored
from exchange.onnx.walk import Known, Op, Value, Walk
from ir.arrays import Array
from ir.check import FormatError
from ir.layers.shapes import size_of

WHOLE = (TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8)
"""Types of inputs that only a Cast makes numbers of."""

SUBGRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)

REAL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)

OPERATORS: dict[str, Callable[[Op], Union[Known, list[Value]]]] = {
    "Add": onnx_sums.add,
    "AveragePool": onnx_layers.pool,
    "BatchNormalization": onnx_layers.batch_normalization,
    "Cast": onnx_shapes.cast,
    "Clip": rectify.clip,
    "Concat": onnx_shapes.concat,
    "Conv": onnx_layers.conv,
    "Div": onnx_sums.divide,
    "Dropout": onnx_shapes.dropout,
    "Expand": onnx_shapes.expand,
    "Flatten": onnx_shapes.flatten,
    "Gather": onnx_shapes.gather,
    "Gemm": onnx_layers.gemm,
    "GlobalAveragePool": onnx_layers.global_pool,
    "GlobalMaxPool": onnx_layers.global_pool,
    "Identity": onnx_shapes.identity,
    "LeakyRelu": rectify.leaky_relu,
    "MatMul": onnx_layers.matmul,
    "Max": rectify.larger,
    "MaxPool": onnx_layers.pool,
    "Mean": onnx_sums.mean,
    "Mul": onnx_sums.multiply,
    "Neg": onnx_sums.negate,
    "PRelu": rectify.prelu,
    "Pad": onnx_layers.pad,
    "ReduceMean": onnx_shapes.reduce,
    "ReduceSum": onnx_shapes.reduce,
    "Relu": rectify.relu,
    "Reshape": onnx_shapes.reshape,
    "Shape": onnx_shapes.shape_of,
    "Slice": onnx_shapes.cut,
    "Split": onnx_shapes.split,
    "Squeeze": onnx_shapes.squeeze,
    "Sub": onnx_sums.subtract,
    "Sum": onnx_sums.add,
    "ThresholdedRelu": rectify.leaky_relu,
    "Transpose": onnx_shapes.transpose,
    "Unsqueeze": onnx_shapes.unsqueeze,
}
"""ONNX operators of ordinary networks that have a counterpart."""


def read_graph(model: onnx.ModelProto, folder: Path) -> tuple[Graph, Walk]:
    """The graph, and what stands in the way: nodes that cannot be read, by name.

    Only what an output needs is looked at, each node once.

    Args:
        folder: the model's, where tensors may keep their data.
    """
    opset, beside = _opset(model), Beside(folder)
    walk = Walk(stored(model, beside), beside, Folding(opset))
    _read_inputs(walk, model)
    for i, node in _needed(model):
        kind = node.op_type if node.op_type.isprintable() else repr(node.op_type)
        name = walk.fresh(node.name or f"{kind}_{i}")
        walk.kinds[name] = kind
        try:
            _read_node(walk, name, node)
        except ValueError as error:
            walk.problems[name] = (_named(kind, name, str(error)), "export the model again with plain layers")
            walk.broken.update(out for out in node.output if out)
    _read_outputs(walk, model)
    return Graph(walk.nodes, tuple(walk.edges), version=f"opset {opset}"), walk


def _named(kind: str, name: str, sentence: str) -> str:
    return sentence if repr(name) in sentence else f"{kind} {name!r}: {sentence}"


def _opset(model: onnx.ModelProto) -> int:
    return next((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def _needed(model: onnx.ModelProto) -> list[tuple[int, onnx.NodeProto]]:
    """The nodes that an output depends on, in file order.

    Raises:
        FormatError: a value that two nodes make.
    """
    maker: dict[str, int] = {}
    nodes = list(model.graph.node)
    for i, node in enumerate(nodes):
        for out in node.output:
            if out and maker.setdefault(out, i) != i:
                raise FormatError(f"two nodes make the value {out!r}; the file is damaged")
    needed: set[int] = set()
    waiting = [maker[value.name] for value in model.graph.output if value.name in maker]
    while waiting:
        i = waiting.pop()
        if i not in needed:
            needed.add(i)
            waiting.extend(maker[name] for name in nodes[i].input if name in maker)
    return [(i, nodes[i]) for i in sorted(needed)]


def _read_inputs(walk: Walk, model: onnx.ModelProto) -> None:
    """Inputs without a stored value; the first axis is the batch unless there is but one."""
    inputs = [value for value in model.graph.input if value.name not in walk.stored]
    sides = {value.name: [int(d.dim_value) for d in value.type.tensor_type.shape.dim] for value in inputs}
    walk.lead = 0 if sides and all(len(s) == 1 and s[0] > 0 for s in sides.values()) else 1
    walk.batch = max([1, *(s[0] for s in sides.values() if s and walk.lead)])
    walk.is_open = bool(walk.lead) and not any(s[0] for s in sides.values() if s)
    for value in inputs:
        kind, shape = value.type.tensor_type.elem_type, tuple(sides[value.name][walk.lead :])
        _check_input(value.name, kind, shape)
        walk.values[value.name] = Value(value.name, shape, kind in WHOLE)
        walk.nodes[value.name] = Node(value.name, "Input", {"shape": np.array(shape)}, {})


def _check_input(name: str, kind: int, shape: Shape) -> None:
    if kind not in (*WHOLE, *REAL):
        raise FormatError(f"input {name!r} has ONNX type {kind}; only numbers are read")
    if not shape or min(shape) < 1:
        raise FormatError(f"input {name!r} has sides of unknown length; export it with a fixed shape")
    if size_of(shape) > MAX_VALUES:
        raise FormatError(f"input {name!r} has shape {shape}, at most {MAX_VALUES} numbers are read")


def _read_outputs(walk: Walk, model: onnx.ModelProto) -> None:
    for value in model.graph.output:
        name = walk.fresh(f"{value.name} (output)")
        walk.nodes[name] = Node(name, "Output", {}, {})
        if value.name in walk.values:
            walk.edges.append((walk.values[value.name].node, name))
        elif value.name not in walk.broken:
            walk.problems[name] = (
                f"output {value.name!r} does not depend on the input",
                "name an output that the network computes",
            )


def _read_node(walk: Walk, name: str, node: onnx.NodeProto) -> None:
    if not any(node.output):
        raise FormatError("it has no output")
    if any(x in walk.broken for x in node.input):
        walk.broken.update(out for out in node.output if out)
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise FormatError("the operator has no counterpart in a spiking network")
        return
    if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
        walk.constants[node.output[0]] = Attributes(node, walk.beside).constant()
        return
    if any(a.type in SUBGRAPHS for a in node.attribute):
        raise FormatError("it branches or loops, which has no counterpart in a spiking network")
    inputs = [walk.known(x) for x in node.input]
    if not any(isinstance(x, Value) for x in inputs):
        _fold(walk, node, [x for x in inputs if not isinstance(x, Value)])
        return
    reader = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if reader is None:
        raise FormatError("the operator has no counterpart in a spiking network")
    op = Op(walk, name, node, inputs)
    found = reader(op)
    op.given.check_all_known()
    results = found if isinstance(found, list) else [found]
    for out, x in zip(node.output, results):
        (walk.values if isinstance(x, Value) else walk.constants)[out] = x  # type: ignore[index]
    walk.unread.update(dict.fromkeys(node.output[len(results) :], f"{node.op_type} {name!r}"))
    if op.one_more is not None:
        walk.one_more[node.output[0]] = op.one_more


def _fold(walk: Walk, node: onnx.NodeProto, inputs: list[Array | None]) -> None:
    """Compute a node of constants; once more for one sample more where their number goes in."""
    walk.constants.update(zip(node.output, walk.folding.fold(node, inputs)))
    if any(name in walk.one_more for name in node.input):
        others = [walk.one_more.get(name, x) for name, x in zip(node.input, inputs)]
        for name, other in zip(node.output, walk.folding.fold(node, others)):
            if not np.array_equal(walk.constants[name], other):
                walk.one_more[name] = other
