"""Sigma-delta neurons: Lava has processes of its own for them, and runs them under the layered schedule."""

from __future__ import annotations

from typing import cast

from ir.neurons import FixedSigmaDelta
from ir.quantized import FixedPopulation


def stock_refusal(population: FixedPopulation) -> str | None:
    """Why Lava's ``SigmaDelta``, ``Delta`` and ``Sigma`` cannot hold a population's neurons."""
    neuron = cast(FixedSigmaDelta, population.neuron)
    who = f"population {population.name!r}"
    if not neuron.fires and (neuron.bias is not None or neuron.rectifies or not neuron.sums):
        return f"{who} never fires, and Lava's Sigma is a bare sum; give it a threshold, or run on the reference"
    if not neuron.sums and neuron.rectifies:
        return f"{who} rectifies what it does not sum, which Lava's Delta does not; run on the reference"
    return None
