"""Floats on their way to integers: a scale for each population, and the weights that were rounded with care."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS
from ir.arrays import Array
from ir.connection import with_weight
from ir.fixed_point import Scales, to_fixed
from ir.formats import Formats
from ir.network import Network, Population
from ir.neurons import Neuron
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from ir.safe_scales import ROUNDING_ROOM, headroom
from mapper.rounding.population import Rows, Weights


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network with all that decides its integers.

    Attributes:
        network: floats, thresholds and decays as chosen so far.
        weights: of projections that do not round to the nearest.
    """

    network: Network
    scales: Scales
    weights: Weights = field(default_factory=dict)

    def fixed(self, formats: Formats) -> QuantizedNetwork:
        """Its integers."""
        made = to_fixed(self.network, self.scales, formats)
        projections = tuple(
            replace(e, connection=with_weight(e.connection, self.weights[i])) if i in self.weights else e
            for i, e in enumerate(made.projections)
        )
        return replace(made, projections=projections)

    def with_neuron(self, name: str, neuron: Neuron) -> Candidate:
        """The same with other neurons in a population."""
        populations = tuple(replace(p, neuron=neuron) if p.name == name else p for p in self.network.populations)
        return replace(self, network=replace(self.network, populations=populations))

    def with_rows_of(self, others: list[Candidate], best: Array) -> Candidate:
        """The same with the weights of neuron ``k`` taken from ``others[best[k]]``; those of a kernel have one best."""
        made = dict(self.weights)
        for i, weight in self.weights.items():
            if any(other.weights[i] is not weight for other in others):
                made[i] = np.stack([others[n].weights[i][k] for k, n in enumerate(best[:: len(best) // len(weight)])])
        return replace(self, weights=made)


def population(network: Network, name: str) -> Population:
    """A population by its name."""
    return next(p for p in network.populations if p.name == name)


def inside(
    candidate: Candidate, name: str, formats: Formats, frames: NDArray[Any] | None, rows: Rows | None = None
) -> Candidate:
    """The candidate with the weights into a population rounded, at a scale made smaller where weights that round up
    carry a sum over a register's edge."""
    arithmetic = ARITHMETICS[formats.arithmetic]
    if name in pooling(candidate.network):
        return candidate  # its weights stay 1
    while True:
        scale = candidate.scales[name]
        if rows is not None:
            candidate = replace(candidate, weights={**candidate.weights, **rows.rounded(scale, formats.weight)})
        room = headroom(candidate.fixed(formats), name, arithmetic, frames)
        if room > 1:
            return candidate
        candidate = replace(candidate, scales={**candidate.scales, name: scale * room * ROUNDING_ROOM})
