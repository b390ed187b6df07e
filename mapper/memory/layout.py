"""Synapse memory: how each projection lies on a core, in whole words, and an upper bound that adds up over neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Array, Ints
from ir.chip import Chip
from ir.connection import Conv2d, Dense
from ir.quantized import FixedProjection


@dataclass(frozen=True)
class MemoryLayout:
    """How a projection is stored.

    Attributes:
        kernel: the convolution's kernel once a core; else a list a source.
        bits: of one synapse.
        zeros: whether zero weights are stored.
    """

    kernel: bool
    bits: int
    zeros: bool


@dataclass(frozen=True)
class Words:
    """The chip's list format.

    Attributes:
        word: bits a word. header: bits a part. length: synapses a part at most.
    """

    word: int
    header: int
    length: int

    def of_list(self, n: Array | int, bits: int) -> Ints:
        """Fewest words that hold a list of ``n`` synapses in parts; each part has a header and starts a new word.

        Cutting a list never saves words: ``of_list(a + b) <= of_list(a) + of_list(b)``.
        """
        n = np.asarray(n, np.int64)
        return np.searchsorted(_most_synapses(self, bits, int(n.max(initial=0))), n).astype(np.int64)

    def equal_lists(self, lists: Sequence[tuple[int, int]], room: int, most: int) -> tuple[int, int, int]:
        """Bound lists that all have n synapses, one from each of n neurons, for n up to ``most``.

        Args:
            lists: (number, bits of a synapse) of those alike.
            room: words of a core; a sum of less than one word more still fits.

        Returns:
            Bits for each neuron, bits for each core, and how many neurons fit. ``n * neuron + core`` covers the words
            of the lists; it exceeds a core exactly where the lists do, and is tight where a core is full.
        """
        n = np.arange(1, most + 1)
        need, full = np.zeros(most, np.int64), room * self.word
        for number, bits in lists:
            need += number * self.of_list(n, bits) * self.word
        fits = int((need <= full).sum())
        if fits < most:
            n, need = n[: fits + 1], np.append(need[:fits], full + self.word)
        neuron = int(((need[-1] - need[:-1]) // (n[-1] - n[:-1])).min()) if n.size > 1 else int(need[0])
        neuron = min(neuron, -(-int(need[-1]) // int(n[-1])))
        return neuron, max(int((need - n * neuron).max()), 0), fits

    def bound(self, bits: int, most: int | None = None) -> tuple[int, int]:
        """Bits for each synapse and for each list, so that ``n * synapse + list`` covers the words of a list of n.

        Args:
            most: the most bits to charge for a list; the rest is charged to its synapses.
        """
        n = np.arange(1, self.length + 1)
        need = self.of_list(n, bits) * self.word
        synapse = int((-(-need // n)).min())  # of the part that fills its words best: longer lists repeat it
        once = int((need - n * synapse).max())
        if most is not None and once > most:
            once = most
            synapse = max(synapse, int((-(-(need - once) // n)).max()))
        return synapse, once


@lru_cache(maxsize=64)
def _parts(form: Words, bits: int) -> Ints:
    """(words,) most synapses that one part of 0, 1, 2, ... words holds, up to a part of full length."""
    longest = -(-(form.header + bits * form.length) // form.word)
    room = (np.arange(longest + 1) * form.word - form.header) // max(bits, 1)
    return np.clip(room, 0, form.length)


@lru_cache(maxsize=64)
def _most_synapses(form: Words, bits: int, n: int) -> Ints:
    """(words,) most synapses that 0, 1, 2, ... words hold, until they hold ``n``."""
    part, held = _parts(form, bits), [0]
    while held[-1] < n:
        words = len(held)
        held.append(max(held[words - w] + int(part[w]) for w in range(1, min(words, part.size - 1) + 1)))
    return np.array(held, np.int64)


def list_words(chip: Chip) -> Words:
    """The list format of ``chip``."""
    form = chip.synapse_format
    return Words(chip.limits.synapse_word_bits, form.header_bits, form.list_length)


def weight_bits(projection: FixedProjection, chip: Chip) -> int:
    """Bits of the smallest encoding that holds every weight exactly.

    Common factors of two go to the exponent as far as the chip has it; weights of one sign need no sign bit.
    Weights that fit no encoding take the widest.
    """
    weight = np.asarray(projection.connection.weight, np.int64)
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    common = int(np.bitwise_or.reduce(np.abs(weight), axis=None))
    shift = (common & -common).bit_length() - 1 if common else 0
    mixed = int(low < 0 < high)
    for bits in chip.synapse_format.weight_bits:
        room = (1 << (bits - mixed)) - 1
        exponent = projection.weight_exp + shift - (8 - bits) - mixed
        fits = (high >> shift) <= room and (-low >> shift) <= room + mixed
        if fits and (exponent >= chip.weight_exp[0] or not common):
            return bits
    return chip.synapse_format.weight_bits[-1]


def layout(projection: FixedProjection, chip: Chip) -> MemoryLayout:
    """Choose the smallest way to store a projection: a shared kernel, lists without gaps, or lists without zeros."""
    form, c = chip.synapse_format, projection.connection
    bits = weight_bits(projection, chip)
    if isinstance(c, Conv2d) and form.shared_kernels:
        return MemoryLayout(True, bits, True)
    bits += form.delay_bits if bool(np.asarray(projection.delay_steps).any()) else 0
    gaps = MemoryLayout(False, bits + form.index_bits, form.index_bits == 0 or isinstance(c, Conv2d))
    full = MemoryLayout(False, bits + form.dense_index_bits, True)
    if isinstance(c, Dense):
        n = c.weight.size if gaps.zeros else int(np.count_nonzero(c.weight))
        return gaps if n * gaps.bits < c.weight.size * full.bits else full
    return gaps


def taps(c: Conv2d, axis: int) -> NDArray[np.bool_]:
    """(positions, kernel) which taps of a window lie inside the input, along one axis."""
    place = np.arange(c.out_shape[1 + axis])[:, None] * c.stride[axis] - c.padding[axis]
    place = place + np.arange(c.weight.shape[2 + axis]) * c.dilation[axis]
    return (place >= 0) & (place < c.in_shape[1 + axis])
