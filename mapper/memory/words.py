"""Recount synapse memory: the words that the synapses on each core take, exactly, from a finished assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Array, Ints
from ir.chip import Chip
from ir.connection import Conv2d, Dense, Sparse
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from mapper.memory.layout import Words, layout, list_words, taps
from mapper.windows import FEW, synapses_by_core, window_lists


def synapse_words(network: QuantizedNetwork, chip: Chip, core_of_neuron: Array) -> Ints:
    """(K,) words of synapse memory that each core needs.

    Every projection has lists of its own; a shared kernel holds the taps and output channels its core uses.
    """
    core = np.asarray(core_of_neuron, np.int64)
    k, at, form = int(core.max()) + 1, slices(network.populations), list_words(chip)
    total = np.zeros(k, np.int64)
    for e in network.projections:
        way, where, c = layout(e, chip), core[at[e.post]], e.connection
        if way.kernel and isinstance(c, Conv2d):
            total += kernel_words(c, where, k, form, way.bits)
        elif isinstance(c, Dense):
            total += _dense_words(c, where, k, form, way.bits, way.zeros)
        else:
            total += _list_words(c, where, k, form, way.bits, way.zeros)
    return total


def _dense_words(c: Dense, core: Ints, k: int, form: Words, bits: int, zeros: bool) -> Ints:
    """Words of the lists of a dense layer."""
    words = np.zeros(k, np.int64)
    used, neurons = np.unique(core, return_counts=True)
    if zeros:
        words[used] = c.n_pre * form.of_list(neurons, bits)
        return words
    for b in used:
        held = np.count_nonzero(c.weight[core == b], axis=0)
        words[b] = int(form.of_list(held, bits).sum())
    return words


def _list_words(c: Conv2d | Sparse, core: Ints, k: int, form: Words, bits: int, zeros: bool) -> Ints:
    """Words of the lists of a projection: a convolution's by windows, others core by core."""
    if isinstance(c, Conv2d):
        where, held = window_lists(c, core, k)
        return np.bincount(where, form.of_list(held, bits), minlength=k).astype(np.int64) * int(c.weight.shape[1])
    words = np.zeros(k, np.int64)
    for b, synapse in synapses_by_core(c, core, k):
        source = c.indices[synapse if zeros else synapse[c.weight[synapse] != 0]]
        few = FEW * source.size < c.n_pre
        held = np.unique(source, return_counts=True)[1] if few else np.bincount(source)
        words[b] = int(form.of_list(held, bits).sum())
    return words


def kernel_words(c: Conv2d, core: Ints, k: int, form: Words, bits: int) -> Ints:
    """Words of a shared kernel: for each input channel and tap in use a list of the output channels on the core."""
    n_out, height, width = c.out_shape
    taps_y, taps_x = taps(c, 0), taps(c, 1)
    kind_y, masks_y = _kinds(taps_y)
    kind_x, masks_x = _kinds(taps_x)
    kinds = len(masks_y) * len(masks_x)
    kind = (kind_y[:, None] * len(masks_x) + kind_x).reshape(-1)
    masks = (masks_y[:, None, :, None] & masks_x[None, :, None, :]).reshape(kinds, -1)
    channel = np.repeat(np.arange(n_out), height * width)
    group = channel // (n_out // c.groups)
    held = np.unique(core * n_out + channel)
    channels = np.bincount((held // n_out) * c.groups + (held % n_out) // (n_out // c.groups), minlength=k * c.groups)
    present = np.zeros((k * c.groups, kinds), np.bool_)
    present[core * c.groups + group, np.tile(kind, n_out)] = True
    in_use = (present.astype(np.int64) @ masks.astype(np.int64) > 0).sum(1)
    lists = in_use * int(c.weight.shape[1])
    return (lists * form.of_list(channels, bits)).reshape(k, c.groups).sum(1)


def _kinds(inside: NDArray[np.bool_]) -> tuple[Ints, NDArray[np.bool_]]:
    """Positions with equal taps: (positions,) kind, (kinds, kernel) taps."""
    masks, kind = np.unique(inside, axis=0, return_inverse=True)
    return kind.reshape(-1).astype(np.int64), masks
