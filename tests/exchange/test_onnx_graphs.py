"""What ONNX files say that is easily misread: values used twice, folded constants, settings that change nothing."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import nn

from exchange import onnx as own
from ir.check import FormatError
from ir.connection import Conv2d
from tests.exchange.onnx_nodes import CONV, PICTURE, RNG, agrees, image, node, save


class TestValuesUsedTwice:
    @pytest.mark.parametrize("then", ["y", "r"])
    @pytest.mark.parametrize(
        ("kind", "times"), [("Add a a", 2), ("Sub a a", 0), ("Sum a a a", 3), ("Mean a a", 1), ("Sub z a", -1)]
    )
    def test_weights_and_bias_count_alike(self, tmp_path: Path, kind: str, times: int, then: str) -> None:
        word, inputs = kind.split(" ", 1)
        nodes = [node("Conv", "x w b", "a"), node("Sub", "a a", "z"), node(word, inputs, then)]
        nodes += [node("Relu", "r", "y")] if then == "r" else []
        network = agrees(save(tmp_path / "a.onnx", nodes, CONV, PICTURE), (4, 2, 6, 5))
        bias = np.zeros(36) if network.populations[0].neuron.bias is None else network.populations[0].neuron.bias
        assert np.array_equal(bias, times * np.repeat([1.0, -2.0, 0.5], 12))
        assert len(network.projections) == 1 and isinstance(network.projections[0].connection, Conv2d)
        assert np.array_equal(network.projections[0].connection.weight, np.float64(times) * CONV["w"])

    def test_two_branches_from_one_value_bring_its_bias_twice(self, tmp_path: Path) -> None:
        nodes = [
            node("Conv", "x w b", "a"),
            node("Conv", "a k c", "left"),
            node("Neg", "a", "right"),
            node("Add", "left right", "s"),
            node("Add", "s a", "t"),
            node("Relu", "t", "r"),
            node("Add", "r r", "u"),
            node("Gemm", "f m", "y", transB=1),
        ]
        nodes.insert(7, node("Flatten", "u", "f"))
        weights = {**CONV, "k": image(RNG, 3, 3, 1, 1), "c": image(RNG, 3), "m": image(RNG, 2, 36)}
        agrees(save(tmp_path / "a.onnx", nodes, weights, PICTURE), (4, 2, 6, 5))

    def test_a_residual_beside_a_relu_keeps_every_bias(self, tmp_path: Path) -> None:
        nodes = [
            node("Gemm", "x w b", "a"), node("Relu", "a", "r"), node("Gemm", "r w b", "c"), node("Add", "c a", "s"),
            node("Relu", "s", "t"), node("Add", "t r", "u"), node("Gemm", "u w b", "y"),
        ]  # fmt: skip
        weights = {"w": image(RNG, 4, 4), "b": image(RNG, 4)}
        agrees(save(tmp_path / "a.onnx", nodes, weights), (5, 4))

    def test_a_gemm_adds_what_depends_on_the_data(self, tmp_path: Path) -> None:
        nodes = [node("Gemm", "x w", "a"), node("Gemm", "a w a", "y", alpha=0.5, beta=-2.0, transB=1)]
        agrees(save(tmp_path / "a.onnx", nodes, {"w": image(RNG, 4, 4)}), (5, 4))

    @pytest.mark.parametrize("kind", ["Add c x", "Sub x c", "Sub c x", "Mul c x", "Div x c"])
    def test_a_constant_without_axes_is_one_number(self, tmp_path: Path, kind: str) -> None:
        word, inputs = kind.split(" ", 1)
        agrees(save(tmp_path / "a.onnx", [node(word, inputs, "y")], {"c": np.array(0.5, np.float32)}), (5, 4))

    def test_a_map_before_an_identity_at_the_end_is_not_lost(self, tmp_path: Path) -> None:
        nodes = [
            node("Relu", "x", "r"),
            node("Gemm", "r w", "g"),
            node("Identity", "g", "i"),
            node("Dropout", "i", "y"),
        ]
        assert agrees(save(tmp_path / "a.onnx", nodes, {"w": image(RNG, 4, 3)}), (5, 4)).output == "readout"


def exported(folder: Path, net: nn.Module, x: torch.Tensor) -> Path:
    path = folder / "torch.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (x,), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}}
        )
    return path


class TestFoldedConstants:
    def test_torchs_export_of_two_equal_layers(self, tmp_path: Path) -> None:
        """It stores the weight once and hands it on by an Identity."""
        torch.manual_seed(0)
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.load_state_dict(first.state_dict())
        path = exported(tmp_path, nn.Sequential(first, nn.ReLU(), second), torch.zeros(1, 4))
        assert "Identity" in {n.op_type for n in onnx.load(path).graph.node}
        agrees(path, (5, 4))

    def test_torchs_zero_padding_whose_pads_are_computed_is_the_convolutions(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.ZeroPad2d((1, 1, 2, 2)), nn.Conv2d(2, 3, 3), nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 2)), nn.Flatten()
        )
        network = agrees(exported(tmp_path, net, torch.zeros(1, 2, 5, 6)), (3, 2, 5, 6))
        first = network.projections[0].connection
        assert isinstance(first, Conv2d) and first.padding == (2, 1)

    def test_torchs_reshape_to_a_batch_read_from_the_data(self, tmp_path: Path) -> None:
        class Net(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.relu(x).view(x.size(0), -1) * 0.5

        agrees(exported(tmp_path, Net(), torch.zeros(1, 2, 3)), (3, 2, 3))

    def test_weights_that_are_computed_from_others(self, tmp_path: Path) -> None:
        weights = {"v": image(RNG, 3, 4), "g": image(RNG, 3, 1) + 2, "a": np.array([1]), "i": np.array([0, 1, 2, 1])}
        nodes = [
            node("ReduceL2", "v a", "norm", keepdims=1), node("Div", "v norm", "unit"), node("Mul", "unit g", "w"),
            node("Gather", "w i", "p", axis=0), node("Gemm", "x p", "y", transB=1),
        ]  # fmt: skip
        agrees(save(tmp_path / "a.onnx", nodes, weights), (5, 4))

    def test_what_no_output_needs_is_not_looked_at(self, tmp_path: Path) -> None:
        nodes = [node("RandomNormal", "", "odd", shape=[2]), node("NonZero", "x", "z"), node("Relu", "x", "y")]
        nodes[0].ClearField("input")
        assert own.read_unscaled(save(tmp_path / "a.onnx", nodes, {})).output == "y"

    def test_a_folded_nan_is_refused(self, tmp_path: Path) -> None:
        nodes = [node("Div", "z z", "c"), node("Add", "x c", "y")]
        with pytest.raises(FormatError, match="Add 'y': input 1 holds nan"):
            own.read_unscaled(save(tmp_path / "a.onnx", nodes, {"z": np.zeros(4, np.float32)}))


POOLS: dict[str, dict[str, Any]] = {
    "same where nothing results": {"kernel_shape": [2, 1], "strides": [2, 1], "auto_pad": "SAME_UPPER"},
    "valid": {"kernel_shape": [3, 2], "auto_pad": "VALID"},
    "ceil that adds no window": {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1},
    "pads of nothing": {"kernel_shape": [2, 2], "pads": [0, 0, 0, 0], "count_include_pad": 0},
    "padding left out that no window sees": {"kernel_shape": [1, 1], "strides": [1, 1], "count_include_pad": 0},
    "padding that is counted": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    "uneven padding that is counted": {"kernel_shape": [3, 3], "pads": [1, 0, 2, 1], "count_include_pad": 1},
}


class TestLayersAreJudgedByWhatTheyDo:
    @pytest.mark.parametrize("name", POOLS)
    def test_poolings(self, tmp_path: Path, name: str) -> None:
        agrees(save(tmp_path / "a.onnx", [node("AveragePool", "x", "y", **POOLS[name])], {}, PICTURE), (3, 2, 6, 5))

    @pytest.mark.parametrize("word", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    @pytest.mark.parametrize("strides", [[1, 1], [2, 2], [3, 1]])
    @pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (1, 4)])
    def test_convolutions_padded_by_a_word(
        self, tmp_path: Path, word: str, strides: list[int], kernel: tuple[int, int]
    ) -> None:
        weights = {"w": image(RNG, 3, 2, *kernel)}
        path = save(tmp_path / "a.onnx", [node("Conv", "x w", "y", auto_pad=word, strides=strides)], weights, PICTURE)
        assert isinstance(agrees(path, (3, 2, 6, 5)).projections[0].connection, Conv2d)

    @pytest.mark.parametrize(
        "given",
        [{"kernel_shape": [4, 4], "strides": [4, 4], "ceil_mode": 1}, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
         {"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER"}],
    )  # fmt: skip
    def test_windows_that_average_differently_are_refused(self, tmp_path: Path, given: dict[str, Any]) -> None:
        with pytest.raises(FormatError, match=r"'y' with (ceil_mode|count_include_pad=False) averages over"):
            own.read_unscaled(save(tmp_path / "a.onnx", [node("AveragePool", "x", "y", **given)], {}, PICTURE))

    @pytest.mark.parametrize("kind", ["AveragePool", "MaxPool"])
    def test_a_word_that_runtimes_read_differently_is_refused(self, tmp_path: Path, kind: str) -> None:
        given = {"kernel_shape": [1, 1], "strides": [4, 1], "auto_pad": "SAME_UPPER"}
        with pytest.raises(FormatError, match=f"{kind} 'y': its auto_pad leaves out some of 6 values"):
            own.read_unscaled(save(tmp_path / "a.onnx", [node(kind, "x", "y", **given)], {}, PICTURE))

    def test_a_signal_of_one_axis(self, tmp_path: Path) -> None:
        nodes = [
            node("Conv", "x w b", "a", pads=[1, 0], dilations=[2], group=2), node("Relu", "a", "r"),
            node("AveragePool", "r", "p", kernel_shape=[2], strides=[2]), node("GlobalAveragePool", "p", "q"),
            node("Flatten", "q", "f"), node("Gemm", "f m", "y"),
        ]  # fmt: skip
        weights = {"w": image(RNG, 4, 1, 3), "b": image(RNG, 4), "m": image(RNG, 4, 3)}
        agrees(save(tmp_path / "a.onnx", nodes, weights, ("b", 2, 9)), (3, 2, 9))

    @pytest.mark.parametrize("axes", [[-1], [-2, -1], [2, 3], [-3], [1, -1], [1, 2, 3]])
    @pytest.mark.parametrize("keepdims", [0, 1])
    def test_axes_are_counted_from_either_end(self, tmp_path: Path, axes: list[int], keepdims: int) -> None:
        nodes = [node("ReduceMean", "x axes", "m", keepdims=keepdims), node("Neg", "m", "y")]
        path = save(tmp_path / "a.onnx", nodes, {"axes": np.array(axes)}, PICTURE)
        agrees(path, (3, 2, 6, 5))

    @pytest.mark.parametrize(
        "sizes", [[0, -1], [-1, 60], [0, 0, -1], [0, 2, 5, 6], [0, 0, 0, 0], [-1, 0, 30], [0, 4, -1]]
    )
    def test_reshape_keeps_sides_and_takes_what_is_left(self, tmp_path: Path, sizes: list[int]) -> None:
        agrees(
            save(
                tmp_path / "a.onnx",
                [node("Reshape", "x s", "r"), node("Neg", "r", "y")],
                {"s": np.array(sizes)},
                PICTURE,
            ),
            (3, 2, 6, 5),
        )

    @pytest.mark.parametrize("sizes", [[-1], [-1, 30], [6, -1], [2, -1, 60], [2, 60]])
    def test_one_that_mixes_samples_is_refused(self, tmp_path: Path, sizes: list[int]) -> None:
        path = save(tmp_path / "a.onnx", [node("Reshape", "x s", "y")], {"s": np.array(sizes)}, PICTURE)
        with pytest.raises(FormatError, match="Reshape 'y'"):
            own.read_unscaled(path)

    def test_one_that_names_the_one_sample_it_was_written_with_is_read(self, tmp_path: Path) -> None:
        nodes = [node("Reshape", "x s", "r"), node("Neg", "r", "y")]
        agrees(save(tmp_path / "a.onnx", nodes, {"s": np.array([1, -1])}, PICTURE), (1, 2, 6, 5))

    def test_input_of_one_axis_is_one_sample(self, tmp_path: Path) -> None:
        nodes = [
            node("MatMul", "x w", "a"), node("Add", "a c", "b"), node("Relu", "b", "r"),
            node("Unsqueeze", "r zero", "u"), node("Gemm", "u m c", "g"), node("Squeeze", "g zero", "y"),
        ]  # fmt: skip
        weights = {"w": image(RNG, 4, 3), "c": image(RNG, 3), "m": image(RNG, 3, 3), "zero": np.array([0])}
        assert agrees(save(tmp_path / "a.onnx", nodes, weights, (4,)), (4,)).n_inputs == 4

    def test_a_network_for_a_fixed_batch_is_read(self, tmp_path: Path) -> None:
        nodes = [node("Reshape", "x s", "r"), node("Gemm", "r w", "y")]
        agrees(
            save(tmp_path / "a.onnx", nodes, {"s": np.array([3, -1]), "w": image(RNG, 60, 2)}, (3, 2, 6, 5)),
            (3, 2, 6, 5),
        )

    def test_halves_stored_as_integers_are_halves(self, tmp_path: Path) -> None:
        path = save(
            tmp_path / "a.onnx", [node("Cast", "w", "c", to=1), node("Add", "x c", "y")], {"w": np.zeros(4, np.float16)}
        )
        model = onnx.load(path)
        half = np.array([1.5, -2.0, 0.25, 4.0], np.float16)
        model.graph.initializer[0].CopyFrom(
            TensorProto(name="w", data_type=10, dims=[4], int32_data=half.view(np.uint16).tolist())
        )
        path.write_bytes(model.SerializeToString())
        assert np.array_equal(np.asarray(own.read_unscaled(path).populations[0].neuron.bias), half)
