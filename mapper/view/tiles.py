"""Near-twins: tiles of positions x blocks of channels, read off the shapes, and the hypergraph of any such grouping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from ir.kernels import kept_on_disk
from mapper.view.hypergraph import Caps, Hypergraph, run_starts
from mapper.view.twins import Cells, Chunked, shares_of_core

Shape = tuple[int, ...]
CURVE = 16  # bits a side of the curve through the picture


@dataclass(frozen=True)
class Cut:
    """How populations are cut into tiles.

    Attributes:
        pieces: tiles that fill a core, about.
        planes: whether tiles hold few channels at all positions; else all channels at few.
    """

    pieces: int
    planes: bool = False


def positions(shapes: tuple[Shape, ...]) -> Ints:
    """(N,) rank of each neuron in its network by population, y, x, channel; other shapes keep their order."""
    low, ranks = 0, []
    for shape in shapes:
        n = int(np.prod(shape))
        rank = np.arange(n)
        if len(shape) == 3:
            rank = rank.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1).reshape(-1)
        ranks.append(rank + low)
        low += n
    return np.concatenate(ranks)


def regions(shapes: tuple[Shape, ...]) -> Ints:
    """(N,) key of each neuron: regions of the picture, the same in every population, quarter by quarter; others last.

    Runs of neurons in the order of the key hold what lies above one another in all populations (a Morton curve).
    """
    keys: list[Ints] = []
    for shape in shapes:
        if len(shape) != 3:
            keys.append(np.full(int(np.prod(shape)), 1 << 2 * CURVE))
            continue
        channels, height, width = shape
        y, x = np.divmod(np.arange(height * width), width)
        y, x = ((2 * y + 1) << CURVE - 1) // height, ((2 * x + 1) << CURVE - 1) // width
        key = np.zeros(y.size, np.int64)
        for bit in range(CURVE):
            key |= (y >> bit & 1) << 2 * bit + 1 | (x >> bit & 1) << 2 * bit
        keys.append(np.tile(key, channels))
    return np.concatenate(keys)


def tile_graph(cells: Cells, caps: Caps, cut: Cut) -> Chunked:
    """Cut every population into tiles and see these as vertices; without loss for all that keeps tiles whole."""
    return contract(cells, tile_labels(cells, caps, cut))


def tile_labels(cells: Cells, caps: Caps, cut: Cut) -> Int32s:
    """(N,) tile of each neuron, numbered from 0; no tile holds two sharing groups."""
    n = cells.n_neurons
    group = np.full(n, -1, np.int32) if cells.group is None else cells.group
    cost = shares_of_core(cells, caps)
    label, low, used = np.empty(n, np.int64), 0, 0
    for shape in cells.shapes:
        at = slice(low, low + int(np.prod(shape)))
        room = max(1, int(1.0 / (cut.pieces * float(cost[at].mean()))))
        own = _tiles(shape, group[at], room, cut.planes)
        label[at] = np.unique(own, return_inverse=True)[1].reshape(-1) + used
        low, used = at.stop, int(label[at].max()) + 1
    return label.astype(np.int32)


def _tiles(shape: Shape, group: Int32s, room: int, planes: bool) -> Ints:
    """Label the neurons of a population so that a label has about ``room`` of them at most, and one group."""
    n = group.size
    if len(shape) != 3:
        return group.astype(np.int64) * n + np.arange(n) // room
    channels, height, width = shape
    first = group.reshape(channels, -1)[:, 0]
    blocks = np.cumsum(np.append(0, first[1:] != first[:-1]))
    block = int(np.bincount(blocks).max())
    rows = columns = 1
    depth = block if not planes else max(1, min(block, room // (height * width)))
    while depth * (-(-height // rows)) * (-(-width // columns)) > room and rows * columns < height * width:
        if columns >= width or (rows < height and height * columns >= width * rows):
            rows = min(2 * rows, height)
        else:
            columns = min(2 * columns, width)
    depth = max(1, min(depth, room)) if rows * columns >= height * width else depth
    parts = -(-block // depth)
    inside = np.arange(channels) - np.searchsorted(blocks, blocks)
    channel = blocks * parts + inside * parts // block
    place = (np.arange(height) * rows // height)[:, None] * columns + np.arange(width) * columns // width
    label = channel[:, None] * (rows * columns) + place.reshape(-1)
    return group.astype(np.int64) * (int(label.max()) + 1) + label.reshape(-1)


def contract(cells: Cells, label: Int32s) -> Chunked:
    """See groups of neurons as vertices; sources of one group that reach the same groups become one net.

    Args:
        label: (N,) group of each neuron, all of one sharing group.

    Returns:
        A hypergraph in which a partition costs, and needs of every limit, what it does with neurons as vertices.
    """
    n, n_cells, n_labels = cells.n_neurons, cells.start.size - 1, int(label.max()) + 1
    held = np.unique(cells.cell[:n].astype(np.int64) * n_labels + label)
    listing = run_starts(held // n_labels, n_cells)
    mix = np.random.default_rng(0).integers(1, 1 << 63, (2, n_labels), np.uint64)
    start, pins, name = reached_labels(cells.start, cells.target, listing, (held % n_labels).astype(np.int32), mix)
    row = np.repeat(np.arange(n_cells), np.diff(start))
    pins = (np.sort(row * n_labels + pins) % n_labels).astype(np.int32)
    _, first, kind = np.unique(name, axis=0, return_index=True, return_inverse=True)
    source = np.concatenate([label, np.full(cells.cell.size - n, -1)]).astype(np.int64)
    key = (source + 1) * first.size + kind.reshape(-1)[cells.cell]
    key, net = np.unique(key, return_inverse=True)
    of_net = first[key % first.size]
    size = np.diff(start)[of_net]
    some = size > 0
    rate = np.bincount(net, np.maximum(cells.rate, 1), minlength=key.size).astype(np.int64)
    axons = np.bincount(net, minlength=key.size)
    begin = np.concatenate([[0], np.cumsum(size[some])])
    inside = np.arange(int(begin[-1])) - np.repeat(begin[:-1], size[some])
    member = np.full(n_labels, -1, np.int64)
    member[label] = np.arange(n)
    graph = Hypergraph(
        begin,
        pins[np.repeat(start[of_net[some]], size[some]) + inside],
        (key // first.size - 1)[some].astype(np.int32),
        rate[some],
        axons[some],
        np.bincount(label, cells.taken, minlength=n_labels).astype(np.int64),
        np.bincount(label, cells.memory, minlength=n_labels).astype(np.int64),
        cells.overhead,
        np.full(n_labels, -1, np.int32) if cells.group is None else cells.group[member],
        np.zeros(0, np.int64) if cells.shared is None else cells.shared,
    )
    return Chunked(graph, label)


@kept_on_disk
def reached_labels(start, target, listing, held, mix):
    """Distinct labels each cell feeds, as compressed rows, and a name (C, 2) that equal rows share.

    Args:
        listing, held: labels of each cell, as compressed rows.
        mix: (2, labels) random numbers, whose sums are the names.
    """
    n = start.size - 1
    first = np.zeros(n + 1, np.int64)
    pins = np.empty(1024, np.int32)
    name = np.zeros((n, 2), np.uint64)
    stamp = np.full(mix.shape[1], -1, np.int64)
    used = 0
    for c in range(n):
        for i in range(start[c], start[c + 1]):
            for j in range(listing[target[i]], listing[target[i] + 1]):
                t = held[j]
                if stamp[t] == c:
                    continue
                stamp[t] = c
                if used == pins.size:
                    wider = np.empty(2 * used, np.int32)
                    wider[:used] = pins
                    pins = wider
                pins[used] = t
                used += 1
                name[c, 0] += mix[0, t]
                name[c, 1] += mix[1, t]
        first[c + 1] = used
    return first, pins[:used].copy(), name
