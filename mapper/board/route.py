"""Follow the packets: dimension-ordered (XY) routes, the load of every link, the hottest core and link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from ir.arrays import Array, Floats, Int32s
from ir.chip import Mesh
from ir.mapped import Core
from mapper.board.chips import between_chips
from mapper.view.reach import Reach
from mapper.view.twins import Cells

Flow = Any  # (K, K) scipy.sparse matrix of packets from core to core


@dataclass(frozen=True, eq=False)
class Routes:
    """Traffic on a placed network, in the unit of the flow.

    Attributes:
        packets: packets between different cores. hops_x, hops_y: links they cross.
        packets_in: (K,) packets that arrive at each core from others.
        east, west: (rows, columns - 1) load of the links between columns c and c + 1.
        south, north: (rows - 1, columns) load of the links between rows r and r + 1.
    """

    packets: float
    hops_x: float
    hops_y: float
    packets_in: Floats
    east: Floats
    west: Floats
    south: Floats
    north: Floats

    @property
    def hops(self) -> float:
        """Links crossed by all packets."""
        return self.hops_x + self.hops_y

    @property
    def hops_per_packet(self) -> float:
        return self.hops / self.packets if self.packets else 0.0

    @property
    def hottest_link(self) -> float:
        """Load of the busiest link."""
        return max((float(a.max()) for a in (self.east, self.west, self.south, self.north) if a.size), default=0.0)


def core_packets(cells: Cells, core: Int32s) -> tuple[scipy.sparse.csr_matrix, Floats]:
    """Packets from core to core, (K, K), and from inputs to each core, (K,), of a network given by its twin classes.

    Every source sends its rate to each core that its class reaches.
    """
    n, k = core.size, int(core.max()) + 1
    reach = Reach.of(cells, core, k)
    of_class = np.bincount(cells.cell[n:], cells.rate[n:], minlength=reach.length.size)
    from_inputs = np.bincount(reach.core, np.repeat(of_class, reach.length), minlength=k).astype(np.float64)
    cell = np.repeat(np.arange(reach.length.size), np.diff(reach.held_start))
    size = reach.length[cell]
    inside = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size - reach.start[cell], size)
    sent = np.repeat(reach.rates(cells.cell, cells.rate, core).astype(np.float64), size)
    flow = scipy.sparse.csr_matrix((sent, (np.repeat(reach.held, size), reach.core[inside])), shape=(k, k))
    flow.setdiag(0)
    flow.eliminate_zeros()
    return flow, from_inputs


def core_traffic(cells: Cells, core: Int32s) -> scipy.sparse.csr_matrix:
    """Packets from core to core, (K, K), of a partition of a network given by its twin classes."""
    if int(core.max()) == 0:
        return scipy.sparse.csr_matrix((1, 1))
    return core_packets(cells, core)[0]


def route(flow: Flow, cores: Sequence[Core], mesh: Mesh) -> Routes:
    """Follow the packets of a placed network over its board."""
    chip_row, chip_column = np.divmod(np.array([c.chip for c in cores]), mesh.chips_x)
    column = chip_column * mesh.width + np.array([c.x for c in cores])
    row = chip_row * mesh.height + np.array([c.y for c in cores])
    return trace_routes(flow, column, row)


def route_chips(flow: Flow, cores: Sequence[Core], mesh: Mesh) -> Routes:
    """Follow the packets from chip to chip: chips are the tiles, and their links the board's.

    ``packets`` are those that change chip, ``hops`` how often one leaves a chip, ``hottest_link`` the load of the
    busiest link between two neighbouring chips, one way. Where cores lie on their chips makes no difference, for
    packets go along the row first everywhere.
    """
    chip = np.array([c.chip for c in cores])
    row, column = np.divmod(np.arange(int(chip.max()) + 1), mesh.chips_x)
    return trace_routes(between_chips(flow, chip, row.size), column, row)


def trace_routes(flow: Flow, column: Array, row: Array) -> Routes:
    """Send each flow along its row first, then along its column, and add up the links.

    Args:
        flow: (K, K) packets. column, row: (K,) tile of each core on the board.
    """
    pairs = flow.tocoo()
    real = pairs.row != pairs.col
    a, b, w = pairs.row[real], pairs.col[real], pairs.data[real].astype(np.float64)
    shape = int(row.max()) + 1, int(column.max()) + 1
    east, west = _spans(row[a], column[a], column[b], w, shape)
    south, north = _spans(column[b], row[a], row[b], w, shape[::-1])
    return Routes(
        float(w.sum()),
        float((w * np.abs(column[a] - column[b])).sum()),
        float((w * np.abs(row[a] - row[b])).sum()),
        np.bincount(b, w, minlength=column.size).astype(np.float64),
        east,
        west,
        south.T,
        north.T,
    )


def _spans(line: Array, begin: Array, end: Array, w: Array, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Loads of the links along each line: a flow adds 1 where it enters and takes 1 off where it leaves."""
    loads = []
    for ahead in (begin < end, begin > end):
        low, high = np.minimum(begin, end)[ahead], np.maximum(begin, end)[ahead]
        change = np.zeros(shape)
        np.add.at(change, (line[ahead], low), w[ahead])
        np.add.at(change, (line[ahead], high), -w[ahead])
        loads.append(np.cumsum(change, axis=1)[:, :-1])
    return loads[0], loads[1]
