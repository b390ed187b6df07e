"""Weight gradients of wide links: noted in the backward pass, added up after it, some targets of all sources at a time.

Each spike of a wide layer reads and writes a row of a matrix that no cache holds. Noted, and sorted by source, the
spikes of a batch read the gradients that they delivered from a strip of them that a cache does hold, and a row's
part is written once. The gradients stand on the tape, where the backward pass has written them over the membranes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir.held import Held
from trainer.engines.compiled import flat as col
from trainer.engines.compiled.arrival import copy, fill
from trainer.engines.compiled.flat import Net
from trainer.engines.compiled.jit import entry, exact, fingerprint, loose
from trainer.engines.compiled.lanes import span
from trainer.engines.compiled.state import Floats, Ints, Tape

STRIP = 32
"""Targets at a time: of some thousand rows, as many as a core's own cache holds."""


class Notes(NamedTuple):
    """What a thread's backward pass notes.

    Attributes:
        block_at, n_blocks: (P,) where the noted blocks of each population begin, and how many there are.
        block: where the gradients of each stand among the tape's values.
        pair_at, n_pairs: (L,) where the noted deliveries of each link begin, and how many there are.
        source, row, value: source, number of the block delivered to, and what was delivered.
    """

    block_at: Ints
    n_blocks: Ints
    block: Ints
    pair_at: Ints
    n_pairs: Ints
    source: NDArray[np.int32]
    row: NDArray[np.int32]
    value: Floats


def fresh_notes(net: Net, tape: Tape) -> Notes:
    """Room for what the backward pass over a tape notes; next to none where no link is wide."""
    n, n_parts, wide = len(net.part_of), len(net.depth), net.link[:, col.WIDE] != 0
    n_pairs, n_blocks = np.zeros(len(wide), np.int64), np.zeros(n_parts, np.int64)
    if wide.any():
        blocks = np.bincount(tape.block[: tape.used[col.BLOCKS], col.BLOCK_PART], minlength=n_parts)
        n_blocks = np.where(net.keeps != 0, blocks, 0)
        slot = tape.slot[: tape.used[col.SLOT]][tape.slot_q[: tape.used[col.SLOT]] > 0]
        served = np.bincount(net.part_of[slot[slot < n]], minlength=n_parts)
        for p in range(n_parts):
            n_pairs[net.from_links[net.from_at[p] : net.from_at[p + 1]]] = served[p]
        n_pairs[net.input_links] = tape.used[col.EVENTS] + (slot >= n).sum()
        n_pairs[~wide] = 0
    total = int(n_pairs.sum())
    return Notes(
        np.cumsum([0, *n_blocks[:-1]]), np.zeros(n_parts, np.int64), np.empty(int(n_blocks.sum()), np.int64),
        np.cumsum([0, *n_pairs[:-1]]), np.zeros(len(wide), np.int64),
        np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, tape.values.dtype),
    )  # fmt: skip


@exact
def note_block(notes, p, g, values, where):
    """The gradients of a population's drive take the place of its membranes on the tape, which have been read."""
    copy(g, values)
    notes.block[notes.block_at[p] + notes.n_blocks[p]] = where
    notes.n_blocks[p] += 1


@exact
def note_delivery(notes, l, p, source, value):
    """A spike or an input of number ``source`` of a link delivered ``value`` to the newest noted block of population
    ``p``."""
    at = notes.pair_at[l] + notes.n_pairs[l]
    notes.source[at], notes.row[at], notes.value[at] = source, notes.n_blocks[p] - 1, value
    notes.n_pairs[l] += 1


@loose
def add_noted(target, strips, row, value, first, stop):
    """``target += sum of value * strip``, four at a time."""
    n = target.shape[0]
    while first + 4 <= stop:
        at, other, third, last = (
            row[first] * STRIP,
            row[first + 1] * STRIP,
            row[first + 2] * STRIP,
            row[first + 3] * STRIP,
        )
        a, b = span(strips, at, at + n), span(strips, other, other + n)
        c, d = span(strips, third, third + n), span(strips, last, last + n)
        x, y, z, w = value[first], value[first + 1], value[first + 2], value[first + 3]
        for j in range(n):
            target[j] += (x * a[j] + y * b[j]) + (z * c[j] + w * d[j])
        first += 4
    for e in range(first, stop):
        at, x = row[e] * STRIP, value[e]
        a = span(strips, at, at + n)
        for j in range(n):
            target[j] += x * a[j]


@exact
def sort_by_source(notes, first, stop, starts, row, value):
    """The deliveries ``first`` to ``stop`` by source, in their order otherwise; ``starts``: then where each ends."""
    fill(starts, 0)
    for e in range(first, stop):
        starts[notes.source[e] + 1] += 1
    for i in range(1, starts.shape[0]):
        starts[i] += starts[i - 1]
    for e in range(first, stop):
        source = notes.source[e]
        at = starts[source]
        row[at], value[at] = notes.row[e], notes.value[e]
        starts[source] += 1


def _entry(version):
    """The entry, kept compiled on disk as long as ``version`` is the same."""

    @entry
    def add_up(notes, l, p, values, weight, first, stop, fresh, starts, row, value, strips):
        pair = notes.pair_at[l] * (version > 0)
        sort_by_source(notes, pair, pair + notes.n_pairs[l], starts, row, value)
        block, n_pre = notes.block_at[p], weight.shape[0]
        for c in range(first, stop, STRIP):
            width = min(STRIP, stop - c)
            for r in range(notes.n_blocks[p]):
                at = notes.block[block + r] + c
                copy(span(values, at, at + width), span(strips, r * STRIP, r * STRIP + width))
            for i in range(n_pre):
                target = weight[i, c : c + width]
                if fresh:
                    fill(target, 0)
                add_noted(target, strips, row, value, starts[i - 1] if i > 0 else 0, starts[i])

    return add_up


add_up = _entry(fingerprint())
"""Add link ``l``'s noted deliveries into population ``p`` to ``weight`` (n_pre, n_post), targets ``first`` to ``stop``.

Args:
    fresh: whether ``weight`` holds nothing yet.
    starts: (n_pre + 1,) working space, as are ``row``, ``value``, one a delivery, and ``strips``, ``STRIP`` a block.
"""


def add_up_tapes(net: Net, notes: list[Notes], tapes: list[Tape], weights: Floats, thread: int) -> None:
    """The gradients of all wide links' weights, for this thread's share of the targets; ``weights``: flat, of all."""
    for l in np.flatnonzero(net.link[:, col.WIDE]):
        row = net.link[l]
        p, n_pre, n_post = int(row[col.POST_PART]), int(row[col.N_PRE]), int(row[col.N_POST])
        share = -(-n_post // len(tapes) // STRIP) * STRIP
        weight = weights[row[col.WEIGHT] : row[col.WEIGHT] + n_pre * n_post].reshape(n_pre, n_post)
        most = max(int(x.n_pairs[l]) for x in notes)
        strips = np.empty(STRIP * max(1, max(int(x.n_blocks[p]) for x in notes)), weights.dtype)
        space = np.empty(n_pre + 1, np.int64), np.empty(most, np.int32), np.empty(most, weights.dtype), strips
        for i, (noted, tape) in enumerate(zip(notes, tapes)):
            first, stop = thread * share, min((thread + 1) * share, n_post)
            add_up(Held(noted), int(l), p, tape.values, weight, first, stop, i == 0, *space)
