"""The trainer, snnTorch modules, ONNX and NIR files take the same layers, compute the same and refuse the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from exchange import nir
from exchange.onnx import read_unscaled
from ir.connection import apply
from ir.network import Network
from trainer import LIF, SpikingNetwork, SumPool2d
from trainer.from_snntorch import read
from trainer.linear_map import as_evaluated

snn: Any = pytest.importorskip("snntorch")

Shape = tuple[int, ...]
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)

SAME: dict[str, tuple[Shape, Callable[[], Any]]] = {
    "grouped": ((4, 5, 5), lambda: nn.Conv2d(4, 6, 3, groups=2)),
    "depthwise, two a channel": ((3, 5, 5), lambda: nn.Conv2d(3, 6, 2, 2, groups=3)),
    "padded and dilated": ((2, 6, 5), lambda: nn.Conv2d(2, 3, (3, 2), (2, 1), (2, 1), (2, 1))),
    "same": ((2, 5, 5), lambda: nn.Conv2d(2, 3, 3, padding="same")),
    "same, even kernel": ((2, 5, 5), lambda: nn.Conv2d(2, 3, (2, 4), padding="same")),
    "same, even kernel, dilated": ((2, 7, 7), lambda: nn.Conv2d(2, 3, 2, padding="same", dilation=3)),
    "valid": ((2, 5, 5), lambda: nn.Conv2d(2, 3, 2, padding="valid")),
    "one axis": ((2, 7), lambda: nn.Conv1d(2, 4, 3, 2, 1)),
    "one axis, same": ((2, 7), lambda: nn.Conv1d(2, 4, 4, padding="same")),
    "average": ((2, 6, 6), lambda: nn.AvgPool2d(2)),
    "average that leaves values over": ((2, 5, 5), lambda: nn.AvgPool2d(2)),
    "average, ceil_mode that adds nothing": ((2, 6, 6), lambda: nn.AvgPool2d(2, ceil_mode=True)),
    "average, padding counted": ((2, 5, 5), lambda: nn.AvgPool2d(3, 2, 1)),
    "average, padding that all windows see": ((2, 2, 2), lambda: nn.AvgPool2d(2, 2, 1, count_include_pad=False)),
    "average, no padding to count": ((2, 6, 6), lambda: nn.AvgPool2d(2, count_include_pad=False)),
    "sum": ((2, 6, 6), lambda: SumPool2d(3, 1, 1)),
    "adaptive to one": ((2, 5, 4), lambda: nn.AdaptiveAvgPool2d(1)),
    "adaptive to one, one axis": ((2, 5), lambda: nn.AdaptiveAvgPool1d(1)),
    "adaptive that divides": ((2, 6, 4), lambda: nn.AdaptiveAvgPool2d((3, 2))),
    "largest of one": ((2, 5, 5), lambda: nn.MaxPool2d(1, 2)),
    "zeros around": ((2, 3, 3), lambda: nn.ZeroPad2d((1, 0, 2, 1))),
    "cropped": ((2, 4, 4), lambda: nn.ZeroPad2d((-1, 0, 0, -2))),
    "normalized": ((3, 4, 4), lambda: nn.BatchNorm2d(3)),
    "normalized, flat": ((6,), lambda: nn.BatchNorm1d(6)),
    "dense": ((5,), lambda: nn.Linear(5, 3)),
}


def before_a_convolution(kind: type[nn.Module]) -> Callable[[], list[nn.Module]]:
    return lambda: [kind(), nn.Conv1d(2, 3, 2)]


CHAINS: dict[str, tuple[Shape, Callable[[], Any]]] = {
    "grouped, normalized, dense": (
        (4, 6, 6),
        lambda: [nn.Conv2d(4, 4, 2, 2, groups=4, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3)],
    ),
    "normalized before padding": ((2, 4, 4), lambda: [nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3, padding=1)]),
    "padded, then pooled": ((2, 6, 6), lambda: [nn.Conv2d(2, 3, 3, padding=1), nn.AvgPool2d(2)]),
    "zeros, then a convolution": ((1, 4, 4), lambda: [nn.ZeroPad2d((0, 1, 1, 0)), nn.Conv2d(1, 2, 2)]),
    "normalized behind a Flatten": ((2, 4, 4), lambda: [nn.Conv2d(2, 3, 2), nn.Flatten(), nn.BatchNorm1d(27)]),
    "two with padding between": ((1, 4, 4), lambda: [nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)]),
    **{kind.__name__: ((2, 5), before_a_convolution(kind)) for kind in (*DROPOUTS, nn.Identity)},
    "flattened, dense": ((2, 3, 3), lambda: [nn.Flatten(), nn.Linear(18, 3)]),
    "pooled twice, dense": ((1, 8, 8), lambda: [nn.AvgPool2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3)]),
}

REFUSED: dict[str, tuple[Shape, Callable[[], nn.Module], str]] = {
    "ceil_mode": ((2, 5, 5), lambda: nn.AvgPool2d(2, ceil_mode=True), "ceil_mode averages over 1 or 2"),
    "padding": ((2, 4, 4), lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), "count_include_pad=False averages"),
    "channels": ((3, 4, 4), lambda: nn.Conv2d(2, 3, 3), "needs 2 channels, it gets 3"),
    "kernel": ((2, 2, 2), lambda: nn.Conv2d(2, 3, 3), "larger than its input"),
}


def onnx_nodes(layer: Any) -> list[tuple[str, dict[str, Any], list[np.ndarray]]] | None:
    """(operator, attributes, stored inputs) of a torch layer; None where ONNX has no such operator."""
    two = lambda x: [x] * 2 if isinstance(x, int) else list(x)  # noqa: E731
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        how: dict[str, Any] = {"strides": layer.stride, "dilations": layer.dilation, "group": layer.groups}
        words = {"same": "SAME_UPPER", "valid": "VALID"}
        pads = {"auto_pad": words[layer.padding]} if isinstance(layer.padding, str) else {"pads": [*layer.padding] * 2}
        stored = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        return [("Conv", {**how, **pads}, [x.detach().numpy() for x in stored])]
    if isinstance(layer, nn.AvgPool2d):
        how = {"kernel_shape": two(layer.kernel_size), "strides": two(layer.stride), "pads": two(layer.padding) * 2}
        return [
            ("AveragePool", {**how, "ceil_mode": layer.ceil_mode, "count_include_pad": layer.count_include_pad}, [])
        ]
    if isinstance(layer, nn.MaxPool2d):
        return [("MaxPool", {"kernel_shape": two(layer.kernel_size), "strides": two(layer.stride)}, [])]
    if isinstance(layer, (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)):
        return [("GlobalAveragePool", {}, [])] if layer.output_size == 1 else None
    if isinstance(layer, nn.ZeroPad2d):
        left, right, top, bottom = layer.padding
        return [("Pad", {}, [np.array([0, 0, top, left, 0, 0, bottom, right])])]
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        stored = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
        return [("BatchNormalization", {"epsilon": layer.eps}, [x.detach().numpy() for x in stored])]  # type: ignore[union-attr]
    if isinstance(layer, nn.Linear):
        return [("Gemm", {"transB": 1}, [layer.weight.detach().numpy(), layer.bias.detach().numpy()])]
    if isinstance(layer, DROPOUTS):
        return [("Dropout", {}, [])]
    return {nn.Flatten: [("Flatten", {}, [])], nn.Identity: [("Identity", {}, [])]}.get(type(layer))


def nir_node(layer: Any) -> dict[str, Any] | None:
    """A torch layer as NIR has it; None where it does not."""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        bias = np.zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach().numpy()
        how = {k: np.array(getattr(layer, k)) for k in ("stride", "dilation", "groups")}
        padding = layer.padding if isinstance(layer.padding, str) else np.array(layer.padding)
        return {
            "type": type(layer).__name__,
            "weight": layer.weight.detach().numpy(),
            "bias": bias,
            "padding": padding,
            **how,
        }
    plain = isinstance(layer, nn.AvgPool2d) and not layer.ceil_mode and layer.count_include_pad
    if plain or isinstance(layer, SumPool2d):
        how = {k: np.array([getattr(layer, k)] * 2) for k in ("kernel_size", "stride", "padding")}
        return {"type": type(layer).__name__, **how}
    if isinstance(layer, nn.Linear):
        return {"type": "Affine", "weight": layer.weight.detach().numpy(), "bias": layer.bias.detach().numpy()}
    return {"type": "Flatten", "start_dim": 0, "end_dim": -1} if isinstance(layer, nn.Flatten) else None


def from_onnx(layers: list[nn.Module], shape: Shape, path: Path) -> Network:
    found = [onnx_nodes(layer) for layer in layers]
    nodes, stored, value = [], [], "x"
    for i, step in enumerate(found):
        for kind, how, arrays in step or []:
            names = [f"{i}_{j}" for j in range(len(arrays))]
            stored += [numpy_helper.from_array(a, name) for a, name in zip(arrays, names)]
            nodes.append(helper.make_node(kind, [value, *names], [f"y{i}"], **how))
            value = f"y{i}"
    ends = (
        (helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape]),),
        (helper.make_tensor_value_info(value, TensorProto.FLOAT, None),),
    )
    graph = helper.make_graph(nodes, "layers", *ends, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return read_unscaled(path)


def from_nir(layers: list[nn.Module], shape: Shape, path: Path) -> Network:
    found = [nir_node(layer) for layer in layers]
    ends = ({"type": "Input", "shape": np.array(shape)}, {"type": "Output", "shape": np.array(shape)})
    nodes = dict(zip(("input", *(f"n{i}" for i in range(len(found))), "output"), (ends[0], *found, ends[1])))
    names = list(nodes)
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.8"
        graph = file.create_group("node")
        graph["type"] = "NIRGraph"
        graph.create_dataset("edges", data=np.array(list(itertools.pairwise(names)), object), dtype=h5py.string_dtype())
        for name, node in nodes.items():
            group = graph.create_group(f"nodes/{name}")
            for key, value in node.items():  # type: ignore[union-attr]
                group[key] = value
    network = nir.read(path, "snntorch")
    assert isinstance(network, Network)
    return network


def from_trainer(layers: list[nn.Module], shape: Shape, path: Path) -> Network:
    return SpikingNetwork({"in": shape}, {"out": LIF()}, [("in", "out", nn.Sequential(*layers))]).export()


def from_modules(layers: list[nn.Module], shape: Shape, path: Path) -> Network:
    return read(nn.Sequential(*layers, snn.Leaky(beta=0.5)), shape)


WAYS: dict[str, Callable[[list[nn.Module], Shape, Path], Network]] = {
    "trainer": from_trainer,
    "snnTorch": from_modules,
    "ONNX": from_onnx,
    "NIR": from_nir,
}


def drive(network: Network, x: np.ndarray) -> np.ndarray:
    """What the output's neurons get for inputs (n, n_inputs), biases included."""
    population = next(p for p in network.populations if p.name == network.output)
    arriving = [e for e in network.projections if e.post == network.output and e.pre == network.inputs[0].name]
    bias = 0.0 if population.neuron.bias is None else population.neuron.bias
    return sum(apply(e.connection, x) for e in arriving) + bias


