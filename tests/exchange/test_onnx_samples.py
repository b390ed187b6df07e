"""ONNX graphs that say something about the number of samples: read where each sample still counts alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from exchange import onnx as own
from ir.check import FormatError
from tests.exchange.onnx_nodes import PICTURE, agrees, node, save

ONES = numpy_helper.from_array(np.array([2.0], np.float32))
WHOLE = {"zero": np.array([0]), "rest": np.array([-1]), "first": np.array(0), "many": np.array([2**31 - 1])}

ALONE: dict[str, list[onnx.NodeProto]] = {
    "a reshape to the batch": [
        node("Shape", "x", "s"), node("Gather", "s zero", "b"), node("Concat", "b rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ],
    "ones like the data": [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c", value=ONES),
                           node("Add", "x c", "y")],
    "sides that are no batch": [
        node("Shape", "x", "s", start=1), node("ReduceProd", "s", "n"), node("Cast", "n", "f", to=1),
        node("Div", "x f", "y"),
    ],
    "a slice of all samples": [node("Slice", "x zero many zero", "y")],
    "repeated to its own shape": [node("Shape", "x", "s"), node("Expand", "x s", "y")],
}  # fmt: skip

TOGETHER: dict[str, list[onnx.NodeProto]] = {
    "a factor": [
        node("Shape", "x", "s"), node("Gather", "s first", "b"), node("Cast", "b", "f", to=1), node("Mul", "x f", "y"),
    ],
    "a side": [node("Shape", "x", "s"), node("Gather", "s zero", "b"), node("Concat", "rest b", "t", axis=0),
               node("Reshape", "x t", "y")],
    "an index": [node("Shape", "x", "s"), node("Gather", "s first", "b"), node("Gather", "x b", "y", axis=2)],
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_what_leaves_samples_apart_is_read(tmp_path: Path, name: str) -> None:
    agrees(save(tmp_path / "a.onnx", ALONE[name], WHOLE, PICTURE), (3, 2, 6, 5))


@pytest.mark.parametrize("name", TOGETHER)
def test_what_computes_with_the_number_of_samples_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=r"'y'.*(computed from the number of samples|batch must stay first)"):
        own.read_unscaled(save(tmp_path / "a.onnx", TOGETHER[name], WHOLE, PICTURE))


def sparse(model: onnx.ModelProto) -> None:
    place = numpy_helper.from_array(np.array([1]), "i")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(numpy_helper.from_array(np.ones(1, np.float32), "c"), place, [4])
    )


def branch(name: str, kind: str) -> onnx.GraphProto:
    value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([node(kind, "x", name)], name, [], [value])


UNTRUE: dict[str, tuple[list[onnx.NodeProto], Any, str]] = {
    "a sparse tensor": ([node("Add", "x c", "y")], sparse, "tensor 'c' is a sparse one"),
    "a second output": (
        [node("Dropout", "x", "d m"), node("Cast", "m", "y", to=1)], None,
        "its input 'm' is a further output of Dropout 'd'",
    ),
    "a branch": (
        [node("If", "yes", "y", then_branch=branch("t", "Identity"), else_branch=branch("e", "Neg"))], None,
        "If 'y': it branches or loops",
    ),
    "a padded axis twice": ([node("Pad", "x two _ same", "y")], None, "it pads axes .1, 1.; name each once"),
    "a sliced axis twice": ([node("Slice", "x ones many2 same", "y")], None, "it names axes .1, 1.; name each once"),
    "a summed axis twice": ([node("ReduceSum", "x same", "y")], None, "it names axes .1, 1.; name each once"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTRUE)
def test_the_reason_is_the_true_one(tmp_path: Path, name: str) -> None:
    nodes, change, words = UNTRUE[name]
    weights = {
        "yes": np.array(True),
        "two": np.array([1, 1, 1, 1]),
        "ones": np.array([1, 1]),
        "same": np.array([1, 1]),
        "many2": np.array([9, 9]),
    }
    path = save(tmp_path / "a.onnx", nodes, weights)
    model = onnx.load(path)
    for given in model.graph.node:
        given.input[:] = ["" if name == "_" else name for name in given.input]
    if change is not None:
        change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match=words):
        own.read_unscaled(path)


@pytest.mark.parametrize("settings", [{"auto_pad": "SAME_UPPER"}, {"pads": [0, 0, 1, 1]}])
def test_counted_padding_that_runtimes_read_differently_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The standard divides by the whole window; ONNX Runtime does so before operator set 19, and not from it on."""
    pool = node("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[2, 2], count_include_pad=1, **settings)
    path = save(tmp_path / "a.onnx", [pool], {}, ("b", 1, 5, 5))
    agrees(path, (3, 1, 5, 5))
    model = onnx.load(path)
    model.opset_import[0].version = 19
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="counts more padding behind than before, which runtimes read differently"):
        own.read_unscaled(path)


def few_bytes_many_numbers() -> dict[str, tuple[list[onnx.NodeProto], dict[str, Any], tuple[Any, ...], str]]:
    """Files of a few hundred bytes that would fill the memory, or take minutes."""
    made = [
        helper.make_node("ConstantOfShape", ["n"], [f"c{i}"], value=numpy_helper.from_array(np.array([1], np.float64)))
        for i in range(7)
    ]
    sums = [helper.make_node("ReduceSum", [f"c{i}"], [f"s{i}"], keepdims=0) for i in range(7)]
    total = helper.make_node("Sum", ["x", *(f"s{i}" for i in range(7))], ["y"])
    ones = [helper.make_node("Relu", ["x" if i == 0 else f"v{i - 1}"], [f"v{i}"]) for i in range(8)]
    return {
        "constants": ([*made, *sums, total], {"n": np.array([1 << 24])}, ("b", 4), "take over 256 MB once folded"),
        "neurons one to one": ([*ones, node("Relu", "v7", "y")], {}, ("b", 1 << 20), "weights written out"),
    }


@pytest.mark.parametrize("name", ["constants", "neurons one to one"])
def test_few_bytes_that_stand_for_gigabytes_are_refused(tmp_path: Path, name: str) -> None:
    nodes, weights, shape, words = few_bytes_many_numbers()[name]
    with pytest.raises(FormatError, match=words):
        own.read(save(tmp_path / "a.onnx", nodes, weights, shape))


def test_a_mean_of_a_large_image_takes_no_step_for_each_value(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [node("GlobalAveragePool", "x", "y")], {}, ("b", 64, 250, 250))
    start = time.perf_counter()
    own.read(path)
    assert time.perf_counter() - start < 5
