"""A quantized network as twin classes, read off its layers: no convolution is expanded channel by channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ir.arrays import Int32s, Ints
from ir.chip import Chip
from ir.connection import Connection, Conv2d, Dense, Sparse, source_lists
from ir.quantized import QuantizedNetwork
from mapper.memory.bounds import Need, memory_need
from mapper.view.hypergraph import run_starts
from mapper.view.twins import Cells, expand, rows_by_key

LARGEST = 1 << 62  # number that a combination of labels may have


def one_channel(c: Conv2d) -> Conv2d:
    """The same windows with one channel a group in and out."""
    side = c.in_shape[1:]
    weight = np.zeros((c.groups, 1, *c.weight.shape[2:]), np.int32)
    return Conv2d(weight, (c.groups, *side), c.stride, c.padding, c.dilation, c.groups)


def source_labels(c: Connection) -> Int32s:
    """(n_pre,) label of each source: equal labels have equal targets."""
    if isinstance(c, Dense):
        return np.zeros(c.n_pre, np.int32)
    if isinstance(c, Conv2d):
        place = c.in_shape[1] * c.in_shape[2]
        return _place_labels(c.n_pre, place, c.in_shape[0] // c.groups)
    return np.arange(c.n_pre, dtype=np.int32)


def target_labels(c: Connection) -> Int32s:
    """(n_post,) label of each target: equal labels have equal sources."""
    if isinstance(c, Dense):
        return np.zeros(c.n_post, np.int32)
    if isinstance(c, Conv2d):
        place = c.out_shape[1] * c.out_shape[2]
        return _place_labels(c.n_post, place, c.out_shape[0] // c.groups)
    return np.arange(c.n_post, dtype=np.int32)


def _place_labels(n: int, places: int, channels: int) -> Int32s:
    """Number (group, position), for ``channels`` channels a group."""
    channel, place = np.divmod(np.arange(n), places)
    return (channel // channels * places + place).astype(np.int32)


def label_rows(c: Connection) -> tuple[Ints, Int32s]:
    """Target labels of each source label, as compressed rows."""
    if isinstance(c, Dense):
        return np.array([0, 1], np.int64), np.zeros(1, np.int32)
    lists = source_lists(one_channel(c) if isinstance(c, Conv2d) else c)
    return np.asarray(lists.indptr, np.int64), lists.post


def _block_cells(network: QuantizedNetwork, name: str, n: int) -> Int32s:
    """(n,) cell of each member of a block, numbered from 0 in order of first appearance."""
    key, most = np.zeros(n, np.int64), 1
    labels = [source_labels(e.connection) for e in network.projections if e.pre == name]
    labels += [target_labels(e.connection) for e in network.projections if e.post == name]
    for label in labels:
        many = int(label.max()) + 1
        if most * many > LARGEST:
            key = np.unique(key, return_inverse=True)[1].reshape(-1)
            most = int(key.max()) + 1
        key, most = key * many + label, most * many
    _, first, cell = np.unique(key, return_index=True, return_inverse=True)
    order = np.empty(first.size, np.int32)
    order[np.argsort(first, kind="stable")] = np.arange(first.size)
    return order[cell.reshape(-1)]


def network_cells(network: QuantizedNetwork, chip: Chip, rate: Ints) -> Cells:
    """Read twin classes and who feeds whom off the layers.

    Args:
        rate: (N + inputs,) scaled spike rate of each source, at least 1.

    Returns:
        Cells whose memory, in bits, is an upper bound that adds up (``mapper.memory.bounds``).
    """
    blocks = (*network.populations, *network.inputs)
    own = {b.name: _block_cells(network, b.name, b.n) for b in blocks}
    offsets = np.cumsum([0, *(int(own[b.name].max()) + 1 for b in blocks)])
    low = {b.name: int(o) for b, o in zip(blocks, offsets)}
    parts = [_cell_edges(e.connection, own[e.pre], own[e.post], low[e.pre], low[e.post]) for e in network.projections]
    n_cells = int(offsets[-1])
    key = np.unique(np.concatenate([pre * n_cells + post for pre, post in parts] or [np.zeros(0, np.int64)]))
    pre, post = np.divmod(key, n_cells)
    start = run_starts(pre, n_cells)
    cell = np.concatenate([own[b.name] + low[b.name] for b in blocks]).astype(np.int32)
    need = memory_need(network, chip)
    cells = Cells(
        cell,
        network.n_neurons,
        start,
        post.astype(np.int32),
        rate,
        need.memory,
        need.group,
        need.shared,
        need.overhead,
        tuple(p.shape for p in network.populations),
        sum(e.connection.weight.size for e in network.projections if isinstance(e.connection, Sparse)),
        neuron_places(network),
        need.most,
    )
    return _solitary(cells, need, chip)


def neuron_places(network: QuantizedNetwork) -> Ints:
    """(N,) how many neurons of a core each takes."""
    sizes = [p.n for p in network.populations]
    return np.repeat(np.array([p.neuron.places for p in network.populations], np.int64), sizes)


def source_counts(cells: Cells) -> Ints:
    """(N,) sources of each neuron."""
    size = np.bincount(cells.cell, minlength=cells.start.size - 1)
    sources = np.bincount(cells.target, np.repeat(size, np.diff(cells.start)), minlength=size.size)
    return sources.astype(np.int64)[cells.cell[: cells.n_neurons]]


def _solitary(cells: Cells, need: Need, chip: Chip) -> Cells:
    """Give a core of their own to neurons that fit one exactly though not by the bound."""
    assert cells.group is not None and cells.shared is not None
    words = chip.limits.max_synapse_words
    room = (words + 1) * chip.limits.synapse_word_bits - 1
    once = np.concatenate([cells.shared, [0]])[cells.group]
    lists = cells.overhead * source_counts(cells)
    alone = (cells.memory + lists + once > room) & (need.alone <= words)
    if not alone.any():
        return cells
    memory = np.where(alone, np.maximum(room - lists, 1), cells.memory)
    return replace(cells, memory=memory, group=np.where(alone, -1, cells.group).astype(np.int32))


def _cell_edges(c: Connection, pre: Int32s, post: Int32s, low_pre: int, low_post: int) -> tuple[Ints, Ints]:
    """Pairs of cells that a connection joins, in global cell numbers."""
    first_pre, first_post = (np.unique(cell, return_index=True)[1] for cell in (pre, post))
    label_of_pre, label_of_post = source_labels(c)[first_pre], target_labels(c)[first_post]
    start, target = label_rows(c)
    n_labels = int(target_labels(c).max()) + 1
    listing, members = rows_by_key(label_of_post, n_labels)
    size, pins = expand(label_of_pre, start, target, listing, members)
    source = np.repeat(np.arange(label_of_pre.size, dtype=np.int64), np.diff(size))
    return source + low_pre, pins.astype(np.int64) + low_post
