"""ONNX import: our own files come back, ReLU networks become rate-coded ones, everything else is named."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from exchange import onnx as own
from exchange.onnx.ann import activations, correlations, normalized, rate_code
from ir.check import FormatError
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from tests.exchange.drawn import example, float_networks, same
from tests.strategies import Draw, networks
from trainer.execute import run

QUICK = settings(max_examples=40, deadline=None)

UNSUPPORTED = (
    "MaxPool",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "LSTM",
    "LeakyRelu",
    "Gelu",
    "Resize",
    "LayerNormalization",
    "Erf",
    "If",
    "NonZero",
)


def save(
    path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: tuple[Any, ...] = ("b", 4)
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w, name) for name, w in weights.items()],
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def two_layers(**first: Any) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], name="first", transB=1),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "m"], ["y"], name="last"),
    ]
    return nodes, {"w": np.ones((3, 4), np.float32), "m": np.ones((3, 2), np.float32), **first}


class TestOwnFiles:
    @QUICK
    @given(float_networks())
    def test_a_float_network_comes_back_bit_for_bit(self, tmp_path_factory: Any, network: Network) -> None:
        path = tmp_path_factory.getbasetemp() / "float.onnx"
        own.write(network, path)
        assert same(own.read(path), network)

    @QUICK
    @given(networks(Draw(extremes=True, asynchronous=False, late=True)))
    def test_an_integer_network_comes_back_bit_for_bit(self, tmp_path_factory: Any, network: QuantizedNetwork) -> None:
        path = tmp_path_factory.getbasetemp() / "fixed.onnx"
        own.write(network, path)
        assert same(own.read(path), network)

    def test_onnxs_own_checker_accepts_the_file(self, tmp_path: Path) -> None:
        own.write(own.read(save(tmp_path / "a.onnx", *two_layers())), tmp_path / "b.onnx")
        onnx.checker.check_model(str(tmp_path / "b.onnx"), full_check=True)


def mnist(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (
        np.frombuffer(gzip.open(example("datasets", "mnist", f"{split}-{kind}-ubyte.gz")).read(), np.uint8)
        for kind in ("images-idx3", "labels-idx1")
    )
    return images[16:].reshape(-1, 784)[:count] / 255.0, labels[8:][:count].astype(np.int64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    """A small ReLU CNN on 3000 digits, exported by torch.onnx."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(1, 6, 5, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 12, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(192, 10),
    ]
    net = nn.Sequential(*layers)
    images, labels = mnist("train", 3000)
    x, y = torch.as_tensor(images.reshape(-1, 1, 28, 28)).float(), torch.as_tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(4):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    path = tmp_path_factory.mktemp("cnn") / "cnn.onnx"
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x[:1],), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    return path, net


class TestRateCoding:
    def test_a_small_cnn_stays_within_a_point_of_the_relu_network(self, trained: tuple[Path, nn.Module]) -> None:
        path, net = trained
        images, labels = mnist("t10k", 300)
        with torch.no_grad():
            logits = net(torch.as_tensor(images.reshape(-1, 1, 28, 28)).float()).numpy()
        raw = own.read_unscaled(path)
        relu = activations(raw, images)
        assert np.allclose(relu[raw.output], logits, atol=1e-4)
        network = own.read(path, mnist("train", 100)[0])
        assert isinstance(network, Network)
        trace = run(network, Stimulus(rate_code(images, 32, 1.0), labels=labels))
        assert trace.v is not None
        accuracy = (trace.v[-1][:, -10:].argmax(1) == labels).mean()
        assert accuracy >= (logits.argmax(1) == labels).mean() - 0.01
        rows = correlations(network, relu, trace.counts, 32)
        assert len(rows) == 2 and all(row.correlation > 0.98 for row in rows)

    def test_rates_are_the_samples(self) -> None:
        samples = np.array([[0.0, 0.25, -0.5, 1.0]])
        assert np.array_equal(rate_code(samples, 8).mean(0), samples)

    def test_without_samples_the_bounds_hold_for_every_input(self, tmp_path: Path) -> None:
        network = own.read(save(tmp_path / "a.onnx", *two_layers()))
        assert isinstance(network, Network)
        assert activations(network, np.ones((1, 4)))[network.populations[0].name].max() == 1.0

    def test_a_sum_of_two_branches_is_two_projections(self, tmp_path: Path) -> None:
        nodes = [
            helper.make_node("Relu", ["x"], ["a"], name="a"),
            helper.make_node("Gemm", ["a", "w"], ["g"], name="g"),
            helper.make_node("Add", ["g", "a"], ["s"], name="s"),
            helper.make_node("Relu", ["s"], ["y"], name="b"),
        ]
        network = own.read_unscaled(save(tmp_path / "a.onnx", nodes, {"w": np.eye(4, dtype=np.float32)}))
        assert sorted((e.pre, e.post) for e in network.projections) == [("a", "b"), ("a", "b"), ("x", "a")]

    def test_a_layer_without_activity_is_left_as_it_is(self, tmp_path: Path) -> None:
        nodes, weights = two_layers()
        network = own.read_unscaled(save(tmp_path / "a.onnx", nodes, {**weights, "w": -weights["w"]}))
        assert np.isfinite(normalized(network, np.ones((2, 4))).projections[0].connection.weight).all()


