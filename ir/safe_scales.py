"""Scales at which no input carries a sum over a register's edge."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.envelope import worst_case
from ir.fixed_point import largest_scale, to_fixed
from ir.formats import Formats
from ir.network import Network
from ir.quantized import QuantizedNetwork

ROUNDING_ROOM = 0.97
"""The share of a register's range that is used: weights that round up take the rest."""


def safe_scales(network: Network, formats: Formats, frames: NDArray[Any] | None = None) -> dict[str, float]:
    """For each population the scale above which some input could carry a sum over a register's edge.

    Read at a scale that clips no weight, where sums grow with the scale.

    Args:
        formats: the chip's own, at their full width.
        frames: (T, B, N_in) all the input there will be; None = any whose counts are 0 or 1.
    """
    scales = {p.name: largest_scale(network, p.name, formats) for p in network.populations}
    unclipped, arithmetic = to_fixed(network, scales, formats), ARITHMETICS[formats.arithmetic]
    return {
        name: scale * headroom(unclipped, name, arithmetic, frames) * ROUNDING_ROOM for name, scale in scales.items()
    }


def headroom(network: QuantizedNetwork, name: str, arithmetic: Arithmetic, frames: NDArray[Any] | None = None) -> float:
    """By what factor everything that drives a population could grow (``ir.envelope.WorstCase``).

    Neurons that a chip must hold whatever comes (``FEED_FORWARD``) are safe from any spikes, not from ``frames`` alone.
    """
    found = worst_case(network, name, arithmetic, frames=frames).headroom
    neuron = next(p.neuron for p in network.populations if p.name == name)
    if frames is None or not neuron.FEED_FORWARD:
        return found
    return min(found, worst_case(network, name, arithmetic).headroom)
