"""Max pooling in networks of others: behind neurons as it is, before them refused or moved, alike from every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import unlayered as ul
from exchange import npz
from exchange import onnx as onnx_files
from exchange.chip_toml import find_chip
from exchange.onnx.ann import activations
from exchange.open import open_network
from ir.check import FormatError
from ir.network import Network
from ir.pooling import pooling
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from tests.exchange.nir_nodes import chain, write_nodes
from tests.trainer.test_from_snntorch import theirs
from trainer.execute import run
from trainer.from_snntorch import read

snn: Any = pytest.importorskip("snntorch")
RNG = np.random.default_rng(5)
LAYERED = Schedule(kind="layered", F=None)
KERNEL = RNG.integers(-6, 11, (2, 1, 3, 3)) / 16


def leaky() -> nn.Module:
    return snn.Leaky(beta=0.5, threshold=0.5, reset_mechanism="zero", reset_delay=False)


def frames(steps: int = 12) -> torch.Tensor:
    return (torch.rand(steps, 1, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def dyadic(*modules: nn.Module) -> nn.Sequential:
    torch.manual_seed(2)
    model = nn.Sequential(*modules)
    with torch.no_grad():
        for p in (p for m in modules if isinstance(m, (nn.Conv2d, nn.Linear)) for p in m.parameters()):
            p.copy_((torch.rand_like(p) * 64 - 24).round() / 64)
    return model


def ours(network: Network, schedule: Schedule = LAYERED) -> np.ndarray:
    """(T, n) spikes of the output."""
    x = frames()
    trace = run(network, Stimulus(x.flatten(2).numpy().astype(np.int8)), schedule, engine="reference")
    out = np.zeros((len(x), network.n_neurons))
    np.add.at(out, (trace.spikes.t, trace.spikes.neuron), 1)
    return out[:, trace.population_slice(network.output)]


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 2, ceil_mode=True)])
def test_behind_neurons_the_spikes_are_those_of_snntorch(pool: nn.MaxPool2d) -> None:
    sides = pool(torch.zeros(1, 4, 6, 6)).flatten(1).shape[1]
    model = dyadic(
        nn.Conv2d(1, 4, 3), leaky(), nn.Dropout(0.5), pool, nn.Flatten(), nn.Linear(sides, 5), leaky()
    ).eval()
    network = read(model, (1, 8, 8))
    assert [p.name for p in network.populations] == ["lif1", "pool2", "lif3"]
    want = theirs(list(model), frames())
    assert 0 < want.mean() < 1
    assert np.array_equal(ours(network), want)
    assert np.array_equal(ours(network, Schedule(F=None)), want)


def test_before_neurons_it_is_refused_and_says_the_way_out() -> None:
    model = dyadic(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), leaky())
    with pytest.raises(
        ValueError, match=r"MaxPool2d before its neurons.*no asynchronous meaning; pool='after' puts it"
    ):
        ul.from_snntorch(model, (1, 8, 8))
    with pytest.raises(ValueError, match="pool is 'before'; give 'after'"):
        ul.from_snntorch(model, (1, 8, 8), pool="before")


def test_moved_behind_it_is_the_network_with_the_pooling_there() -> None:
    conv, linear = nn.Conv2d(1, 4, 3), nn.Linear(36, 5)
    before = dyadic(conv, nn.MaxPool2d(2), nn.Flatten(), leaky(), linear, leaky())
    after = nn.Sequential(conv, leaky(), nn.MaxPool2d(2), nn.Flatten(), linear, leaky())
    moved = ul.from_snntorch(before, (1, 8, 8), pool="after")
    assert [p.name for p in moved.populations] == ["lif1", "pool2", "lif3"]
    assert np.array_equal(ours(moved), theirs(list(after), frames()))


def test_two_poolings_in_a_row_move_together() -> None:
    model = dyadic(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.MaxPool2d(2), nn.Flatten(), leaky(), nn.Linear(4, 5), leaky()
    )
    network = read(model, (1, 8, 8), pool="after")
    assert [p.shape for p in network.populations] == [(4, 6, 6), (4, 3, 3), (4, 1, 1), (5,)]


@pytest.mark.parametrize("between", [nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.AvgPool2d(3)])
def test_other_layers_between_pooling_and_neurons_keep_it_where_it_is(between: nn.Module) -> None:
    model = dyadic(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), between, leaky())
    name = type(between).__name__
    with pytest.raises(ValueError, match=f"{name} stands between a max pooling and its neurons"):
        read(model, (1, 8, 8), pool="after")


def test_a_pooling_that_picks_single_values_stays_a_linear_map() -> None:
    model = dyadic(nn.Conv2d(1, 4, 3), nn.MaxPool2d(1, 2), nn.Flatten(), leaky())
    assert [p.name for p in read(model, (1, 8, 8)).populations] == ["lif1"]


def test_a_pooling_at_the_end_decides() -> None:
    network = read(dyadic(nn.Conv2d(1, 4, 3), leaky(), nn.MaxPool2d(2)), (1, 8, 8))
    assert network.output == "pool2"


def conv_and_pool(*last: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
    """input -> convolution -> ... -> output on an image of 6 x 6."""
    conv = {"type": "Conv2d", "input_shape": np.array([6, 6]), "weight": KERNEL,
            "stride": np.array([1, 1]), "padding": np.array([1, 1]), "dilation": np.array([1, 1]),
            "groups": np.array(1), "bias": np.zeros(2)}  # fmt: skip
    nodes, edges = chain(conv, *last)
    nodes["input"]["shape"] = np.array([1, 6, 6])
    nodes["output"]["shape"] = np.array([2, 3, 3])
    return nodes, edges


POOL = {"type": "MaxPool2d", "kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}


def neuron(*shape: int) -> dict[str, Any]:
    one = np.ones(shape)
    return {"type": "LIF", "tau": 2e-4 * one, "r": 2 * one, "v_leak": 0 * one, "v_threshold": 0.5 * one}


def test_nir_behind_and_before_neurons(tmp_path: Path) -> None:
    behind = write_nodes(tmp_path / "a.nir", *conv_and_pool(neuron(2, 6, 6), POOL))
    before = write_nodes(tmp_path / "b.nir", *conv_and_pool(POOL, neuron(1)))
    network = open_network(behind, "snntorch")
    assert isinstance(network, Network)
    assert pooling(network) == ("n2",) and network.output == "n2"
    with pytest.raises(FormatError, match=r"b.nir: MaxPool2d 'n1' before its neurons.*pool 'after' puts it behind"):
        open_network(before, "snntorch")
    moved = ul.open(before, "snntorch", pool="after")
    assert isinstance(moved, Network)
    assert pooling(moved) == ("n1",) and moved.output == "n1"
    given = Stimulus((RNG.random((6, 2, 36)) < 0.4).astype(np.int8))
    a, b = (run(n, given, LAYERED, engine="reference") for n in (network, moved))
    assert a.spikes.t.size > 0 and np.array_equal(a.counts, b.counts)
    fixed = open_network(behind, "lava-dl", 1e-4)
    assert first_divergence(simulate.run(fixed, given), fast.run(fixed, given)) is None  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=r"pool 'after' has no meaning for \.net"):
        open_network(tmp_path / "c.net", pool="after")


def onnx_file(path: Path, *nodes: Any, **weights: np.ndarray) -> Path:
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("b", 1, 6, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


POOLING = helper.make_node("MaxPool", ["p"], ["q"], kernel_shape=[2, 2], strides=[2, 2])
HEAD = [helper.make_node("Flatten", ["q"], ["f"]), helper.make_node("Gemm", ["f", "m"], ["y"])]
CONV = {"w": RNG.normal(size=(2, 1, 3, 3)), "m": RNG.normal(size=(8, 3))}


@pytest.mark.parametrize("relu_first", [True, False])
def test_onnx_on_either_side_of_relu_is_the_same_network(tmp_path: Path, relu_first: bool) -> None:
    conv, relu = helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["p"])
    if not relu_first:
        conv = helper.make_node("Conv", ["x", "w"], ["p"])
        pool = helper.make_node("MaxPool", ["p"], ["c"], kernel_shape=[2, 2], strides=[2, 2])
        nodes = [conv, pool, helper.make_node("Relu", ["c"], ["q"]), *HEAD]
    else:
        nodes = [conv, relu, POOLING, *HEAD]
    path = onnx_file(tmp_path / "a.onnx", *nodes, **CONV)
    network = onnx_files.read_unscaled(path)
    assert len(pooling(network)) == 1 and [p.n for p in network.populations] == [32, 8, 3]
    x = RNG.normal(size=(5, 1, 6, 6)).astype(np.float32)
    h = torch.relu(nn.functional.conv2d(torch.tensor(x), torch.tensor(CONV["w"], dtype=torch.float32)))
    want = nn.functional.max_pool2d(h, 2).flatten(1) @ torch.tensor(CONV["m"], dtype=torch.float32)
    got = activations(network, x.reshape(5, -1))[network.output]
    assert np.allclose(got, want.numpy(), atol=1e-5)
    scaled = onnx_files.read(path, x.reshape(5, -1))
    fixed = quantize(scaled, find_chip("loihi2"))  # type: ignore[arg-type]
    assert pooling(fixed) == pooling(network)


def test_onnx_of_the_largest_everywhere_and_of_parts_side_by_side(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["x", "v"], ["b"]), helper.make_node("Relu", ["b"], ["s"]),
        helper.make_node("Concat", ["r", "s"], ["p"], axis=1), helper.make_node("GlobalMaxPool", ["p"], ["q"]),
        helper.make_node("Flatten", ["q"], ["f"]), helper.make_node("Gemm", ["f", "n"], ["y"]),
    ]  # fmt: skip
    weights = {"w": CONV["w"], "v": RNG.normal(size=(3, 1, 3, 3)), "n": RNG.normal(size=(5, 3))}
    network = onnx_files.read_unscaled(onnx_file(tmp_path / "a.onnx", *nodes, **weights))
    x = torch.tensor(RNG.normal(size=(4, 1, 6, 6)))
    parts = [torch.relu(nn.functional.conv2d(x, torch.tensor(weights[k]))) for k in "wv"]
    want = torch.cat(parts, 1).amax((2, 3)) @ torch.tensor(weights["n"])
    got = activations(network, x.flatten(1).numpy())[network.output]
    assert np.allclose(got, want.numpy(), atol=1e-5)


def test_onnx_of_sums_and_of_currents_is_refused_by_name(tmp_path: Path) -> None:
    relus = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["r"])]
    added = [*relus, helper.make_node("Add", ["r", "r"], ["p"]), POOLING, *HEAD]
    bare = [helper.make_node("Conv", ["x", "w"], ["p"]), POOLING, *HEAD]
    for nodes in (added, bare):
        path = onnx_file(tmp_path / "a.onnx", *nodes, **CONV)
        with pytest.raises(
            FormatError, match=r"MaxPool2d 'MaxPool_\d' before its neurons takes the largest of currents"
        ):
            onnx_files.read(path)


@pytest.mark.parametrize("ending", ["npz", "nir", "onnx"])
def test_our_own_files_bring_it_back(tmp_path: Path, ending: str) -> None:
    network = read(
        dyadic(nn.Conv2d(1, 2, 3), leaky(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2), leaky()), (1, 8, 8)
    )
    for value in (network, quantize(network, find_chip("loihi2"))):
        path = tmp_path / f"a.{ending}"
        ul.save(value, path)
        assert pooling(npz.load(path) if ending == "npz" else ul.open(path)) == ("pool2",)
