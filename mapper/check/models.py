"""Neuron models that not every chip has, or that a chip holds within ranges alone."""

from __future__ import annotations

from ir.arithmetic import ARITHMETICS
from ir.check import require
from ir.chip import Chip
from ir.envelope import worst_case
from ir.quantized import QuantizedNetwork


def check_models(network: QuantizedNetwork, chip: Chip) -> None:
    """Raise where a chip has no such neurons, or where some input of 0 and 1 would carry their sums over an edge.

    Raises:
        ValueError: the population, the reason, and the way out.
    """
    for p in network.populations:
        reason = p.neuron.chip_refusal(chip)
        require(reason is None, f"population {p.name!r} {reason}")
        if not p.neuron.FEED_FORWARD:
            continue
        worst = worst_case(network, p.name, ARITHMETICS[network.arithmetic])
        reached = max(worst.accumulator / worst.accumulator_edge, worst.current / worst.current_edge)
        require(
            worst.headroom > 1,
            f"population {p.name!r}: some input of 0 and 1 brings its buckets to {reached:.2f} times what their "
            "registers hold; quantize it with a smaller scale, use smaller weights or bucket weights, or a shorter "
            "first time constant",
        )
