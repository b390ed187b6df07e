"""Training networks that no order changes (``ir.order_free``): weights between populations never fall below 0."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ir.check import require
from ir.order_free import why_order_matters
from trainer.data import Samples
from trainer.initial import balance
from trainer.linear_map import weights_in
from trainer.network import SpikingNetwork
from trainer.trainable import TrainableNetwork

DENSITY = 0.1
"""Spikes a neuron and time step with which an order-free network begins, where the configuration names no other."""

MEANS = (nn.AvgPool1d, nn.AvgPool2d)

FOLLOWED = 1.2
"""Of the threshold: what those neurons bring together where training begins that are enough to make one fire."""

OTHERS, FEW = 0.01, 64
"""Of the weight from a neuron that is followed: the most that any other begins with, less by the number of others
where these are more than ``FEW``."""


def weights_between(network: SpikingNetwork) -> list[Tensor]:
    """The weights of all projections from a population into a population; they share their numbers with the network."""
    if isinstance(network, TrainableNetwork):
        names = {p.name for p in network.frozen.populations}
        return [w for e, w in zip(network.frozen.projections, network.weights) if e.pre in names]
    ends = zip(network.ends, network.layers)
    return [weight for (pre, _), layers in ends if pre in network.neurons for weight in weights_in(layers)]


def restrict(network: SpikingNetwork) -> None:
    """Lift every weight between populations that has fallen below 0 to 0."""
    with torch.no_grad():
        for weight in weights_between(network):
            weight.clamp_(min=0.0)


def begin(network: SpikingNetwork, data: Samples, density: float, v_threshold: float, seed: int) -> None:
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
                    _follow(layers, v_threshold, density, draw)
    restrict(network)
    why = why_order_matters(network.export())
    require(not why, f"order_free cannot hold in this network: {why}; leave order_free out, or change the network")


def _follow(layers: nn.Module, v_threshold: float, density: float, draw: torch.Generator) -> None:
    """Set the weights of a projection's layers; a mean over a window counts as one neuron where one of it fires."""
    windows = [int(np.prod(np.broadcast_to(m.kernel_size, 2))) for m in layers.modules() if isinstance(m, MEANS)]
    for weight in weights_in(layers):
        gain = FOLLOWED * v_threshold * math.prod(windows) / enough(weight.shape[1] / weight.shape[0], density)
        weight.copy_(following(tuple(weight.shape), draw) * gain)


def enough(followed: float, density: float) -> int:
    """So many of the neurons that one follows make it fire: one alone does; of more somewhat more than fire on average,
    by half a standard deviation of their number.

    >>> [enough(n, 0.1) for n in (0.5, 1, 6.4, 51.2, 820)]
    [1, 1, 2, 7, 88]
    """
    if followed <= 1:
        return 1
    mean = followed * density
    return 1 + round(mean + math.sqrt(mean) / 2)


def following(shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Weights (out, in, ...) of which 1 lies between a neuron or channel and its own before it, in the middle of a
    kernel, and at most ``OTHERS`` elsewhere.

    >>> following((2, 4), torch.Generator()).round().int().tolist()
    [[1, 0, 1, 0], [0, 1, 0, 1]]
    """
    n_out, n_in = shape[:2]
    weight = OTHERS * min(1.0, FEW / math.prod(shape[1:])) * torch.rand(shape, generator=draw)
    each = torch.arange(max(n_out, n_in))
    weight[(each % n_out, each % n_in, *(size // 2 for size in shape[2:]))] = 1.0
    return weight
