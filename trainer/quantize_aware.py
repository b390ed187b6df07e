"""Quantization-aware training: the engine runs the chip's integers, gradients pass straight through the rounding."""

from __future__ import annotations

import numpy as np

from exchange.chip_toml import find_chip
from ir.check import check_type
from ir.fixed_point import best_scale
from ir.formats import Formats
from ir.safe_scales import safe_scales
from trainer.grid import FixedGrid
from trainer.network import SpikingNetwork

ROOM_TO_GROW = 0.5
"""The share of what is safe at first that is used where no sum may leave its register: weights grow in training."""


def train_on_grid(network: SpikingNetwork, chip: str, weight_bits: int) -> None:
    """From now on ``network`` runs on a chip's integers; scales are those of its weights now.

    The scale of a population follows its initial weights; weights that grow beyond the format are clipped there.
    """
    check_type("the network", network, SpikingNetwork, "the torch module that trains, a SpikingNetwork")
    formats = Formats.of(find_chip(chip), weight_bits)
    trained = network.export()
    headroom = 1.0 if weight_bits == 8 else 1.5
    scales = {p.name: float(np.float64(best_scale(trained, p.name, formats) / headroom)) for p in trained.populations}
    if any(p.neuron.FEED_FORWARD for p in trained.populations):
        safe = safe_scales(trained, Formats.of(find_chip(chip)))
        scales = {name: min(scale, safe[name] * ROOM_TO_GROW) for name, scale in scales.items()}
    network.quantization = FixedGrid(formats, scales)
