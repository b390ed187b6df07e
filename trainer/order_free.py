"""Training networks that no order changes (``ir.order_free``): weights between populations never fall below 0."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.linear_map import WEIGHTED
from trainer.network import SpikingNetwork
from trainer.trainable import TrainableNetwork


def weights_between(network: SpikingNetwork) -> list[Tensor]:
    """The weights of all projections from a population into a population; they share their numbers with the network."""
    if isinstance(network, TrainableNetwork):
        names = {p.name for p in network.frozen.populations}
        return [w for e, w in zip(network.frozen.projections, network.weights) if e.pre in names]
    own = [layers for (pre, _), layers in zip(network.ends, network.layers) if pre in network.neurons]
    return [m.weight for layers in own for m in layers.modules() if isinstance(m, WEIGHTED)]


def restrict(network: SpikingNetwork) -> None:
    """Lift every weight between populations that has fallen below 0 to 0."""
    with torch.no_grad():
        for weight in weights_between(network):
            weight.clamp_(min=0.0)
