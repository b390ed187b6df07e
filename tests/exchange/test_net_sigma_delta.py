"""lava-dl's sigma-delta neurons in ``.net`` files: read whole, and what is not understood refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import net, npz
from ir.check import FormatError
from ir.connection import Conv2d, Dense
from ir.neurons import FixedSigmaDelta
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.exchange.drawn import example, same
from tests.exchange.net_files import layer, save, sliding

SDNN = {"neuron/type": np.bytes_(b"SDNN"), "neuron/activation": np.bytes_(b"relu"), "neuron/vThMant": 3}
NOT_LIF = {"neuron/iDecay": None, "neuron/vDecay": None}


def coded(**changes: Any) -> dict[str, Any]:
    """A dense layer of two sigma-delta neurons with three inputs."""
    return layer(**{**SDNN, **NOT_LIF, **changes})


def source(*shape: int, **changes: Any) -> dict[str, Any]:
    """An input layer with a Delta."""
    own = {"type": np.bytes_(b"input"), "shape": list(shape), **SDNN, **changes}
    return {k: v for k, v in own.items() if v is not None}


def test_the_square_pilotnet_keeps_every_number():
    network = net.read(example("models", "lava_dl", "pilotnet_sdnn_square.net"))
    assert [p.shape for p in network.populations] == [(24, 16, 16), (36, 7, 7), (64, 4, 4), (64, 2, 2)]
    neurons = [p.neuron for p in network.populations]
    assert all(isinstance(n, FixedSigmaDelta) for n in neurons)
    assert [n.v_threshold for n in neurons] == [13, 0, 0, 0]
    assert (neurons[0].spike_exp, neurons[0].state_exp, neurons[0].sums, neurons[0].rectifies) == (6, 6, True, True)
    assert int(np.min(neurons[0].bias)) == -12 and int(np.max(neurons[0].bias)) == 18
    assert isinstance(network.projections[0].connection, Conv2d)


def test_layers_of_all_kinds_are_read_and_run(tmp_path: Path):
    kernel = np.arange(8).reshape(2, 1, 2, 2) - 3
    path = save(
        tmp_path / "a.net",
        source(1, 4, 4),
        sliding("conv", (2, 3, 3), kernel, **SDNN, **NOT_LIF, bias=np.array([2, -2])),
        sliding("pool", (2, 2, 2), np.full((1, 1, 2, 2), 4), **SDNN, **NOT_LIF),
        {"type": np.bytes_(b"flatten"), "shape": [8]},
        coded(weight=np.ones((2, 8)), bias=np.array([5, 0])),
        coded(weight=np.ones((2, 2)), **{"neuron/sigma_output": True}),
    )
    network = net.read(path, input_neurons=True, spike_exp=2)
    delta, conv, _, dense, sigma = (p.neuron for p in network.populations)
    assert (delta.sums, delta.rectifies, delta.v_threshold, delta.spike_exp) == (False, False, 3, 2)
    assert np.asarray(conv.bias).reshape(2, 9)[:, 0].tolist() == [2, -2]
    assert np.asarray(dense.bias).tolist() == [5, 0] and not sigma.fires
    assert network.projections[0].connection.weight.tolist() == [1] * 16
    frames = np.random.default_rng(0).integers(0, 64, (6, 1, 16)).astype(np.int32)
    trace = run(network, Stimulus(frames), record=("v", "e"))
    assert np.abs(trace.states["v"][-1, 0, -2:]).max() > 0
    npz.save(network, tmp_path / "a.npz")
    assert same(npz.load(tmp_path / "a.npz"), network)


def test_a_dense_layer_alone_takes_what_is_sent_to_it(tmp_path: Path):
    network = net.read(save(tmp_path / "a.net", coded(**{"neuron/activation": np.bytes_(b"identity")})))
    assert isinstance(network.projections[0].connection, Dense)
    assert network.populations[0].neuron.rectifies is False


def test_an_input_layers_weight_and_bias_are_noted_where_its_neurons_are_left_out(tmp_path: Path):
    path = save(tmp_path / "a.net", source(3, weight=2, bias=1), coded())
    assert "left out" in net.read(path).metadata["input"]
    with pytest.raises(FormatError, match="have a bias, and lava's Delta has none"):
        net.read(path, input_neurons=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"neuron/activation": np.bytes_(b"tanh")}, "have activation 'tanh'; relu and identity are read"),
        ({"neuron/vThMant": None}, "have no vThMant"),
        ({"neuron/vThMant": -1}, "have vThMant -1; give 0 or more"),
        ({"neuron/vThMant": 1.5}, "vThMant .* is not whole numbers"),
        ({"neuron/iDecay": 5}, "iDecay"),
        ({"neuron/messageBits": 16}, "messageBits"),
        ({"neuron/gradedSpike": False}, "say gradedSpike off"),
        ({"neuron/wgtExp": 2}, "have wgtExp 2"),
        ({"neuron/weight_exp": 1}, "have weight_exp 1"),
        ({"neuron/sigma_output": True, "bias": np.array([1, 2])}, "have a bias and sigma_output"),
        ({"neuron/sigma_output": False}, "sigma_output that is off"),
        ({"weight": np.full((2, 3), 0.5)}, "not whole numbers"),
        ({"neuron/type": np.bytes_(b"RF")}, "layer 1 has RF neurons; LOIHI, CUBA, SDNN are read"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str):
    path = save(tmp_path / "a.net", source(3), coded(**change))
    with pytest.raises(FormatError, match=said):
        net.read(path)


def test_a_sum_that_is_read_out_feeds_no_layer(tmp_path: Path):
    path = save(tmp_path / "a.net", coded(**{"neuron/sigma_output": True}), coded(weight=np.ones((2, 2))))
    with pytest.raises(FormatError, match="layer 1 hears a layer with sigma_output"):
        net.read(path)


def test_sigma_delta_neurons_have_no_resets_and_are_not_written(tmp_path: Path):
    path = save(tmp_path / "a.net", coded())
    with pytest.raises(FormatError, match="which nothing resets; leave reset_interval out"):
        net.read(path, reset_interval=5)
    with pytest.raises(ValueError, match="'sigma_delta'"):
        net.write(net.read(path), tmp_path / "b.net")
