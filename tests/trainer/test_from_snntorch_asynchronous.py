"""snnTorch's neurons with default settings under the asynchronous schedule: without a group size, the same spikes."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from exchange.chip_toml import find_chip
from ir.mapped import one_large_core
from ir.network import Network
from ir.neurons import LIF
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as simulate
from tests.judge.compare import difference
from tests.judge.simulator import run as judge
from tests.trainer.test_from_snntorch import theirs
from trainer.execute import run
from trainer.from_snntorch import read
from trainer.trainable import TrainableNetwork

snn: Any = pytest.importorskip("snntorch")

N_CHAINS = int(os.environ.get("UNLAYERED_DRAWS", "200"))
T = 8
SHARES = [0.0, 0.25, 0.5, 0.75, 0.875, 1.0]
EVERY_SPIKE = Schedule(F=None)


def dyadic(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Sixteenths from -2 to 3."""
    return torch.tensor(rng.integers(-32, 49, shape) / 16, dtype=torch.float32)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[nn.Module], torch.Tensor]:
    """One to three layers of Leaky and Synaptic, and frames of counts (T, 1, n)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 7), min_size=2, max_size=4))
    layers: list[nn.Module] = []
    for n_pre, n in pairwise(sizes):
        linear = nn.Linear(n_pre, n, bias=draw(st.booleans()))
        linear.weight.data = dyadic(rng, n, n_pre)
        if linear.bias is not None:
            linear.bias.data = dyadic(rng, n) / 4
        threshold = torch.tensor(rng.integers(1, 25, n) / 8, dtype=torch.float32) if draw(st.booleans()) else 1.0
        beta = draw(st.sampled_from(SHARES))
        kind = draw(st.sampled_from(["Leaky", "Leaky, zero", "Leaky, none", "Synaptic", "Synaptic, none"]))
        reset = {"zero": "zero", "none": "none"}.get(kind.rpartition(" ")[2], "subtract")
        settings_of = {"beta": beta, "threshold": threshold, "reset_mechanism": reset}
        if kind.startswith("Synaptic"):
            neuron = snn.Synaptic(alpha=draw(st.sampled_from(SHARES)), **settings_of)
        else:
            neuron = snn.Leaky(**settings_of)
        layers += [linear, neuron]
    return layers, torch.tensor(rng.integers(0, 3, (T, 1, sizes[0])), dtype=torch.float32)


@pytest.mark.timeout(1800)
def test_asynchronous_chains_without_a_group_size_have_snntorchs_spikes(capsys: Any) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=N_CHAINS, deadline=None, derandomize=True)
    @given(chains())
    def hold(drawn: tuple[list[nn.Module], torch.Tensor]) -> None:
        layers, frames = drawn
        network = read(nn.Sequential(*layers), tuple(frames.shape[2:]))
        assert {p.name for p in network.populations} == {f"lif{i + 1}" for i in range(len(layers) // 2)}
        assert len(network.projections) == len(network.populations) and not any(
            np.any(e.delay_steps) for e in network.projections
        )
        stimulus = Stimulus(frames.numpy().astype(np.int32))
        for schedule in (EVERY_SPIKE, Schedule("layered", None)):
            trace = run(network, stimulus, schedule, engine="reference")
            for i in range(len(network.populations)):
                expected = theirs(layers[: 2 * i + 2], frames)
                assert np.array_equal(spikes_of(trace, network.populations[i].name, T), expected)
        seen["chains"] += 1
        seen["spikes"] += int(expected.sum())
        seen["chains whose last layer spikes"] += bool(expected.any())
        seen["biases of a current"] += any(np.any(lif_of(network, p.name).bias_u) for p in network.populations)

    hold()
    with capsys.disabled():
        print("\n" + ", ".join(f"{n} {name}" for name, n in seen.items()) + "; 0 differ")
    assert seen["chains whose last layer spikes"] >= 0.5 * seen["chains"]


def spikes_of(trace: Any, population: str, n_steps: int) -> np.ndarray:
    """(T, n) of the first sample."""
    at = trace.population_slice(population)
    found = np.zeros((n_steps, at.stop - at.start))
    here = (trace.spikes.neuron >= at.start) & (trace.spikes.neuron < at.stop)
    found[trace.spikes.t[here], trace.spikes.neuron[here] - at.start] = 1
    return found


def lif_of(network: Network, population: str) -> LIF:
    neuron = next(p.neuron for p in network.populations if p.name == population)
    assert isinstance(neuron, LIF)
    return neuron


def default_model() -> nn.Sequential:
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(8, 12), snn.Leaky(beta=0.9), nn.Linear(12, 6), snn.Synaptic(alpha=0.8, beta=0.9))
    for layer in (model[0], model[2]):
        layer.weight.data *= 3
    return model


def test_default_settings_are_parameters_of_two_populations() -> None:
    network = read(default_model(), (8,))
    leaky, synaptic = (lif_of(network, name) for name in ("lif1", "lif2"))
    assert [(p.name, p.n) for p in network.populations] == [("lif1", 12), ("lif2", 6)]
    assert [(e.pre, e.post) for e in network.projections] == [("input", "lif1"), ("lif1", "lif2")]
    assert (leaky.reset, synaptic.reset) == ("subtract_late", "subtract_late")
    assert leaky.bias is not None and leaky.bias_u is None
    assert synaptic.bias is None and synaptic.bias_u is not None


@pytest.mark.parametrize("schedule", [Schedule(F=2), Schedule(F=8, order="random"), EVERY_SPIKE], ids=str)
def test_a_default_model_runs_asynchronously_and_rounded(schedule: Schedule) -> None:
    network = read(default_model(), (8,))
    stimulus = Stimulus((np.random.default_rng(0).random((20, 3, 8)) < 0.4).astype(np.int32))
    assert len(run(network, stimulus, schedule, engine="reference").spikes) > 100
    fixed = quantize(network, find_chip("loihi2"))
    meaning = simulate(fixed, stimulus, schedule, record=("v", "u"))
    assert len(meaning.spikes) > 100
    assert first_divergence(meaning, run(fixed, stimulus, schedule, engine="reference")) is None
    assert difference(judge(one_large_core(fixed), stimulus, schedule), meaning, fixed) is None


@pytest.mark.parametrize("schedule", [EVERY_SPIKE, Schedule("layered", None)], ids=["F = all", "layered"])
@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_the_gradient_of_neurons_that_reset_late_is_snntorchs(reset: str, engine: str, schedule: Schedule) -> None:
    """Two layers of Leaky with biases, so that something reaches every neuron and its surrogate acts."""
    rng = np.random.default_rng(5)
    linears = [nn.Linear(5, 6).double(), nn.Linear(6, 4).double()]
    for linear in linears:
        for p in linear.parameters():
            p.data = torch.tensor(rng.integers(-24, 40, tuple(p.shape)) / 64)
    lifs = [snn.Leaky(beta, reset_mechanism=reset) for beta in (0.875, 0.75)]
    frames = torch.tensor(rng.integers(0, 3, (7, 3, 5)), dtype=torch.float64)
    price = torch.tensor(rng.integers(-8, 9, (7, 3, 4)) / 8)

    net = TrainableNetwork(read(nn.Sequential(linears[0], lifs[0], linears[1], lifs[1]), (5,))).double().train()
    result = net(frames, schedule, engine=engine)
    ours = result.counts[:, :, net.plan().output]
    (ours * price).sum().backward()

    membranes, spikes = [lif.init_leaky() for lif in lifs], []
    for x in frames:
        for i in (0, 1):
            spiked, membranes[i] = lifs[i](linears[i](x), membranes[i])
            x = spiked.double()  # its surrogate says float, and so does its gradient
        spikes.append(x)
    (torch.stack(spikes) * price).sum().backward()
    assert torch.equal(torch.stack(spikes), ours) and 10 < ours.sum() < 0.9 * ours.numel()
    own = [p.grad for name, p in net.named_parameters() if name.startswith("weights")]
    assert len(own) == 2
    for mine, linear in zip(own, linears):
        assert mine is not None and linear.weight.grad is not None and mine.abs().sum() > 0
        torch.testing.assert_close(mine, linear.weight.grad, rtol=1e-5, atol=1e-6)
