"""ONNX files whose graphs are long, or nested deeply: read in linear time, or one sentence."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from exchange import onnx as own
from ir.check import FormatError
from ir.network import Network
from tests.exchange.test_onnx_damaged import one
from tests.exchange.test_onnx_import import save


class TestDeepAndLongFiles:
    @pytest.mark.parametrize("kind", ["Identity", "Relu", "Neg", "Add", "Sum"])
    def test_a_chain_is_walked_in_linear_time(self, tmp_path: Path, kind: str) -> None:
        seconds = []
        for n in (500, 4000):
            inputs = {"Add": lambda i: [f"v{i}", "c"], "Sum": lambda i: [f"v{i}", f"v{i}"]}.get(
                kind, lambda i: [f"v{i}"]
            )
            start_node = helper.make_node("Mul", ["x", "c"], ["v0"])
            nodes = [
                helper.make_node(kind, inputs(i), [f"v{i + 1}"]) for i in range(min(n, 60) if kind == "Sum" else n)
            ]
            end = helper.make_node("Relu", [f"v{len(nodes)}"], ["y"])
            path = save(tmp_path / "a.onnx", [start_node, *nodes, end], {"c": np.full(4, 0.5, np.float32)})
            start = time.process_time()
            network = own.read_unscaled(path)
            seconds.append(time.process_time() - start)
        assert seconds[1] < 24 * max(seconds[0], 0.05)
        assert len(network.projections) == (4001 if kind == "Relu" else 1)

    def test_a_thousand_diamonds_are_no_two_to_the_thousand_paths(self, tmp_path: Path) -> None:
        nodes = []
        for i in range(1000):
            nodes += [
                helper.make_node("Gemm", [f"v{i}", "w"], [f"a{i}"]),
                helper.make_node("Transpose", [f"v{i}"], [f"b{i}"], perm=[0, 1]),
                helper.make_node("Add", [f"a{i}", f"b{i}"], [f"v{i + 1}"]),
            ]
        nodes = [helper.make_node("Neg", ["x"], ["v0"]), *nodes, helper.make_node("Relu", ["v1000"], ["y"])]
        start = time.process_time()
        network = own.read_unscaled(save(tmp_path / "a.onnx", nodes, {"w": 0.001 * np.eye(4, dtype=np.float32)}))
        assert time.process_time() - start < 10
        whole = sum(e.connection.weight.sum() for e in network.projections)
        assert np.isclose(whole, -4 * 1.001**1000)

    def test_sums_of_all_layers_before_are_refused_before_they_fill_the_memory(self, tmp_path: Path) -> None:
        nodes = []
        for i in range(600):
            nodes += [
                helper.make_node("Relu", [f"v{i}"], [f"r{i}"]),
                helper.make_node("Add", [f"v{i}", f"r{i}"], [f"v{i + 1}"]),
            ]
        nodes = [helper.make_node("Neg", ["x"], ["v0"]), *nodes]
        model = save(tmp_path / "a.onnx", [*nodes, helper.make_node("Relu", ["v600"], ["y"])], {})
        with pytest.raises(FormatError, match="sums up so many sources"):
            own.read_unscaled(model)

    @pytest.mark.parametrize("depth", [10, 40, 90, 500, 5000])
    def test_lists_in_lists_are_one_sentence(self, tmp_path: Path, depth: int) -> None:
        path = tmp_path / "a.onnx"
        own.write(own.read(save(path, *one("Identity", np.ones(4, np.float32)))), path)
        model = onnx.load(path)
        note = json.loads(model.metadata_props[0].value)
        note["populations"][0]["neuron"]["bias"] = {"array": "DEEP", "dtype": "float64"}
        nested = "[" * depth + "1" + "]" * depth
        for place, text in (("bias", json.dumps(note).replace('"DEEP"', nested)), ("all", nested)):
            model.metadata_props[0].value = text
            path.write_bytes(model.SerializeToString())
            with pytest.raises(FormatError) as refused:
                own.read(path)
            assert str(refused.value).startswith(str(path)), place

    @pytest.mark.parametrize("depth", [10, 40, 90, 200])
    def test_types_in_types_are_one_sentence_or_do_not_matter(self, tmp_path: Path, depth: int) -> None:
        path = save(tmp_path / "a.onnx", *one("Identity", np.ones(4, np.float32)))
        model = onnx.load(path)
        kind = model.graph.value_info.add(name="odd").type
        for _ in range(depth):
            kind = kind.sequence_type.elem_type
        kind.tensor_type.elem_type = 1
        path.write_bytes(model.SerializeToString())
        try:
            assert isinstance(own.read(path), Network)
        except FormatError as error:
            assert str(error).startswith(str(path))
