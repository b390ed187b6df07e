"""Initial weights that make every population fire: a silent one has no gradient and would never start."""

from __future__ import annotations

import numpy as np
import torch

from ir.check import require
from ir.schedule import Schedule
from trainer.batches import batch_of
from trainer.data import Samples
from trainer.linear_map import as_evaluated
from trainer.network import SpikingNetwork

SAMPLES = 256
BISECTIONS = 12
WEIGHTED = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
GAINS = (-6.0, 6.0)
"""Exponents of two between which a population's gain is sought."""


def scale_to_density(network: SpikingNetwork, stimulus: Samples, density: float) -> None:
    """Scale the weights into each population in turn, until so many of its neurons fire in a time step.

    Runs the layered schedule on the first samples, so the result depends on neither order nor F. In the manner of
    layer-sequential unit-variance initialization (Mishkin and Matas 2016), with spikes in the place of variance.

    Args:
        density: spikes a neuron and time step, in 0..1.
    """
    require(0 < density < 1, f"initial_density is {density}; it lies between 0 and 1")
    frames = batch_of(stimulus, np.arange(min(SAMPLES, stimulus.n_samples))).to(network.device).frames
    if network.encoder is not None:
        scale_to_density(network.encoder, stimulus, density)
    plan = network.plan()
    parts = {part.name: part for part in plan.parts}
    for name in plan.order.order:
        low, high, done = *GAINS, 0.0
        for _ in range(BISECTIONS if bool(network.neurons[name].fires) else 0):
            middle = (low + high) / 2
            _scale(network, name, 2.0 ** (middle - done))
            done = middle
            with torch.no_grad(), as_evaluated(network):
                fired = network(frames, Schedule("layered")).counts[:, :, parts[name].at].mean()
            low, high = (middle, high) if float(fired) < density else (low, middle)


def _scale(network: SpikingNetwork, name: str, gain: float) -> None:
    """Multiply the weights of all layers that end in a population; biases stay."""
    with torch.no_grad():
        for (_, post), layers in zip(network.ends, network.layers):
            if post == name:
                last = [m for m in layers.modules() if isinstance(m, WEIGHTED)]
                for module in last[-1:]:
                    module.weight.mul_(gain)
