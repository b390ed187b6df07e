"""Initial weights that make every population fire: a silent one has no gradient and would never start."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ir.check import require
from ir.schedule import Schedule
from trainer.batches import batch_of
from trainer.data import Samples
from trainer.linear_map import as_evaluated, weights_in
from trainer.network import SpikingNetwork

SAMPLES = 256
BISECTIONS = 12
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
    frames = _first(network, stimulus)
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
            fired = _counts(network, frames)[:, :, parts[name].at].mean()
            low, high = (middle, high) if float(fired) < density else (low, middle)


def balance(network: SpikingNetwork, stimulus: Samples, density: float) -> None:
    """Scale the weights from the inputs row by row, until each neuron (of a convolution: each channel) that inputs
    reach fires so often, or as often as it can; a row that fires more with the other sign takes it first.

    Args:
        density: spikes a neuron and time step, in 0..1.
    """
    frames = _first(network, stimulus)
    for name in dict.fromkeys(post for pre, post in network.ends if pre in network.inputs):
        rows = _weights(network, name)
        if rows and bool(network.neurons[name].fires):
            _balance(network, name, rows, frames, density)


def _balance(network: SpikingNetwork, name: str, rows: list[Tensor], frames: Tensor, density: float) -> None:
    """Scale the rows of the weights into a population, each on its own."""
    at = next(part.at for part in network.plan().parts if part.name == name)

    def scale(gain: Tensor) -> None:
        with torch.no_grad():
            for weight in rows:
                weight.mul_(gain.reshape(-1, *[1] * (weight.dim() - 1)))

    def fired() -> Tensor:
        """(rows,) spikes a neuron and time step."""
        return _counts(network, frames)[:, :, at].mean((0, 1)).reshape(len(rows[0]), -1).mean(1)

    low, high = (torch.full((len(rows[0]),), exponent, device=network.device) for exponent in GAINS)
    scale(2.0**high)
    most = fired()
    scale(-torch.ones_like(high))
    other = fired()
    scale(torch.where(other > most, 1.0, -1.0))
    goal, done = torch.maximum(most, other).clamp(max=density), high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        scale(2.0 ** (middle - done))
        few = fired() < goal
        low, high, done = torch.where(few, middle, low), torch.where(few, high, middle), middle
    scale(2.0 ** (high - done))


def _first(network: SpikingNetwork, stimulus: Samples) -> Tensor:
    """The frames that initial weights are measured on."""
    return batch_of(stimulus, np.arange(min(SAMPLES, stimulus.n_samples))).to(network.device).frames


def _counts(network: SpikingNetwork, frames: Tensor) -> Tensor:
    """(T, B, N) spikes, layered."""
    with torch.no_grad(), as_evaluated(network):
        return network(frames, Schedule("layered")).counts


def _weights(network: SpikingNetwork, post: str) -> list[Tensor]:
    """The last weights of all layers that end in a population."""
    ends = zip(network.ends, network.layers)
    return [weight for (_, own), layers in ends if own == post for weight in weights_in(layers)[-1:]]


def _scale(network: SpikingNetwork, name: str, gain: float) -> None:
    """Multiply the weights of all layers that end in a population; biases stay."""
    with torch.no_grad():
        for weight in _weights(network, name):
            weight.mul_(gain)
