"""Upper bounds of synapse memory that add up over the neurons of a core: what the search counts with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from ir.chip import Chip
from ir.connection import Connection, Conv2d, Dense
from ir.graph import slices
from ir.quantized import FixedProjection, QuantizedNetwork
from mapper.memory.layout import MemoryLayout, Words, layout, list_words, taps

WORTH = 1.3  # times more neurons a core for which dense layers are bounded as a whole
WORTH_OF_MANY = 1.04  # the same where they fill ``MANY`` cores
MANY = 4
ROOMY = 4  # a kernel larger than half a core is cut into blocks of channels that take at most a fourth each,
FULL = 0.95  # or any share, where kernels then fill so much fewer cores: each block's lists begin at words of their own


@dataclass(frozen=True, eq=False)
class Need:
    """Upper bounds of synapse memory, in bits: on any core that fits, they add up to at least what its synapses take.

    Attributes:
        memory: (N,) of each neuron.
        overhead: of each input axon.
        group: (N,) sharing group, -1 = none.
        shared: (G,) once for each core that holds any neuron of the group: kernels, and the lists of dense layers.
        alone: (N,) words of each neuron on a core of its own, exactly.
        most: (N,) neurons of each one's population whose dense layers fit a core, exactly, at most.
    """

    memory: Ints
    overhead: int
    group: Int32s
    shared: Ints
    alone: Ints
    most: Ints


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
    memory, alone, most_of = (np.zeros(n, np.int64) for _ in range(3))
    group = np.full(n, -1, np.int32)
    shared: list[int] = []
    lists_of: dict[str, int] = {}
    most = _list_room(network, chip)
    at_each: dict[str, list[tuple[FixedProjection, MemoryLayout]]] = {p.name: [] for p in network.populations}
    for e in network.projections:
        at_each[e.post].append((e, layout(e, chip)))
    for p in network.populations:
        arriving = at_each[p.name]
        here = slice(at[p.name].start, at[p.name].stop)
        dense = [(e.connection, way) for e, way in arriving if isinstance(e.connection, Dense)]
        per_neuron, once = _dense_need(dense, form, chip.limits.max_synapse_words)
        memory[here] += per_neuron
        whole = [(c.n_pre, way.bits) for c, way in dense if way.zeros]
        most_of[here] = max(1, form.equal_lists(whole, chip.limits.max_synapse_words, p.n)[2]) if whole else p.n
        for e, way in arriving:
            alone[here] += fan_in(e.connection, way.zeros) * int(form.of_list(1, way.bits))
            if not way.kernel and not isinstance(e.connection, Dense):
                synapse, per_list = form.bound(way.bits, most)
                single = _single_targets(e.connection)
                memory[here] += fan_in(e.connection, way.zeros) * (synapse + single * per_list)
                lists_of[e.pre] = lists_of.get(e.pre, 0) + (0 if single else per_list)
        blocks, amounts = _shared(arriving, form, chip.limits.max_synapse_words, once)
        if max(amounts) > 0:
            group[here] = blocks + len(shared)
            shared += amounts
    return Need(memory, max(lists_of.values(), default=0), group, np.array(shared, np.int64), alone, most_of)


def _dense_need(arriving: Sequence[tuple[Dense, MemoryLayout]], form: Words, room: int) -> tuple[Ints | int, int]:
    """Bound the dense layers into a population: (n,) bits for each neuron, and bits charged once for each core.

    There are two bounds, and the one that fits more neurons on a core is used. The first holds for lists of any
    length, layer by layer. The second takes all layers together and counts zero weights, too; it is tight on a core
    full of the population, but the first neuron alone is charged most of one, so it must win clearly: less so for a
    population that fills many cores, on few of which anything else lies.
    """
    if not arriving:
        return 0, 0
    per_neuron, once = np.zeros(arriving[0][0].n_post, np.int64), 0
    for c, way in arriving:
        synapse, per_list = form.bound(way.bits)
        per_neuron += fan_in(c, way.zeros) * synapse
        once += per_list * c.n_pre
    n = per_neuron.size
    neuron, core, fits = form.equal_lists([(c.n_pre, way.bits) for c, way in arriving], room, n)
    held = (room * form.word - once) // max(float(per_neuron.mean()), 1e-9)
    worth = WORTH if n < MANY * fits else WORTH_OF_MANY
    if fits >= worth * held or fits == n > held:
        return np.full(n, neuron, np.int64), core
    return per_neuron, once


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
    small: tuple[float, int, list[int]] | None = None
    full: tuple[float, int, list[int]] | None = None
    for size in _block_sizes(channels, form, kernels[0][1]):
        step = size * (n // channels)
        blocks = [range(low, min(low + step, n)) for low in range(0, n, step)]
        words = [sum(_kernel_words(c, block, form, bits) for c, bits in kernels) for block in blocks]
        cores = len(words) / max(room // max(words), 1)
        made = cores, step, [lists + w * form.word for w in words]
        if (size == 1 or ROOMY * max(words) <= room) and (small is None or cores < small[0]):
            small = made
        if max(words) <= room and (full is None or cores < full[0]):
            full = made
    assert small is not None
    _, step, amounts = full if full is not None and full[0] < FULL * small[0] else small
    return (np.arange(n) // step).astype(np.int32), amounts


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
