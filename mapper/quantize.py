"""Post-training quantization: choose a scale for each population, then round."""

from __future__ import annotations

import numpy as np

from ir.chip import Chip
from ir.fixed_point import Formats, largest_scale, to_fixed
from ir.network import Network
from ir.quantized import QuantizedNetwork


def quantize(network: Network, chip: Chip, weight_bits: int = 8) -> QuantizedNetwork:
    """Round a trained network to a chip's formats, using the whole range of its weights.

    Args:
        weight_bits: 8, 6, 4 or 2.

    Returns:
        The integers, each population with its scale.
    """
    formats = Formats.of(chip, weight_bits)
    scales = {p.name: largest_scale(network, p.name, formats) for p in network.populations}
    return to_fixed(network, {name: float(np.float64(s)) for name, s in scales.items()}, formats)
