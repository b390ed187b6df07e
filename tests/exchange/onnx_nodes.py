"""Small ONNX files made by hand, and what ONNX Runtime computes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from exchange import onnx as own
from exchange.onnx.ann import activations
from ir.network import Network
from tests.exchange.test_onnx_import import save as save_newest

Weights = dict[str, np.ndarray]


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def save(path: Path, nodes: list[onnx.NodeProto], weights: Weights, shape: tuple[Any, ...] = ("b", 4)) -> Path:
    """A model of an operator set that ONNX Runtime knows."""
    model = onnx.load(save_newest(path, nodes, weights, shape))
    model.opset_import[0].version, model.ir_version = 18, 9
    path.write_bytes(model.SerializeToString())
    return path


def runtime(path: Path, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def agrees(path: Path, shape: tuple[int, ...]) -> Network:
    """The network of a file, which must compute what ONNX Runtime does on samples of ``shape``."""
    network = own.read_unscaled(path)
    x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.float32)
    found = activations(network, x.reshape(-1, network.n_inputs))[network.output]
    assert np.allclose(found, runtime(path, x).reshape(found.shape), atol=1e-5)
    return network


def image(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.integers(-4, 5, shape) / 4).astype(np.float32)


RNG = np.random.default_rng(3)
CONV: Weights = {"w": image(RNG, 3, 2, 3, 3), "b": np.array([1.0, -2.0, 0.5], np.float32)}
PICTURE = ("b", 2, 6, 5)
