"""Settings and wires of ONNX nodes that do not follow the standard, or that no spiking network has: one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from exchange import onnx as own
from exchange.chip_toml import CHIPS, load_chip
from ir.check import FormatError
from tests.exchange.onnx_nodes import CONV, PICTURE, node, save
from unlayered.check import check_file

TYPES: dict[str, Any] = {
    "number": 1, "fraction": 0.5, "word": "SAME_UPPER", "list": [1, 2], "fractions": [0.5], "words": ["a"],
    "tensor": numpy_helper.from_array(np.ones(2)),
}  # fmt: skip
SETTINGS = {
    "Conv": ("auto_pad", "pads", "strides", "dilations", "group", "kernel_shape"),
    "AveragePool": ("auto_pad", "pads", "strides", "kernel_shape", "ceil_mode", "count_include_pad", "dilations"),
    "Gemm": ("alpha", "beta", "transA", "transB"),
    "BatchNormalization": ("epsilon", "momentum", "training_mode"),
    "Flatten": ("axis",), "Transpose": ("perm",), "Cast": ("to",), "Concat": ("axis",),
}  # fmt: skip


class TestSettings:
    @pytest.mark.parametrize("given", TYPES)
    @pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in SETTINGS.items() for n in names])
    def test_one_of_another_type_is_one_sentence(self, tmp_path: Path, kind: str, name: str, given: str) -> None:
        inputs = {"Conv": "x w b", "Gemm": "f m", "BatchNormalization": "x b b b b"}.get(kind, "x")
        nodes = [node("Flatten", "x", "f"), node(kind, inputs, "y", **{name: TYPES[given]})]
        path = save(
            tmp_path / "a.onnx",
            nodes,
            {**CONV, "b": np.ones(2, np.float32), "m": np.ones((60, 1), np.float32)},
            PICTURE,
        )
        try:
            own.read_unscaled(path)
        except FormatError as error:
            assert f"{kind} 'y'" in str(error) and "\n" not in str(error)

    @pytest.mark.parametrize("kind", ["Relu", "Add", "Conv", "Gemm", "Flatten"])
    def test_one_that_is_not_known_is_never_dropped(self, tmp_path: Path, kind: str) -> None:
        inputs = {"Conv": "x w", "Gemm": "f m", "Add": "x x"}.get(kind, "x")
        nodes = [node("Flatten", "x", "f"), node(kind, inputs, "y", odd=1)]
        path = save(tmp_path / "a.onnx", nodes, {**CONV, "m": np.ones((60, 1), np.float32)}, PICTURE)
        with pytest.raises(FormatError, match=f"{kind} 'y': its attribute 'odd' is not known here"):
            own.read_unscaled(path)


REFUSED: dict[str, tuple[list[onnx.NodeProto], str]] = {
    "a value made nowhere": ([node("Add", "x ghost", "y")], "Add 'y': its input 'ghost' is made by no node before it"),
    "a value used before it is made": (
        [node("Add", "x r", "y"), node("Relu", "x", "r")],
        "'r' is made by no node before it",
    ),
    "a value made twice": ([node("Relu", "x", "y"), node("Neg", "x", "y")], "two nodes make the value 'y'"),
    "statistics of the batch": (
        [node("BatchNormalization", "x b b b b", "y", training_mode=1)],
        "export the model in eval mode",
    ),
    "a product of two values": ([node("Mul", "x x", "y")], "Mul 'y': it multiplies two values of the data"),
    "a batch that is moved": ([node("Transpose", "x", "y", perm=[1, 0])], "the batch must stay first"),
    "a batch that is summed up": ([node("ReduceSum", "x zero", "y")], "it works along axis 0, the batch"),
    "a constant a sample": ([node("Add", "x wide", "y")], "differs from sample to sample"),
    "an output that is a constant": ([node("Neg", "b", "y")], "output 'y' does not depend on the input"),
    "a value rounded away": ([node("Cast", "x", "y", to=7)], "only float and double are read"),
    "division by nothing": ([node("Div", "x zero", "y")], "it divides by 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_named(tmp_path: Path, name: str) -> None:
    nodes, words = REFUSED[name]
    weights = {"b": np.ones(4, np.float32), "zero": np.array([0]), "wide": np.ones((2, 4), np.float32)}
    with pytest.raises(FormatError, match=words):
        own.read_unscaled(save(tmp_path / "a.onnx", nodes, weights))


def test_check_names_every_operator_that_cannot_be_read(tmp_path: Path) -> None:
    nodes = [node("Softmax", "x", "a"), node("Relu", "a", "b"), node("Erf", "b", "c"), node("Neg", "c", "y")]
    rows = check_file(save(tmp_path / "a.onnx", nodes, {}), load_chip(CHIPS / "loihi2.toml")).nodes
    assert [r.name for r in rows if not r.ok] == ["a", "c"]