def lively(layers: list[nn.Module]) -> list[nn.Module]:
    torch.manual_seed(0)
    for layer in layers:
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    return layers


WRITTEN: dict[str, Callable[[Any], object]] = {"ONNX": onnx_nodes, "NIR": nir_node}


def made(make: Callable[[], Any]) -> list[nn.Module]:
    layers = make()
    return layers if isinstance(layers, list) else [layers]


def pairs(cases: dict[str, Any]) -> list[tuple[str, str]]:
    """Each case with each way that can say it."""
    return [
        (name, way)
        for name, (_, make, *_) in cases.items()
        for way in WAYS
        if way not in WRITTEN or all(WRITTEN[way](layer) is not None for layer in made(make))
    ]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths", "ignore:dropout2d. Received a 3D")
@pytest.mark.parametrize(("name", "way"), pairs(SAME | CHAINS))
def test_all_compute_what_torch_does(name: str, way: str, tmp_path: Path) -> None:
    shape, make = (SAME | CHAINS)[name]
    layers = lively(made(make))
    network = WAYS[way](layers, shape, tmp_path / "layers")
    x = torch.randint(-3, 4, (3, *shape), generator=torch.Generator().manual_seed(1)).float()
    chain = nn.Sequential(*layers)
    with as_evaluated(chain), torch.no_grad():
        theirs = chain(x).flatten(1).numpy()
    np.testing.assert_allclose(drive(network, x.flatten(1).numpy()), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "way"), pairs(REFUSED))
def test_all_refuse_the_same_in_the_same_words(name: str, way: str, tmp_path: Path) -> None:
    shape, make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        WAYS[way]([make()], shape, tmp_path / "layers")
