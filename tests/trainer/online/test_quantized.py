"""Quantization-aware SpikingGamma: what the training's forward pass computes are the integers of E1 and of E2."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from ir.mapped import one_large_core
from ir.schedule import Schedule
from ir.state import state_names
from ir.stimulus import Stimulus
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from tests.strategies.independent import each
from trainer.execute import run as run_trainer
from trainer.network import SpikingNetwork
from trainer.quantize_aware import train_on_grid
from trainer.spiking_gamma import SpikingGamma

LAYERED = Schedule("layered")
DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "30"))


@st.composite
def on_grid(draw: st.DrawFn) -> tuple[SpikingNetwork, torch.Tensor]:
    """A network on Loihi 2's grid, with or without a convolution, and frames of counts (T, B, n_in)."""
    torch.manual_seed(draw(st.integers(0, 1 << 30)))
    first = draw(st.sampled_from([0.5, 0.8, 0.95]))

    def neuron(fires: bool) -> SpikingGamma:
        keep = [first, *(draw(st.sampled_from([0.5, 0.7, 0.9, 0.97])) for _ in range(draw(st.integers(0, 4))))]
        adapts: dict[str, Any] = {}
        if fires and draw(st.integers(0, 2)) == 0:
            adapts = {"adaptation": draw(st.sampled_from([0.05, 0.2])), "keep_threshold": 0.6}
        factor, strict = draw(st.sampled_from([1.0, 2.0, 2.7])), draw(st.booleans())
        threshold = draw(st.sampled_from([0.1, 0.5])) if fires else None
        return SpikingGamma(keep, threshold, factor=factor, strict=strict, spread=2.0, **adapts)

    modules: list[nn.Module] = []
    shape, n = (1, 4, 4), 16
    if draw(st.booleans()):
        modules, n = [nn.Conv2d(1, 2, 3, bias=False), neuron(True), nn.Flatten()], 8
    else:
        shape, n = (draw(st.integers(1, 8)),), 0
    n = n or shape[0]
    for _ in range(draw(st.integers(1, 2))):
        width = draw(st.integers(1, 8))
        modules += [nn.Linear(n, width, bias=False), neuron(True)]
        n = width
    modules += [nn.Linear(n, 3, bias=False), neuron(draw(st.integers(0, 3)) == 0)]
    network = SpikingNetwork.sequential(shape, *modules, schedule=LAYERED)
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.weight.data *= 2
    train_on_grid(network, "loihi2", draw(st.sampled_from([8, 6, 4])))
    steps, samples = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    return network, torch.randint(0, 3, (steps, samples, int(np.prod(shape)))).float()


def compared(network: SpikingNetwork, frames: torch.Tensor) -> tuple[int, bool]:
    """Values that were compared, all equal, and whether anything spiked."""
    assert network.quantization is not None
    mapped = one_large_core(network.quantization.quantized(network.export()))
    names, stimulus = state_names(mapped.network), Stimulus(frames.int().numpy())
    reference, trainer = (f(mapped, stimulus, LAYERED, record=names) for f in (run_reference, run_trainer))
    assert first_divergence(reference, trainer) is None
    for name in names:
        assert (reference.states[name] == trainer.states[name]).all(), name
    with torch.no_grad():
        result = network(frames, LAYERED)
    assert reference.v is not None and reference.counts is not None
    assert np.array_equal(result.v.numpy(), reference.v)
    assert np.array_equal(result.counts.sum(0).numpy(), reference.counts)
    return sum(x.size for x in reference.states.values()) + reference.v.size, len(reference.spikes) > 0


def test_the_forward_pass_of_training_is_the_integer_network_before_and_after_a_step() -> None:
    values, spiking = 0, 0

    def check(case: tuple[SpikingNetwork, torch.Tensor]) -> None:
        nonlocal values, spiking
        network, frames = case
        optimizer = torch.optim.Adam(network.parameters(), 0.03)
        for _ in range(2):
            some, spikes = compared(network, frames)
            values, spiking = values + some, spiking + spikes
            optimizer.zero_grad()
            (network(frames, LAYERED).v ** 2).mean().backward()
            optimizer.step()

    each(on_grid(), DRAWS, 0, check)
    print(f"{DRAWS} draws, {values} values compared, 0 differ; {spiking} runs spike")
    assert spiking > DRAWS