class TestRefusals:
    @pytest.mark.parametrize("operator", UNSUPPORTED)
    def test_an_unsupported_operator_is_named(self, tmp_path: Path, operator: str) -> None:
        nodes, weights = two_layers()
        nodes[1] = helper.make_node(operator, ["h"], ["r"], name="odd")
        with pytest.raises(FormatError, match=f"{operator} 'odd'"):
            own.read(save(tmp_path / "a.onnx", nodes, weights))

    @pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "", "sub/../../x"])
    def test_external_data_outside_the_folder_is_refused(self, tmp_path: Path, location: str) -> None:
        (tmp_path / "secret.bin").write_bytes(b"\0" * 48)
        (tmp_path / "in").mkdir()
        path = save(tmp_path / "in" / "a.onnx", *two_layers())
        model = onnx.load(path)
        set_external(model.graph.initializer[0], location)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FormatError, match="outside the model's folder"):
            own.read(path)

    def test_external_data_beside_the_model_is_read(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.onnx", *two_layers())
        before = own.read(path)
        model = onnx.load(path)
        (tmp_path / "w.bin").write_bytes(model.graph.initializer[0].raw_data)
        set_external(model.graph.initializer[0], "w.bin")
        path.write_bytes(model.SerializeToString())
        assert same(own.read(path), before)

    def test_a_link_out_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "secret.bin").write_bytes(b"\0" * 48)
        (tmp_path / "in" / "w.bin").symlink_to(tmp_path / "secret.bin")
        path = save(tmp_path / "in" / "a.onnx", *two_layers())
        model = onnx.load(path)
        set_external(model.graph.initializer[0], "w.bin")
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FormatError, match="outside the model's folder"):
            own.read(path)

    def test_a_huge_declared_tensor_is_refused_before_memory_is_taken(self, tmp_path: Path) -> None:
        path = save(tmp_path / "a.onnx", *two_layers())
        model = onnx.load(path)
        model.graph.initializer[0].dims[:] = [50_000, 50_000]
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FormatError, match="declares 10000000000 bytes and holds 48"):
            own.read(path)

    @pytest.mark.parametrize(
        ("weight", "words"),
        [
            (np.full((3, 4), np.nan, np.float32), "nan"),
            (np.ones((3, 5), np.float32), "shape"),
            (np.ones((3, 4), np.complex64), "plain numbers"),
            (np.ones((3, 4, 2), np.float32), "shape"),
        ],
    )
    def test_bad_weights_are_named(self, tmp_path: Path, weight: np.ndarray, words: str) -> None:
        with pytest.raises(FormatError, match=words):
            own.read(save(tmp_path / "a.onnx", *two_layers(w=weight)))

    def test_an_unknown_input_side_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="fixed shape"):
            own.read(save(tmp_path / "a.onnx", *two_layers(), shape=("b", "n")))

    @pytest.mark.parametrize("content", [b"", b"\x08", b"no onnx at all", bytes(range(256))])
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(FormatError, match="ONNX"):
            own.read(tmp_path / "a.onnx")


def set_external(tensor: onnx.TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
