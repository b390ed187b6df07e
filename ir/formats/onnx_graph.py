"""An ordinary ONNX network (ReLU, convolutions, poolings) as a graph of the nodes that NIR files are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto

from ir.check import FormatError
from ir.formats.nir_graph import Graph, Node
from ir.formats.onnx_file import array

Array = NDArray[Any]
Tree = dict[str, Any]


@dataclass
class Walk:
    """What is known while the nodes are read one after the other.

    Attributes:
        constants: values that do not depend on the input.
        made_by: for each value that does, the graph node that makes it.
    """

    constants: dict[str, Array]
    made_by: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def constant(self, node: onnx.NodeProto, i: int) -> Array:
        """Input i of ``node``, which must not depend on the data."""
        if i >= len(node.input) or node.input[i] not in self.constants:
            raise FormatError(f"input {i} is computed from the data; only fixed weights and shapes are read")
        return self.constants[node.input[i]]

    def changing(self, node: onnx.NodeProto) -> list[str]:
        """The inputs that depend on the data."""
        return [name for name in node.input if name in self.made_by]


def read_graph(model: onnx.ModelProto, constants: dict[str, Array], folder: Path) -> tuple[Graph, Walk]:
    """The graph, and what stands in the way: nodes that cannot be read, by name."""
    walk = Walk(dict(constants))
    for value in model.graph.input:
        if value.name not in constants:
            walk.made_by[value.name] = value.name
            walk.nodes[value.name] = Node(value.name, "Input", {"shape": _input_shape(value)}, {})
    for i, node in enumerate(model.graph.node):
        kind = node.op_type if node.op_type.isprintable() else repr(node.op_type)
        name = node.name or f"{kind}_{i}"
        name = name if name not in walk.nodes else f"{name}_{i}"
        walk.kinds[name] = kind
        try:
            _read_node(walk, name, node, folder)
        except FormatError as error:
            walk.problems[name] = (f"{kind} {name!r}: {error}", "export the model again with plain layers")
            walk.made_by.update({out: name for out in node.output})
            walk.nodes[name] = Node(name, "Identity", {}, {})
    for value in model.graph.output:
        walk.nodes[f"{value.name} (output)"] = Node(f"{value.name} (output)", "Output", {}, {})
        if value.name in walk.made_by:
            walk.edges.append((walk.made_by[value.name], f"{value.name} (output)"))
    return Graph(walk.nodes, tuple(walk.edges), version=f"opset {_opset(model)}"), walk


def _opset(model: onnx.ModelProto) -> int:
    return next((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def _input_shape(value: onnx.ValueInfoProto) -> Array:
    """The shape of one sample: the first side is the batch."""
    sides = [int(d.dim_value) for d in value.type.tensor_type.shape.dim][1:]
    if not sides or min(sides) < 1:
        raise FormatError(f"input {value.name!r} has sides of unknown length; export it with a fixed shape")
    return np.array(sides)


def _read_node(walk: Walk, name: str, node: onnx.NodeProto, folder: Path) -> None:
    if not node.output:
        raise FormatError("it has no output")
    attributes = {a.name: _attribute(a, folder) for a in node.attribute}
    if node.op_type == "Constant":
        if len(attributes) != 1 or len(node.output) != 1:
            raise FormatError("it holds no single value")
        walk.constants[node.output[0]] = np.asarray(next(iter(attributes.values())))
        return
    reader = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if reader is None:
        raise FormatError("the operator has no counterpart in a spiking network")
    kind, params = reader(walk, node, attributes)
    sources = walk.changing(node)
    if not sources:
        raise FormatError("it does not depend on the input; fold constants before exporting")
    walk.nodes[name] = Node(name, kind, params, {})
    walk.edges.extend((walk.made_by[s], name) for s in sources)
    walk.made_by[node.output[0]] = name


def _attribute(a: onnx.AttributeProto, folder: Path) -> Any:
    if a.type == AttributeProto.TENSOR:
        return array(a.t, folder)
    if a.type == AttributeProto.STRING:
        return a.s.decode("utf-8", "replace")
    plain = {
        AttributeProto.INT: "i",
        AttributeProto.FLOAT: "f",
        AttributeProto.INTS: "ints",
        AttributeProto.FLOATS: "floats",
    }
    if a.type not in plain:
        raise FormatError(f"attribute {a.name!r} is a graph or a list; only numbers are read")
    value = getattr(a, plain[a.type])
    return list(value) if a.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def _gemm(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    if given.get("transA", 0):
        raise FormatError("transA is set; the batch must come first")
    weight = walk.constant(node, 1).astype(np.float64) * float(given.get("alpha", 1.0))
    weight = weight if given.get("transB", 0) else weight.T
    if len(node.input) < 3 or not node.input[2]:
        return "Linear", {"weight": weight}
    bias = walk.constant(node, 2).astype(np.float64) * float(given.get("beta", 1.0))
    return "Affine", {"weight": weight, "bias": bias.reshape(-1)}


def _matmul(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    return "Linear", {"weight": walk.constant(node, 1).astype(np.float64).T}


def _conv(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    weight = walk.constant(node, 1)
    axes = weight.ndim - 2
    if axes not in (1, 2):
        raise FormatError(f"its kernel has {axes} axes; only one- and two-dimensional convolutions are read")
    params: Tree = {
        "weight": weight.astype(np.float64),
        "groups": np.array(given.get("group", 1)),
        **_window(given, axes),
    }
    params["dilation"] = np.array(given.get("dilations", [1] * axes))
    if len(node.input) > 2 and node.input[2]:
        params["bias"] = walk.constant(node, 2).astype(np.float64)
    return f"Conv{axes}d", params


def _window(given: Tree, axes: int) -> Tree:
    """Stride and padding, the same at both ends."""
    pads = list(given.get("pads", [0] * (2 * axes)))
    if given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or pads[:axes] != pads[axes:]:
        raise FormatError("it pads its two ends differently; pad evenly")
    return {"stride": np.array(given.get("strides", [1] * axes)), "padding": np.array(pads[:axes])}


def _average_pool(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    window, kernel = _window(given, 2), given.get("kernel_shape", [])
    if len(kernel) != 2 or given.get("ceil_mode", 0) or any(d != 1 for d in given.get("dilations", [1])):
        raise FormatError("only two-dimensional pooling without ceil_mode and dilation is read")
    if window["padding"].any() and not given.get("count_include_pad", 0):
        raise FormatError("it leaves padding out of its mean; set count_include_pad")
    return "AvgPool2d", {"kernel_size": np.array(kernel), **window}


def _global_average_pool(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    return "GlobalAvgPool2d", {}


def _batch_norm(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    """``gamma (x - mean) / sqrt(var + eps) + beta`` as a depthwise 1x1 convolution is a scale and a shift."""
    gamma, beta, mean, var = (walk.constant(node, i).astype(np.float64) for i in range(1, 5))
    var = var + float(given.get("epsilon", 1e-5))
    if not (var > 0).all():
        raise FormatError("its variance is not positive")
    scale = gamma / np.sqrt(var)
    return "BatchNorm", {"scale": scale, "bias": beta - mean * scale}


def _flatten(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    if given.get("axis", 1) != 1:
        raise FormatError("it flattens the batch; use axis 1")
    return "Reshape", {"shape": np.array([-1])}


def _reshape(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    shape = walk.constant(node, 1).astype(np.int64).reshape(-1)
    if shape.size < 2 or (shape[1:] == 0).any():
        raise FormatError(f"it reshapes to {shape.tolist()}; the batch must stay first")
    return "Reshape", {"shape": shape[1:]}


def _add(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    fixed = [walk.constants[name] for name in node.input if name in walk.constants]
    return ("Shift", {"bias": _without_batch(fixed[0])}) if fixed else ("Identity", {})


def _mul(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    fixed = [walk.constants[name] for name in node.input if name in walk.constants]
    if not fixed:
        raise FormatError("it multiplies two values of the data; only fixed factors are read")
    factor = _without_batch(fixed[0])
    return "Scale", {"scale": factor}


def _without_batch(x: Array) -> Array:
    x = x.astype(np.float64)
    return x[0] if x.ndim > 1 and x.shape[0] == 1 else x


def _relu(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    return "Relu", {}


def _identity(walk: Walk, node: onnx.NodeProto, given: Tree) -> tuple[str, Tree]:
    return "Identity", {}


OPERATORS: dict[str, Callable[[Walk, onnx.NodeProto, Tree], tuple[str, Tree]]] = {
    "Add": _add,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Dropout": _identity,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "Identity": _identity,
    "MatMul": _matmul,
    "Mul": _mul,
    "Relu": _relu,
    "Reshape": _reshape,
}
"""ONNX operators of ordinary networks that have a counterpart."""
