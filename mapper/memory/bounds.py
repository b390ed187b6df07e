"""Upper bounds of synapse memory that add up over the neurons of a core: what the search counts with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from ir.chip import Chip
from ir.connection import Connection, Conv2d, Dense
from ir.graph import slices
from ir.quantized import FixedProjection, QuantizedNetwork
from mapper.memory.layout import MemoryLayout, Words, layout, list_words, taps

WORTH = 1.3  # times more neurons a core for which a dense layer is bounded as a whole
ROOMY = 4  # a kernel larger than half a core is cut into blocks of channels that take at most a fourth each


@dataclass(frozen=True, eq=False)
class Need:
    """Upper bounds of synapse memory, in bits: on any core that fits, they add up to at least what its synapses take.

    Attributes:
        memory: (N,) of each neuron.
        overhead: of each input axon.
        group: (N,) sharing group, -1 = none.
        shared: (G,) once for each core that holds any neuron of the group: kernels, and the lists of dense layers.
        alone: (N,) words of each neuron on a core of its own, exactly.
    """

    memory: Ints
    overhead: int
    group: Int32s
    shared: Ints
    alone: Ints


def fan_in(c: Connection, zeros: bool = True) -> Ints:
    """(n_post,) synapses of each target.

    Args:
        zeros: count zero weights too.
    """
    if isinstance(c, Dense):
        return np.full(c.n_post, c.n_pre, np.int64) if zeros else np.count_nonzero(c.weight, axis=1).astype(np.int64)
    if isinstance(c, Conv2d):
        inside = np.outer(taps(c, 0).sum(1), taps(c, 1).sum(1)).reshape(-1)
        return np.tile(inside, c.weight.shape[0]).astype(np.int64) * int(c.weight.shape[1])
    if zeros:
        return np.diff(c.indptr)
    held = np.concatenate([[0], np.cumsum(c.weight != 0, dtype=np.int64)])
    return np.diff(held[c.indptr])


def synapse_counts(network: QuantizedNetwork) -> Ints:
    """(N,) synapses that arrive at each neuron, zero weights included."""
    at, count = slices(network.populations), np.zeros(network.n_neurons, np.int64)
    for e in network.projections:
        count[at[e.post]] += fan_in(e.connection)
    return count


def memory_need(network: QuantizedNetwork, chip: Chip) -> Need:
    """Bound the synapse memory of every neuron, axon and population of ``network`` on ``chip``."""
    form, at, n = list_words(chip), slices(network.populations), network.n_neurons
    memory, alone, group = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, -1, np.int32)
    shared: list[int] = []
    lists_of: dict[str, int] = {}
    most = _list_room(network, chip)
    at_each: dict[str, list[tuple[FixedProjection, MemoryLayout]]] = {p.name: [] for p in network.populations}
    for e in network.projections:
        at_each[e.post].append((e, layout(e, chip)))
    for p in network.populations:
        arriving = at_each[p.name]
        here = slice(at[p.name].start, at[p.name].stop)
        once = 0
        for e, way in arriving:
            alone[here] += fan_in(e.connection, way.zeros) * int(form.of_list(1, way.bits))
            if isinstance(e.connection, Dense):
                per_neuron, per_core = _dense_need(e.connection, way, form, chip.limits.max_synapse_words)
                memory[here] += per_neuron
                once += per_core
            elif not way.kernel:
                synapse, per_list = form.bound(way.bits, most)
                single = _single_targets(e.connection)
                memory[here] += fan_in(e.connection, way.zeros) * (synapse + single * per_list)
                lists_of[e.pre] = lists_of.get(e.pre, 0) + (0 if single else per_list)
        blocks, amounts = _shared(arriving, form, chip.limits.max_synapse_words, once)
        if max(amounts) > 0:
            group[here] = blocks + len(shared)
            shared += amounts
    return Need(memory, max(lists_of.values(), default=0), group, np.array(shared, np.int64), alone)


def _dense_need(c: Dense, way: MemoryLayout, form: Words, room: int) -> tuple[Ints, int]:
    """Bound a dense layer: (n,) bits for each neuron, and bits charged once for each core.

    There are two bounds, and the one that fits more neurons on a core is used. The first holds for lists of any
    length. The second also counts zero weights; it is tight on a full core, but the first neuron alone is charged most
    of one, so it must win clearly.
    """
    synapse, per_list = form.bound(way.bits)
    any_length, once = fan_in(c, way.zeros) * synapse, per_list * c.n_pre
    neuron, core, fits = form.equal_lists(way.bits, c.n_pre, room, c.n_post)
    held = (room * form.word - once) // max(float(any_length.mean()), 1e-9)
    if fits >= WORTH * held or fits == c.n_post > held:
        return np.full(c.n_post, neuron, np.int64), core
    return any_length, once


def _list_room(network: QuantizedNetwork, chip: Chip) -> int:
    """The most bits an axon may be charged, so that the axons of any one neuron still fit a core."""
    leaving = max(Counter(e.pre for e in network.projections).values(), default=1)
    axons = max(int(synapse_counts(network).max()), 1)
    return (chip.limits.max_synapse_words * chip.limits.synapse_word_bits - 1) // (axons * leaving)


def _single_targets(c: Connection) -> bool:
    """Whether every source has one target at most: then each synapse is a list."""
    return not isinstance(c, (Dense, Conv2d)) and int(np.bincount(c.indices, minlength=1).max()) <= 1


def _shared(
    arriving: list[tuple[FixedProjection, MemoryLayout]], form: Words, room: int, lists: int
) -> tuple[Int32s, list[int]]:
    """Cut a population into blocks whose kernels fit a core well.

    Args:
        arriving: its projections. room: words of a core. lists: bits of dense layers' lists once a core.

    Returns:
        (n,) block of each neuron, and the bits each block takes once a core.
    """
    if not arriving:
        return np.zeros(1, np.int32), [0]
    kernels = [(e.connection, way.bits) for e, way in arriving if way.kernel and isinstance(e.connection, Conv2d)]
    n = arriving[0][0].connection.n_post
    whole = sum(_kernel_words(c, range(n), form, bits) for c, bits in kernels)
    if 2 * whole <= room or not kernels:
        return np.zeros(n, np.int32), [lists + whole * form.word]
    channels = int(kernels[0][0].weight.shape[0])
    best: tuple[int, int, list[int]] | None = None
    for size in _block_sizes(channels, form, kernels[0][1]):
        step = size * (n // channels)
        blocks = [range(low, min(low + step, n)) for low in range(0, n, step)]
        words = [sum(_kernel_words(c, block, form, bits) for c, bits in kernels) for block in blocks]
        small = size == 1 or ROOMY * max(words) <= room
        if small and (best is None or sum(words) < best[0]):
            best = sum(words), step, [lists + w * form.word for w in words]
    assert best is not None
    return (np.arange(n) // best[1]).astype(np.int32), best[2]


def _block_sizes(channels: int, form: Words, bits: int) -> list[int]:
    """Channels a block: those whose lists fill words, halves of all, and one."""
    full = [(form.word * words - form.header) // bits for words in range(1, 9)]
    halves = [-(-channels >> i) for i in range(1, channels.bit_length())]
    return sorted({size for size in (*full, *halves, 1) if 0 < size < max(channels, 2)}, reverse=True)


def _kernel_words(c: Conv2d, neurons: range, form: Words, bits: int) -> int:
    """Words of the kernel of the output channels of some neurons, all taps."""
    n_out, (_, height, width) = int(c.weight.shape[0]), c.out_shape
    channels = np.arange(neurons[0] // (height * width), neurons[-1] // (height * width) + 1)
    filters = np.bincount(channels // (n_out // c.groups), minlength=c.groups)
    return int(c.weight[0].size * form.of_list(filters, bits).sum())
