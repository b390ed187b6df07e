"""A frozen network learns on: the same numbers, the same gradients, and its structure kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exchange import npz
from exchange.chip_toml import find_chip
from ir.check import FormatError
from ir.connection import Conv2d, Dense, Sparse
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from stimuli.data_sets import load
from trainer import LIF as Module
from trainer import SpikingNetwork, TrainableNetwork, TrainConfig, run, train
from trainer.build import build_network
from trainer.config import from_dict
from trainer.quantize_aware import train_on_grid

pytestmark = pytest.mark.filterwarnings("ignore::ir.check.SlowerWarning")

SCHEDULES = [Schedule("layered"), Schedule(F=3), Schedule(F=None, order="random", seed=4)]


@pytest.fixture
def frozen() -> Network:
    """A convolution with biases, a sparse projection, a skip, a current, thresholds one a neuron."""
    rng = np.random.default_rng(0)
    dense = rng.normal(0.2, 0.4, (6, 5))
    dense[rng.random((6, 5)) < 0.5] = 0
    sparse = Sparse(np.r_[0, (dense != 0).sum(1).cumsum()], np.nonzero(dense)[1].astype(np.int32), dense[dense != 0], 5)
    return Network(
        (Input("in", (2, 4, 4)),),
        (
            Population("a", (3, 4, 4), LIF(5e-3, 0.5, bias=rng.normal(0, 0.05, 48))),
            Population("b", (5,), LIF(5e-3, 0.4, tau_syn_s=2e-3, bias=0.02, bias_u=rng.normal(0, 0.05, 5))),
            Population("c", (6,), LIF(5e-3, rng.random(6) * 0.3 + 0.2, reset="subtract_late")),
        ),
        (
            Projection("in", "a", Conv2d(rng.normal(0.1, 0.4, (3, 2, 3, 3)), (2, 4, 4), padding=(1, 1))),
            Projection("a", "b", Dense(rng.normal(0.1, 0.3, (5, 48)))),
            Projection("b", "c", sparse),
            Projection("in", "c", Dense(rng.normal(0, 0.2, (6, 32)))),
        ),
        "c",
    )


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (6, 4, 32))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_it_spikes_as_the_network_does_and_every_number_has_a_gradient(frozen, frames, schedule: Schedule):
    network = TrainableNetwork(frozen, train_threshold=True)
    result = network(torch.as_tensor(frames), schedule)
    spikes = run(frozen, Stimulus(frames), schedule).spikes
    assert result.counts.sum() == len(spikes) > 50
    result.counts[..., -6:].sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())
    assert [tuple(p.shape) for p in network.learnt] == [(48,), (), (), (5,), (), (6,)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_gradients_are_those_of_the_torch_layers_it_came_from(schedule: Schedule):
    torch.manual_seed(3)
    neurons = Module(2e-3, 0.3), Module(2e-3, 0.3)
    layers = SpikingNetwork.sequential(
        (2, 5, 5), nn.Conv2d(2, 3, 3, bias=False), neurons[0], nn.Flatten(), nn.Linear(27, 4), neurons[1]
    )
    same = TrainableNetwork(layers.export())
    frames = (torch.rand(5, 8, 2, 5, 5) < 0.4).float()
    for network in (layers, same):
        network(frames, schedule).counts[..., -4:].square().sum().backward()
    assert bool(layers.layers[0][0].weight.grad.abs().sum() > 0)
    torch.testing.assert_close(same.weights[0].grad, layers.layers[0][0].weight.grad, rtol=0, atol=0)
    torch.testing.assert_close(same.weights[1].grad, layers.layers[1][1].weight.grad, rtol=0, atol=0)
    torch.testing.assert_close(same.learnt[0].grad, layers.layers[1][1].bias.grad, rtol=0, atol=0)


def test_what_leaves_it_is_the_network_with_what_was_learned(frozen):
    network = TrainableNetwork(frozen, Schedule(F=2), train_threshold=True)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1)
    made = network.export()
    neuron, before = made.populations[0].neuron, frozen.populations[0].neuron
    assert isinstance(neuron, LIF) and isinstance(before, LIF) and made.schedule == Schedule(F=2)
    assert (neuron.v_threshold, neuron.tau_mem_s, neuron.reset) == (1.5, before.tau_mem_s, before.reset)
    np.testing.assert_allclose(neuron.bias, before.bias + 1, rtol=1e-6)
    sparse = made.projections[2].connection
    assert isinstance(sparse, Sparse) and isinstance(frozen.projections[2].connection, Sparse)
    np.testing.assert_array_equal(sparse.indices, frozen.projections[2].connection.indices)
    np.testing.assert_allclose(sparse.weight, frozen.projections[2].connection.weight + 1, rtol=1e-6)


def test_it_trains_on_a_chips_grid(frozen, frames):
    network = TrainableNetwork(frozen)
    train_on_grid(network, "loihi2", 8)
    counts = network(torch.as_tensor(frames), Schedule(F=3)).counts
    counts.sum().backward()
    assert network.quantization is not None and bool(network.weights[0].grad.abs().sum() > 0)
    integers = network.quantization.quantized(network.export())
    assert counts.sum() == len(run(integers, Stimulus(frames), Schedule(F=3)).spikes)


def test_a_training_goes_on_from_a_file_and_from_a_folder(tmp_path: Path):
    config = TrainConfig(layers=("10",), epochs=1, limit=40, batch_size=20)
    first = train(config, tmp_path / "first", stimulus=load("digits", limit=40))
    for start in (tmp_path / "first", tmp_path / "first" / "network.npz"):
        again = build_network(TrainConfig(start=str(start), schedule=Schedule("layered")))
        assert again.schedule == Schedule("layered")
        np.testing.assert_array_equal(
            again.export().projections[0].connection.weight, first.export().projections[0].connection.weight
        )
    on = TrainConfig(start=str(tmp_path / "first"), epochs=2, limit=40, batch_size=20)
    whole = train(on, tmp_path / "whole", stimulus=load("digits", limit=40))
    train(replace(on, epochs=1), tmp_path / "cut", stimulus=load("digits", limit=40))
    assert npz.load(tmp_path / "whole" / "network.npz", Network).n_inputs == 800
    assert not torch.equal(next(whole.parameters()), next(build_network(on).parameters()))


def test_bad_starts_are_refused_in_one_sentence(frozen, tmp_path: Path):
    npz.save(frozen, tmp_path / "small.npz")
    npz.save(quantize(frozen, find_chip("loihi2")), tmp_path / "integers.npz")
    for name, why in (
        ("small.npz", r"small\.npz has 32 inputs and 6 output neurons; data 'digits' have 800 values a frame"),
        ("integers.npz", r"integers\.npz: a QuantizedNetwork holds a chip's integers, which do not learn"),
        ("none.npz", r"none\.npz"),
    ):
        with pytest.raises(ValueError, match=why):
            build_network(TrainConfig(start=str(tmp_path / name)))
    with pytest.raises(FormatError, match="start names a network, which brings its own layers"):
        from_dict({"start": "net.npz", "layers": ["10"]})


@pytest.mark.parametrize("key", [{"tau_syn_s": 0.01, "train_tau_syn": True}, {"train_tau": True}], ids=str)
def test_what_a_start_would_not_heed_is_refused(key: dict) -> None:
    with pytest.raises(ValueError, match=f"start names a network, which brings its own {next(iter(key))}"):
        TrainConfig(start="net.npz", **key)


def test_thresholds_that_came_as_one_learn_apart_where_asked(tmp_path: Path) -> None:
    build = build_network(TrainConfig(layers=("12", "10")))
    npz.save(build.export(), tmp_path / "net.npz")
    on = TrainConfig(start=str(tmp_path / "net.npz"), train_threshold=True)
    one, apart = build_network(on), build_network(replace(on, per_neuron=True))
    assert [tuple(p.shape) for p in one.learnt] == [(), ()]
    assert [tuple(p.shape) for p in apart.learnt] == [(12,), (10,)]
    x = torch.tensor(load("digits", limit=4).frames)
    torch.testing.assert_close(one(x).v, apart(x).v, rtol=0, atol=0)


def test_a_max_pooling_keeps_its_weights(tmp_path: Path):
    config = TrainConfig(layers=("conv 2 3", "maxpool 2", "10"), epochs=1, limit=60, batch_size=20)
    npz.save(build_network(config).export(), tmp_path / "net.npz")
    on = TrainConfig(start=str(tmp_path / "net.npz"), epochs=1, limit=60, batch_size=20, train_threshold=True)
    tuned = train(on, tmp_path / "tuned", stimulus=load("digits", limit=60)).export()
    before = npz.load(tmp_path / "net.npz", Network)
    same = [
        np.array_equal(a.connection.weight, b.connection.weight) for a, b in zip(before.projections, tuned.projections)
    ]
    assert same == [False, True, False] and len(before.populations) == 3
