"""Initial weights that make every population fire: a silent one has no gradient and would never start."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ir.check import require
from ir.order_free import why_order_matters
from ir.schedule import Schedule
from trainer.batches import batch_of
from trainer.data import Samples
from trainer.linear_map import WEIGHTED, as_evaluated
from trainer.network import SpikingNetwork
from trainer.order_free import restrict
from trainer.trainable import TrainableNetwork

SAMPLES = 256
BISECTIONS = 12
GAINS = (-6.0, 6.0)
"""Exponents of two between which a population's gain is sought."""

DENSITY = 0.1
"""Spikes a neuron and time step with which an order-free network begins, where the configuration names no other."""

MEANS = (nn.AvgPool1d, nn.AvgPool2d)

ONE, SHARE = 1.2, 0.6
"""Weights in thresholds where training begins: of one neuron followed alone, which is enough, and of several."""

OTHERS = 0.01
"""Of that weight: the most that any other begins with."""


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
    reach fires so often; a row that stays silent however large its weights are takes the other sign first.

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

    def seldom(gain: Tensor) -> Tensor:
        """(rows,) whether a row that is multiplied once more fires too seldom."""
        with torch.no_grad():
            for weight in rows:
                weight.mul_(gain.reshape(-1, *[1] * (weight.dim() - 1)))
        fired = _counts(network, frames)[:, :, at].mean((0, 1))
        return fired.reshape(len(gain), -1).mean(1) < density

    low, high = (torch.full((len(rows[0]),), exponent, device=network.device) for exponent in GAINS)
    done = high
    turned = torch.where(seldom(2.0**high), -1.0, 1.0)
    for i in range(BISECTIONS):
        middle = (low + high) / 2
        few = seldom(2.0 ** (middle - done) * (turned if i == 0 else 1.0))
        low, high, done = torch.where(few, middle, low), torch.where(few, high, middle), middle
    seldom(2.0 ** (high - done))


def begin_order_free(network: SpikingNetwork, data: Samples, density: float, v_threshold: float, seed: int) -> None:
    """Let each neuron follow its own of the population before; a network that is gone on from keeps what is not
    negative.

    Random weights without a sign make every neuron of a population see nearly the same sum: all of them fire or none,
    and training does not leave that state. So a neuron begins with one of the population before it, or several where
    there are more; what it takes from the others is learned. The weights from the inputs keep both signs.

    Args:
        data: what the neurons behind the inputs are balanced on, each to fire at the ``density``: a class whose
            neurons all begin silent is never learned.
        v_threshold: of every population, where the network is new.

    Raises:
        ValueError: the order matters in this network for another reason than the signs of weights.
    """
    if not isinstance(network, TrainableNetwork):
        balance(network, data, density)
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for (pre, _), layers in zip(network.ends, network.layers):
                if pre in network.neurons:
                    _follow(layers, v_threshold, draw)
    restrict(network)
    why = why_order_matters(network.export())
    require(not why, f"order_free cannot hold in this network: {why}; leave order_free out, or change the network")


def _follow(layers: nn.Module, v_threshold: float, draw: torch.Generator) -> None:
    """Set the weights of a projection's layers; a mean over a window counts as one neuron where one of it fires."""
    windows = [int(np.prod(np.broadcast_to(m.kernel_size, 2))) for m in layers.modules() if isinstance(m, MEANS)]
    for weight in (m.weight for m in layers.modules() if isinstance(m, WEIGHTED)):
        gain = SHARE if weight.shape[0] < weight.shape[1] else ONE
        weight.copy_(following(tuple(weight.shape), draw) * (gain * v_threshold * math.prod(windows)))


def following(shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Weights (out, in, ...) of which 1 lies between a neuron or channel and its own before it, in the middle of a
    kernel, and at most ``OTHERS`` elsewhere.

    >>> following((2, 4), torch.Generator()).round().int().tolist()
    [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    weight = OTHERS * torch.rand(shape, generator=draw)
    n_out, n_in = shape[:2]
    each = torch.arange(max(n_out, n_in))
    weight[(each % n_out, each % n_in, *(size // 2 for size in shape[2:]))] = 1.0
    return weight


def _first(network: SpikingNetwork, stimulus: Samples) -> Tensor:
    """The frames that initial weights are measured on."""
    return batch_of(stimulus, np.arange(min(SAMPLES, stimulus.n_samples))).to(network.device).frames


def _counts(network: SpikingNetwork, frames: Tensor) -> Tensor:
    """(T, B, N) spikes, layered."""
    with torch.no_grad(), as_evaluated(network):
        return network(frames, Schedule("layered")).counts


def _weights(network: SpikingNetwork, name: str) -> list[Tensor]:
    """The last weights of all layers that end in a population."""
    last = []
    for (_, post), layers in zip(network.ends, network.layers):
        if post == name:
            last += [m.weight for m in layers.modules() if isinstance(m, WEIGHTED)][-1:]
    return last


def _scale(network: SpikingNetwork, name: str, gain: float) -> None:
    """Multiply the weights of all layers that end in a population; biases stay."""
    with torch.no_grad():
        for weight in _weights(network, name):
            weight.mul_(gain)
