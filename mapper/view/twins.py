"""Twins: neurons with the same sources and the same targets, joined into chunks without loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Floats, Int32s, Ints
from ir.kernels import kept_on_disk
from mapper.view.hypergraph import Caps, Hypergraph, run_starts

PIECE = 1_000_000  # sources looked at at a time
CHUNKS_A_CORE = (13, 18)  # fewest and most chunks a core is cut into: coarse is fast, fine packs well


@dataclass(frozen=True, eq=False)
class Cells:
    """A network of twin classes ("cells"): every neuron of a cell feeds every neuron of its target cells.

    Attributes:
        cell: (M,) cell of each source: the N neurons, then the inputs.
        n_neurons: N.
        start, target: the cells each cell feeds, as compressed rows.
        rate: (M,) scaled rate of each source.
        memory: (N,) synapse memory of each neuron.
        group: (N,) sharing group of each neuron, -1 = none.
        shared: (G,) memory of each group, once a core.
        overhead: memory of an input axon.
        shapes: of each population, their neurons in the network's order; empty where nobody knows.
        listed: synapses given one by one, in whose lists no shape shows.
        places: (N,) how many neurons of a core each takes; None = one each.
        most: (N,) neurons of each one's population that a core can hold at most; None = as many as of any.
    """

    cell: Int32s
    n_neurons: int
    start: Ints
    target: Int32s
    rate: Ints
    memory: Ints
    group: Int32s | None = None
    shared: Ints | None = None
    overhead: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    listed: int = 0
    places: Ints | None = None
    most: Ints | None = None

    @property
    def taken(self) -> Ints:
        """(N,) ``places``."""
        return np.ones(self.n_neurons, np.int64) if self.places is None else self.places


@dataclass(frozen=True, eq=False)
class Chunked:
    """A hypergraph of chunks and the way back.

    Attributes:
        graph: vertices are chunks of cells.
        vertex: (N,) vertex of each neuron.
    """

    graph: Hypergraph
    vertex: Int32s


def shares_of_core(cells: Cells, caps: Caps) -> Floats:
    """(N,) what share of a core each neuron takes of what it takes most of: room for neurons, or synapse memory."""
    once = 0 if cells.group is None or cells.shared is None else np.append(cells.shared, 0)[cells.group]
    return np.maximum(cells.taken / caps.neurons, cells.memory / np.maximum(caps.memory - once, 1))


def _chunks(cells: Cells, caps: Caps, pieces: tuple[int, int]) -> tuple[Int32s, int, int]:
    """Cut every cell into chunks: (M,) chunk of each source, chunks of neurons, chunks in all."""
    n, m = cells.n_neurons, cells.cell.size
    cost = np.concatenate([np.maximum(shares_of_core(cells, caps), 1.0 / caps.axons), np.zeros(m - n)])
    is_input = np.arange(m) >= n
    group = np.full(m, -1, np.int32)
    if cells.group is not None:
        group[:n] = cells.group
    order = np.lexsort((group, cells.cell, is_input)).astype(np.int32)
    fresh = np.ones(m, bool)
    for key in (cells.cell, group, is_input):
        fresh[1:] &= key[order[1:]] == key[order[:-1]]
    fresh = ~fresh
    fresh[0] = True
    rank = _cut(fresh, _chunk_sizes(cost, pieces)[order])
    chunk = np.empty(m, np.int32)
    chunk[order] = rank
    n_vertices = int(chunk[:n].max()) + 1
    return chunk, n_vertices, int(rank[-1]) + 1


def _chunk_sizes(cost: Array, pieces: tuple[int, int]) -> Ints:
    """Sources in a chunk, for sources that take ``cost`` of a core each: the size whose multiples fill a core best."""
    size = np.ones(cost.size, np.int64)
    for low in range(0, cost.size, PIECE):
        here = slice(low, low + PIECE)
        room = np.minimum(1.0 / np.maximum(cost[here], 1e-9), cost.size).astype(np.int64)
        filled = np.zeros(room.size, np.int64)
        for tried in range(pieces[0], pieces[1] + 1):
            each = room // tried
            better = each * tried > filled
            size[here][better], filled[better] = each[better], (each * tried)[better]
    return size


@kept_on_disk
def _cut(fresh, size):
    """Number the chunks of sorted sources: a new one at each fresh class and where the size is reached."""
    rank = np.empty(size.size, np.int32)
    current, filled = -1, 0
    for i in range(size.size):
        if fresh[i] or filled >= size[i]:
            current += 1
            filled = 0
        filled += 1
        rank[i] = current
    return rank


def chunk_cells(cells: Cells, caps: Caps, pieces: tuple[int, int] = CHUNKS_A_CORE) -> Chunked:
    """Turn cells into a hypergraph of chunks, some ``pieces`` (fewest, most) of which fill a core.

    Any assignment of chunks costs exactly what the same assignment of their neurons costs.
    """
    chunk, n_vertices, n_nets = _chunks(cells, caps, pieces)
    n = cells.n_neurons
    first = np.full(n_nets, -1, np.int64)
    first[chunk[::-1]] = np.arange(cells.cell.size)[::-1]
    cell_of_chunk = cells.cell[first]
    listing, members = rows_by_key(cell_of_chunk[:n_vertices], cells.start.size - 1)
    start, target = expand(cell_of_chunk, cells.start, cells.target, listing, members)
    graph = Hypergraph(
        start,
        target,
        np.where(np.arange(n_nets) < n_vertices, np.arange(n_nets), -1).astype(np.int32),
        _total(chunk, np.maximum(cells.rate, 1), n_nets),
        np.bincount(chunk, minlength=n_nets),
        _total(chunk[:n], cells.taken, n_vertices),
        _total(chunk[:n], cells.memory, n_vertices),
        cells.overhead,
        np.full(n_vertices, -1, np.int32) if cells.group is None else cells.group[first[:n_vertices]],
        np.zeros(0, np.int64) if cells.shared is None else cells.shared,
    )
    return Chunked(graph, chunk[:n].copy())


def _total(key: Array, amount: Array, n: int) -> Ints:
    """Exact integer sums of ``amount`` by key."""
    total = np.zeros(n, np.int64)
    np.add.at(total, key, amount)
    return total


def rows_by_key(key: Array, n: int) -> tuple[Ints, Int32s]:
    """List the positions of each key value as compressed rows."""
    start = run_starts(key, n)
    return start, np.argsort(key, kind="stable").astype(np.int32)


@kept_on_disk
def expand(cell_of_chunk, start, target, listing, members):
    """Pins of every chunk: all chunks of all cells its cell feeds."""
    size = np.zeros(cell_of_chunk.size + 1, np.int64)
    for e in range(cell_of_chunk.size):
        c = cell_of_chunk[e]
        total = 0
        for i in range(start[c], start[c + 1]):
            total += listing[target[i] + 1] - listing[target[i]]
        size[e + 1] = size[e] + total
    pins = np.empty(size[-1], np.int32)
    n = 0
    for e in range(cell_of_chunk.size):
        c = cell_of_chunk[e]
        for i in range(start[c], start[c + 1]):
            for j in range(listing[target[i]], listing[target[i] + 1]):
                pins[n] = members[j]
                n += 1
    return size, pins


def wide_pins(cells: Cells) -> int:
    """Pins of ``wide_graph``."""
    size = np.bincount(cells.cell[: cells.n_neurons], minlength=cells.start.size - 1)
    return int(size[cells.target].sum())


def wide_graph(cells: Cells) -> Hypergraph:
    """Neurons as vertices, one net a source cell: enough to know what fits, with few pins a neuron.

    Its nets have no source vertex; cost with ``km1_of_neurons``.
    """
    n, size = cells.n_neurons, np.bincount(cells.cell, minlength=cells.start.size - 1)
    listing, members = rows_by_key(cells.cell[:n], cells.start.size - 1)
    start, target = expand(np.arange(cells.start.size - 1), cells.start, cells.target, listing, members)
    return Hypergraph(
        start,
        target,
        np.full(size.size, -1, np.int32),
        np.maximum(_total(cells.cell, cells.rate, size.size), 1),
        size,
        cells.taken,
        cells.memory,
        cells.overhead,
        np.full(n, -1, np.int32) if cells.group is None else cells.group,
        np.zeros(0, np.int64) if cells.shared is None else cells.shared,
    )


@kept_on_disk
def km1_of_neurons(cell, rate, core, slot_start, slot_len, slot_block):
    """Rate of every source x cores other than its own that its cell reaches, summed."""
    total = 0
    for i in range(cell.size):
        c = cell[i]
        home = core[i] if i < core.size else -1
        reached = slot_len[c]
        for j in range(slot_start[c], slot_start[c] + slot_len[c]):
            if slot_block[j] == home:
                reached -= 1
        total += rate[i] * reached
    return total
