"""The traffic of a mapped network: packets between its cores, routes, and the links they load most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ir.check import require
from ir.mapped import MappedNetwork
from mapper.board.route import Flow, Routes, core_traffic, route, route_chips
from mapper.rates import RATE_SCALE, scaled
from mapper.view.cells import network_cells


@dataclass(frozen=True, eq=False)
class Traffic:
    """Packets of one time step.

    Attributes:
        flow: (K, K) sparse, packets from core to core.
        routes: the same on the board's links. chips: the same from chip to chip.
    """

    flow: Flow
    routes: Routes
    chips: Routes


@dataclass(frozen=True)
class BoardLink:
    """A directed link between two routers of the board, tile coordinates."""

    x: int
    y: int
    to_x: int
    to_y: int
    load: float


def traffic(mapped: MappedNetwork, rates: ArrayLike | None = None) -> Traffic:
    """Follow the packets of a mapped network.

    Args:
        rates: (N + inputs,) spikes a time step of each neuron, then of each input; None = one each.

    Raises:
        ValueError: the network is not mapped.
    """
    network, chip = mapped.network, mapped.chip
    require(chip is not None, "an unmapped network has no packets; map it first")
    assert chip is not None
    cells = network_cells(network, chip, scaled(rates, network))
    unit = 1
    if rates is not None:  # true rates: sources that are silent send nothing
        cells, unit = (
            replace(cells, rate=np.rint(np.asarray(rates, np.float64) * RATE_SCALE).astype(np.int64)),
            RATE_SCALE,
        )
    flow = core_traffic(cells, mapped.core_of_neuron) / unit
    return Traffic(flow, route(flow, mapped.cores, chip.mesh), route_chips(flow, mapped.cores, chip.mesh))


def links(routes: Routes) -> list[BoardLink]:
    """Every link that carries anything, the most loaded first."""
    found: list[BoardLink] = []
    # load between (column, row) and the next one, for each direction: where it begins and ends beside that place
    directions: list[tuple[Any, tuple[int, int], tuple[int, int]]] = [
        (routes.east, (0, 0), (1, 0)),
        (routes.west, (1, 0), (0, 0)),
        (routes.south, (0, 0), (0, 1)),
        (routes.north, (0, 1), (0, 0)),
    ]
    for load, begin, end in directions:
        for row, column in np.argwhere(load > 0).tolist():
            ends = column + begin[0], row + begin[1], column + end[0], row + end[1]
            found.append(BoardLink(*ends, float(load[row, column])))
    return sorted(found, key=lambda link: -link.load)
