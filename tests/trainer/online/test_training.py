"""Trainings of SpikingGamma: the preset, settings that go together, the road to Loihi 2, integers that are equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exchange import npz
from exchange.chip_toml import find_chip
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import state_names
from ir.stimulus import Stimulus
from mapper import map_network
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from trainer.build import build_network
from trainer.config import TrainConfig, preset
from trainer.engines.options import TrainingOptions
from trainer.execute import run
from trainer.fit import train
from trainer.gamma_options import GammaOptions
from trainer.network import SpikingNetwork
from trainer.quantize_aware import train_on_grid
from trainer.spiking_gamma import SpikingGamma
from trainer.trainable import TrainableNetwork

LAYERED = Schedule("layered")
SMALL = replace(preset("spiking-gamma-digits"), layers=("12", "10"), epochs=1, batch_size=40, limit=200)


@pytest.mark.parametrize("rule", ["bptt", "trace", "trace-by-layer", "all-buckets", "bucket-0"])
def test_every_rule_trains_and_lowers_the_loss(rule: str, tmp_path: Path) -> None:
    losses: list[float] = []
    train(replace(SMALL, rule=rule, epochs=3), tmp_path, report=lambda m, i, n: losses.append(m.loss))
    assert losses[-1] < 0.9 * losses[0]
    assert npz.load(tmp_path / "network.npz", Network).populations[0].neuron.MODEL == "spiking_gamma"


def test_an_update_in_every_step_and_a_loss_of_the_last_steps_change_the_training(tmp_path: Path) -> None:
    changes = {
        "plain": {},
        "step": {"gamma": replace(SMALL.gamma, update="step")},
        "limited": {"gradient_norm": 1e-9},
        "last": {"loss_steps": 2},
        "last, bptt": {"loss_steps": 2, "rule": "bptt"},
    }
    found = {}
    for name, change in changes.items():
        found[name] = train(replace(SMALL, **change), tmp_path / name).export().projections[0].connection.weight
    assert all(np.isfinite(w).all() for w in found.values())
    assert not np.array_equal(found["plain"], found["limited"])
    assert not np.array_equal(found["plain"], found["step"]) and not np.array_equal(found["plain"], found["last"])
    assert not np.array_equal(found["last"], found["last, bptt"])


def test_a_trained_network_goes_to_loihi_2_and_runs_equal_on_integers(tmp_path: Path) -> None:
    train(SMALL, tmp_path)
    mapped = map_network(npz.load(tmp_path / "network.npz", Network), find_chip("loihi2"))
    frames = (np.random.default_rng(0).random((10, 4, mapped.network.n_inputs)) < 0.2).astype(np.int32)
    names = state_names(mapped.network)
    ours, theirs = (f(mapped, Stimulus(frames), record=names) for f in (run_reference, run))
    assert first_divergence(ours, theirs) is None and len(ours.spikes) > 0
    assert all((ours.states[name] == theirs.states[name]).all() for name in names)


def test_integers_of_quantization_aware_training_pass_unchanged_and_are_those_that_trained(tmp_path: Path) -> None:
    config = replace(SMALL, rule="bptt", weight_bits=8)
    network = train(config, tmp_path)
    fixed = npz.load(tmp_path / "quantized.npz", QuantizedNetwork)
    mapped = map_network(fixed, find_chip("loihi2"))
    assert npz.encoded(mapped.network).tobytes() == npz.encoded(fixed).tobytes()
    frames = (np.random.default_rng(0).random((10, 4, fixed.n_inputs)) < 0.2).astype(np.int32)
    trace = run_reference(mapped, Stimulus(frames))
    with torch.no_grad():
        result = network(torch.as_tensor(frames))
    assert np.array_equal(np.asarray(trace.v), result.v.numpy().astype(np.int64))
    assert np.array_equal(trace.counts, result.counts.sum(0).numpy().astype(np.int32)) and trace.counts.sum() > 0


def test_the_gradient_on_the_grid_is_that_of_the_floats_nearly() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 8, bias=False), SpikingGamma((0.8, 0.85), 0.2), nn.Linear(8, 3, bias=False)]
    network = SpikingNetwork.sequential((6,), *layers, SpikingGamma((0.8, 0.9), None), schedule=LAYERED)
    frames = (torch.rand(30, 4, 6) < 0.4).float()
    floats = network(frames).v[:, :, 8:]
    (floats**2).sum().backward()
    wanted = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    train_on_grid(network, "loihi2", 8)
    assert network.quantization is not None
    unit = network.quantization.scales["layer1"] * 64
    on_grid = network(frames).v[:, :, 8:] / unit
    assert float((on_grid - floats).detach().abs().max()) < 0.5
    (on_grid**2).sum().backward()
    for p, w in zip(network.parameters(), wanted):
        assert p.grad is not None
        assert float(nn.functional.cosine_similarity(p.grad.flatten(), w.flatten(), dim=0)) > 0.9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"neuron": "lif", "rule": "trace"}, "rule 'trace' trains SpikingGamma: set neuron = 'spiking_gamma'"),
        ({"schedule": Schedule()}, "neuron 'spiking_gamma' runs layered: set schedule.kind = 'layered'"),
        ({"loss": "rate"}, "rule 'all-buckets' takes a loss at every step, of a readout: set loss = 'membrane'"),
        ({"weight_bits": 8}, "rule 'all-buckets' takes floats: leave weight_bits out, or use rule 'bptt'"),
        ({"truncate": 5}, "leave truncate out, or use rule 'bptt'"),
        ({"train_tau": True}, "takes decays as they are: leave train_tau out, or use rule 'bptt'"),
        ({"reset": "subtract"}, "neuron 'spiking_gamma' has no reset; leave it out"),
        ({"neuron": "spiking-gamma"}, "neuron is 'spiking-gamma'"),
        ({"loss_steps": -1}, "loss_steps is -1; at least 0"),
        ({"spike_penalty": 0.1}, "takes no price of spikes: leave spike_penalty out, or use rule 'bptt'"),
        (
            {"options": TrainingOptions(spike_dropout=0.1)},
            "leave input_dropout and spike_dropout out, or use rule 'bptt'",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_the_way_out(change, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"buckets": 0}, "buckets is 0; it lies in 1..32"),
        ({"tau_s": 0.0}, "tau_s is 0.0; it must be above 0 and finite"),
        ({"spread": -1.0}, "spread is -1.0; it must be at least 0 and finite"),
        ({"spacing": "linear"}, "spacing is 'linear'"),
        ({"readout_lag_s": float("inf")}, "readout_lag_s is inf; it must be at least 0 and finite"),
        ({"lag_s": float("inf")}, "lag_s is inf; it must be above 0 and finite"),
        ({"adaptation": 1.0}, "adaptation is 1.0; it lies in 0..1, 1 excluded"),
        ({"factor": 1e300}, r"factor is 1e\+300; it lies in 1e-6..1e6"),
        ({"update": "batch"}, "update is 'batch'"),
        ({"bounded": True, "adaptation": 0.1}, "bounded needs constant thresholds and a factor above 1"),
        ({"range_penalty": 1.0}, "range_penalty needs bounded = true; add it"),
        ({"max_rate_hz": 100.0, "adaptation": 0.1}, "max_rate_hz needs constant thresholds; leave adaptation out"),
        ({"max_rate_hz": -1.0}, "max_rate_hz is -1.0; it must be at least 0 and finite"),
        ({"range_penalty": -1.0}, "range_penalty is -1.0; it must be at least 0 and finite"),
        ({"bounded": True, "factor": 1.0}, "bounded needs constant thresholds and a factor above 1"),
    ],
)
def test_options_of_the_neuron_are_checked(change, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        GammaOptions(**change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"tau_s": 1e-300},
            r"at time steps of 0.01 s, gamma.tau_s = 1e-300 and a lag of .* each must lie between 0 and 1",
        ),
        ({"lag_s": 1e300}, "choose times nearer the time step"),
        (
            {"adaptation": 0.5},
            "gamma.adaptation is 0.5 and thresholds fall by 0.181 a time step, so that they would grow",
        ),
        ({"tau_threshold_s": 1e300, "adaptation": 0.1}, "choose less than that, or a shorter gamma.tau_threshold_s"),
    ],
)
def test_times_are_held_to_the_time_step_of_the_data(change, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        build_network(replace(SMALL, gamma=replace(SMALL.gamma, **change)))


def test_floats_are_refused_under_the_asynchronous_schedule_before_an_engine_is_chosen() -> None:
    """Warnings are errors: nothing is said of engines first."""
    network = build_network(SMALL).export()
    with pytest.raises(ValueError, match="which the asynchronous schedule does not define; use the layered one"):
        run(network, Stimulus(np.zeros((2, 1, network.n_inputs), np.int32)), Schedule())


def test_a_deeper_network_is_refused_before_its_first_batch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rule 'trace' is exact for one spiking hidden layer, this network has 2"):
        train(replace(SMALL, rule="trace", layers=("12", "12", "10")), tmp_path)


def test_the_preset_has_the_physical_times_that_it_names() -> None:
    keep = np.array(preset("spiking-gamma-digits").gamma.keep(1e-3))
    assert np.allclose(-1e-3 / np.log(keep), [0.02, 0.02, 0.02, 0.02])
    shd = preset("spiking-gamma-shd")
    for dt_s in (1e-2, 1e-3):
        taus = [-dt_s / np.log(shd.gamma.keep(dt_s, readout)) for readout in (False, True)]
        assert np.allclose([x[0] for x in taus], 0.04) and np.allclose([x[1:].sum() for x in taus], [0.2, 3.0])
    assert shd.rule == "trace" and shd.gamma.bounded and shd.data == "shd-like" and shd.loss_steps == 20
    assert isinstance(SMALL, TrainConfig) and SMALL.rule == "all-buckets"


def test_a_frozen_network_goes_on_learning_and_is_the_same_before_it_does(tmp_path: Path) -> None:
    frozen = train(SMALL, tmp_path).export()
    again = TrainableNetwork(frozen)
    frames = (torch.rand(10, 4, 800) < 0.2).float()
    assert torch.equal(again(frames).v, TrainableNetwork(again.export())(frames).v)
    (again(frames).v[:, :, -10:] ** 2).sum().backward()
    learning = {name: p.grad for name, p in again.named_parameters()}
    assert [tuple(p.shape) for p in again.learnt] == [(12, 4), (10, 4)]
    assert all(g is not None and float(g.abs().max()) > 0 for g in learning.values())
    with pytest.raises(ValueError, match="thresholds of SpikingGamma do not learn"):
        TrainableNetwork(frozen, train_threshold=True)


def test_bucket_weights_follow_from_the_seed() -> None:
    first, again, other = (build_network(replace(SMALL, seed=seed)).export() for seed in (1, 1, 2))
    numbers = [[p.neuron.bucket_weights for p in x.populations] for x in (first, again, other)]
    assert all(np.array_equal(a, b) for a, b in zip(numbers[0], numbers[1]))
    assert not np.array_equal(numbers[0][0], numbers[2][0])


def test_buckets_are_evenly_or_by_a_factor_behind_and_the_readout_may_look_back_farther() -> None:
    even, log = GammaOptions(4, 0.01, 0.06), GammaOptions(4, 0.01, 0.06, readout_lag_s=0.3, spacing="log")
    taus = [-1e-4 / np.log(o.keep(1e-4, readout)) for o in (even, log) for readout in (False, True)]
    assert np.allclose(taus[0], [0.01, 0.02, 0.02, 0.02]) and np.allclose(taus[0], taus[1])
    assert np.isclose(taus[2][1:].sum(), 0.06) and np.isclose(taus[3][1:].sum(), 0.3)
    assert np.isclose(taus[2][3] / taus[2][1], 20) and np.isclose(taus[2][2] ** 2, taus[2][1] * taus[2][3])
    neurons = [p.neuron for p in build_network(replace(SMALL, gamma=log)).export().populations]
    assert [round(float(x.lags[-1]), 3) for x in neurons] == [round(lag, 3) for lag in (
        float(np.sum(1 / (1 - np.array(log.keep(0.01, r)[1:])))) for r in (False, True))]  # fmt: skip
