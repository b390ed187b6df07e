"""Anneal a partition at full cores, whose limits are kept by prices.

Where cores are nearly full, single moves under a fixed penalty freeze long before the network has found its shape.
Here each core has prices for its neurons, memory and axons (an augmented Lagrangian), which settle where the core is
just full; a move then costs what it costs the traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Event

import numpy as np

from ir.arrays import Array, Int32s
from mapper.search.gains import axons_held, build_cores, build_tables, fill_company, look
from mapper.view.hypergraph import Caps, Hypergraph

SOFT, FIRM = 0.1, 6.0  # heats that one neuron too many costs besides its core's price: while cooling, at last
EAGER = 2.0  # mean rates that the price of an axon rises while a core's axons exceed the limit by all of it
LATE = 0.45  # heat from which on axons have a price: above it everything is spread too wide to tell
FULL = 0.999, 0.996, 0.993, 0.99  # share of the axon limit that prices keep; a smaller one where a larger does not fit
SETTLE = 60  # steps at the last heat in which limits grow firm


@dataclass(frozen=True)
class Cooling:
    """How heat falls, in mean net rates.

    Attributes:
        hot, cold: first and last heat; geometric between.
        steps: number of heats. passes: looks at each vertex on average, a heat.
    """

    hot: float
    cold: float
    steps: int
    passes: int


@dataclass(frozen=True, eq=False)
class Annealed:
    """Where an annealing ended.

    Attributes:
        block: (V,) core of each vertex.
        km1: packets that leave their core. fits: whether every limit is kept.
        load: of the scarcest resource, what all cores hold over what they may.
    """

    block: Int32s
    km1: float
    fits: bool
    load: float


def anneal(
    graph: Hypergraph, block: Int32s, caps: Caps, cooling: Cooling, seed: int, stop: Event | None = None
) -> Annealed:
    """Cool a partition into ``block.max() + 1`` cores from ``cooling.hot``; see the module.

    Args:
        stop: ends the run at its next step; Ctrl-C reaches the main thread only.

    Returns:
        The cheapest state seen at the last heat that keeps every limit; where none did, the last one.

    Raises:
        KeyboardInterrupt: ``stop`` is set.
    """
    return _Annealing(graph, block, caps, seed, stop or Event()).run(cooling)


class _Annealing:
    """One run: tables, prices and the best state so far."""

    def __init__(self, graph: Hypergraph, block: Int32s, caps: Caps, seed: int, stop: Event) -> None:
        self.graph, self.caps, self.stop = graph, caps, stop
        self.block = np.array(block, np.int32)
        k = int(block.max()) + 1
        self.tables, self.own = build_tables(graph, self.block, k)
        self.cores = build_cores(graph, self.block, k, caps)
        self.unit = float(graph.rate.mean()) if graph.n_nets else 1.0
        self.random, self.rest = np.array([seed], np.uint64), np.zeros(self.block.size, np.int32)
        self.held = np.zeros(k)
        self.axon_price = np.zeros(k)
        self.one = max(float(self.cores.share.mean(0).max()), 1e-9)

    def run(self, cooling: Cooling) -> Annealed:
        """Cool, then hold the last heat while limits grow firm."""
        best = None
        for i, heat in enumerate(np.geomspace(cooling.hot, cooling.cold, cooling.steps)):
            self._step(cooling.passes, heat, SOFT)
            if i % 10 == 0 and heat < LATE:
                self._price_axons(FULL[0])
        for full in FULL:
            for firm in np.geomspace(SOFT, FIRM, SETTLE):
                self._step(4 * cooling.passes, cooling.cold, firm)
                self._price_axons(full)
                state = self._state()
                if state.fits and (best is None or state.km1 < best.km1):
                    best = replace(state, block=state.block.copy())
            if best:
                return best
        return self._state()

    def _step(self, n_passes: int, heat: float, firm: float) -> None:
        """Look at each vertex ``n_passes`` times on average, then let prices follow what cores hold."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        stiff, n = 2.0 * firm * heat * self.unit / self.one**2, n_passes * self.block.size
        look(n, heat * self.unit, stiff, self.block, self.tables, self.cores, self.rest, self.random)
        axons_held(self.graph.source, self.own, self.tables, self.block, self.held)
        price = self.cores.price + min(0.5, 0.05 / firm) * stiff * (self._use() - 1.0)
        self.cores.price[:] = np.where(self.cores.share.any(0), np.maximum(price, 0.0), 0.0)

    def _use(self) -> Array:
        """(K, 2) neurons and memory, that of axons included."""
        axons = np.stack([np.zeros_like(self.held), self.held * (self.graph.overhead / self.caps.memory)], 1)
        return self.cores.use + axons

    def _price_axons(self, full: float) -> None:
        """Let the price of axons follow the cores that hold too many, and add that of their memory."""
        over = np.minimum(self.held / self.caps.axons - full, 0.02)
        self.axon_price = np.maximum(self.axon_price + EAGER * self.unit * over, 0.0)
        new = self.axon_price + self.cores.price[:, 1] * (self.graph.overhead / self.caps.memory)
        if (new != self.tables.axon_price).any():
            self.tables.axon_price[:] = new
            fill_company(self.block, self.tables)

    def _state(self) -> Annealed:
        """Cost and loads as they are."""
        km1 = float(self.tables.rate @ ((self.tables.pins > 0).sum(1) - (self.graph.source >= 0)))
        load = np.column_stack([self._use(), self.held / self.caps.axons])
        return Annealed(self.block, km1, bool(load.max() <= 1.0 + 1e-9), float(load.mean(0).max()))
