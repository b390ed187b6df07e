"""ONNX graphs changed at random, and hostile ones: a network or one sentence, within time and memory."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from exchange import onnx as own
from exchange.onnx.graph import OPERATORS
from ir.check import FormatError
from tests.exchange.onnx_drawn import onnx_graphs
from tests.exchange.test_onnx_import import save

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "100"))

NUMBERS = (0, 1, -1, 2, 7, -(2**63), 2**63 - 1, 2**40)
LISTS = ([], [0], [1, 1], [-1, 2**40], [2**62] * 4, [0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8])
NAMES = ("axis", "axes", "kernel_shape", "strides", "pads", "dilations", "group", "alpha", "beta", "transB", "perm",
         "auto_pad", "ceil_mode", "keepdims", "to", "epsilon", "value", "odd", "mode", "split", "shape")  # fmt: skip


@st.composite
def attributes(draw: st.DrawFn) -> AttributeProto:
    """Any attribute of any type."""
    value = draw(
        st.sampled_from(NUMBERS)
        | st.sampled_from(LISTS[1:])
        | st.floats(width=32)
        | st.sampled_from(["SAME_UPPER", "reflect", "", "é"])
        | st.sampled_from([np.zeros((0, 2)), np.ones(3, np.int64), np.array("text")]).map(_tensor)
        | st.sampled_from([["a", "b"], [0.5, float("nan")]])
    )
    return helper.make_attribute(draw(st.sampled_from(NAMES)), value)


def _tensor(x: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(x.astype(object) if x.dtype.kind == "U" else x)


@st.composite
def damaged_graphs(draw: st.DrawFn) -> onnx.ModelProto:
    """A drawn graph with some nodes, attributes, wires and tensors changed."""
    model, _, _ = draw(onnx_graphs())
    graph = model.graph
    names = (
        [x.name for x in (*graph.initializer, *graph.input)] + [o for n in graph.node for o in n.output] + ["", "odd"]
    )
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(graph.node)))
        what = draw(
            st.sampled_from(["attribute", "attribute", "input", "kind", "drop", "more", "number", "tensor", "dims"])
        )
        if what == "attribute":
            node.attribute.append(draw(attributes()))
        elif what == "input" and node.input:
            node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(names))
        elif what == "kind":
            node.op_type = draw(
                st.sampled_from([*OPERATORS, "ConstantOfShape", "Range", "Tile", "Where", "Loop", "ScatterND"])
            )
        elif what == "drop" and node.input:
            del node.input[-1]
        elif what == "more":
            node.input.append(draw(st.sampled_from(names)))
        elif what == "number" and node.attribute:
            attribute = draw(st.sampled_from(list(node.attribute)))
            if attribute.type == AttributeProto.INTS and attribute.ints:
                attribute.ints[0] = draw(st.sampled_from(NUMBERS))
            attribute.i = draw(st.sampled_from(NUMBERS))
        elif graph.initializer:
            tensor = draw(st.sampled_from(list(graph.initializer)))
            if what == "tensor":
                tensor.data_type = draw(st.integers(0, 23))
            elif tensor.dims:
                tensor.dims[0] = draw(st.sampled_from(NUMBERS))
    return model


def test_a_changed_graph_gives_a_network_or_one_sentence(tmp_path_factory: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "changed.onnx"
    seen: Counter[str] = Counter()

    @settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged_graphs())
    def law(model: onnx.ModelProto) -> None:
        path.write_bytes(model.SerializeToString())
        start = time.perf_counter()
        try:
            seen[type(own.read(path)).__name__] += 1
        except FormatError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            seen["one sentence"] += 1
        assert time.perf_counter() - start < 10

    law()
    print(f"\n{DRAWS} changed graphs: {dict(seen)}")
    assert seen["Network"] > 0.1 * DRAWS and seen["one sentence"] > 0.1 * DRAWS


def one(
    kind: str, *inputs: Any, to: str = "c", **attributes: Any
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """``y = relu(x + CONSTANT)`` with a constant that one node computes."""
    weights = {f"i{k}": np.asarray(x) for k, x in enumerate(inputs)}
    node = helper.make_node(kind, list(weights), [to], name="odd", **attributes)
    rest = [helper.make_node("Add", ["x", "c"], ["s"], name="s"), helper.make_node("Relu", ["s"], ["y"], name="y")]
    return [node, *rest], weights


HUGE = np.array([2**20, 2**20])
BOMBS = {
    "ConstantOfShape": one("ConstantOfShape", HUGE),
    "ConstantOfShape of many axes": one("ConstantOfShape", np.array([2] * 40)),
    "Expand": one("Expand", np.float32(1), HUGE),
    "Tile": one("Tile", np.ones(4, np.float32), np.array([2**40])),
    "Range": one("Range", np.int64(0), np.int64(2**40), np.int64(1)),
    "Range of steps near 0": one("Range", np.float64(0), np.float64(1), np.float64(1e-300)),
    "Pad": one("Pad", np.ones(4, np.float32), np.array([2**40, 0])),
    "Gather": one("Gather", np.ones((1, 2**12), np.float32), np.zeros((2**7, 2**7), np.int64)),
    "outer product": one("MatMul", np.ones((2**13, 1), np.float32), np.ones((1, 2**13), np.float32)),
    "outer sum": one("Add", np.ones((2**13, 1), np.float32), np.ones((1, 2**13), np.float32)),
}


class TestHostileConstants:
    @pytest.mark.parametrize("name", BOMBS)
    def test_a_constant_that_would_fill_the_memory_is_refused(self, tmp_path: Path, name: str) -> None:
        start = time.perf_counter()
        with pytest.raises(FormatError, match=r"'odd': it (makes a constant of|needs|.*do not fit)"):
            own.read_unscaled(save(tmp_path / "a.onnx", *BOMBS[name]))
        assert time.perf_counter() - start < 5

    def test_many_large_ones_are_refused_together(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("ConstantOfShape", ["size"], ["c0"], name="c0")]
        nodes += [helper.make_node("Neg", [f"c{i}"], [f"c{i + 1}"], name=f"c{i + 1}") for i in range(100)]
        nodes += [helper.make_node("Add", ["x", "c100"], ["y"], name="y")]
        with pytest.raises(FormatError, match="steps to compute"):
            own.read_unscaled(save(tmp_path / "a.onnx", nodes, {"size": np.array([2**11, 2**11])}))

    @pytest.mark.parametrize(
        ("kind", "inputs"),
        [("RandomNormal", ()), ("RandomUniform", ()), ("Bernoulli", (np.ones(4, np.float32),)),
         ("NoSuch", (np.ones(4),)), ("StringConcat", (np.ones(4), np.ones(4))), ("Optional", (np.ones(4),))],
    )  # fmt: skip
    def test_nothing_random_or_unknown_is_computed(self, tmp_path: Path, kind: str, inputs: tuple[Any, ...]) -> None:
        with pytest.raises(FormatError, match=f"{kind} 'odd': it computes a constant in a way that is not folded"):
            own.read_unscaled(save(tmp_path / "a.onnx", *one(kind, *inputs)))

    def test_a_loop_is_not_run(self, tmp_path: Path) -> None:
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["go_on"])], "body",
            [helper.make_tensor_value_info(k, t, ()) for k, t in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))],
            [helper.make_tensor_value_info("go_on", TensorProto.BOOL, ())],
        )  # fmt: skip
        nodes, weights = one("Loop", np.int64(2**62), np.array(True), body=body)
        with pytest.raises(FormatError, match="Loop 'odd'"):
            own.read_unscaled(save(tmp_path / "a.onnx", nodes, weights))

    def test_many_layers_that_share_a_weight_are_refused_before_they_fill_the_memory(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("Gemm", ["x", "in"], ["v0"])]
        for i in range(200):
            nodes += [
                helper.make_node("Relu", [f"v{i}"], [f"r{i}"]),
                helper.make_node("Gemm", [f"r{i}", "w"], [f"v{i + 1}"]),
            ]
        weights = {"in": np.ones((4, 700), np.float32), "w": np.ones((700, 700), np.float32)}
        start = time.perf_counter()
        with pytest.raises(FormatError, match="many layers that share their weights"):
            own.read_unscaled(save(tmp_path / "a.onnx", [*nodes, helper.make_node("Relu", ["v200"], ["y"])], weights))
        assert time.perf_counter() - start < 10

    def test_many_steps_on_many_values_are_refused_before_they_take_minutes(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("Mul", [f"v{i}" if i else "x", "c"], [f"v{i + 1}"]) for i in range(500)]
        nodes += [helper.make_node("Relu", ["v500"], ["y"])]
        start = time.perf_counter()
        with pytest.raises(FormatError, match="steps to write out"):
            own.read_unscaled(save(tmp_path / "a.onnx", nodes, {"c": np.full(1, 0.5, np.float32)}, ("b", 1 << 21)))
        assert time.perf_counter() - start < 10

    def test_uneven_padding_that_takes_huge_kernels_is_refused(self, tmp_path: Path) -> None:
        node = helper.make_node("Conv", ["x", "w"], ["y"], name="odd", pads=[3000, 0, 0, 3000])
        path = save(tmp_path / "a.onnx", [node], {"w": np.ones((32, 1, 1, 1), np.float32)}, ("b", 1, 4, 4))
        with pytest.raises(FormatError, match=r"Conv 'odd' (takes a kernel|needs)"):
            own.read_unscaled(path)

    def test_a_slice_of_another_file_is_read_once_however_many_tensors_name_it(self, tmp_path: Path) -> None:
        path = external(tmp_path, 1 << 18, [0] * 200)
        tracemalloc.start()
        with pytest.raises(FormatError, match="'y'"):  # 200 MB of tensors of a length that does not fit
            own.read_unscaled(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20

    def test_slices_that_overlap_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="where other tensors overlap it"):
            own.read_unscaled(external(tmp_path, 4, [0, 4]))


def external(folder: Path, n: int, offsets: list[int]) -> Path:
    """``y = relu(x + w0 + w1 + ...)`` whose n numbers each lie in another file."""
    (folder / "w.bin").write_bytes(np.ones(n + offsets[-1] // 4, np.float32).tobytes())
    names = [f"w{i}" for i in range(len(offsets))]
    node = helper.make_node("Sum", ["x", *names], ["y"], name="y")
    path = save(folder / "a.onnx", [node], {name: np.ones(1, np.float32) for name in names})
    model = onnx.load(path)
    for tensor, offset in zip(model.graph.initializer, offsets):
        tensor.ClearField("raw_data")
        tensor.dims[:] = [n]
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "w.bin"), ("offset", str(offset))):
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path
