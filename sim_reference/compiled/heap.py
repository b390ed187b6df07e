"""A compiled heap of queue entries that knows where each entry lies, one heap a core in one array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from sim_reference.compiled.jit import kernel

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


class Heap(NamedTuple):
    """Entries by rank, least first, ties by entry.

    ``item`` the entry at each place; ``place`` of each entry, -1 = absent; ``rank`` of each entry; ``start``
    (cores + 1,) and ``size`` (cores,) of each core's part of ``item``.
    """

    item: Array
    place: Array
    rank: Array
    start: Array
    size: Array


def new_heap(core_start: Array, max_events: int) -> Heap:
    """Empty heaps; input events have room in the last core's part."""
    start = core_start.copy()
    start[-1] += max_events
    n = int(start[-1])
    return Heap(
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
        np.zeros(n, np.int64),
        start,
        np.zeros(len(start) - 1, np.int64),
    )


@kernel
def is_before(heap: Heap, a: Int, b: Int) -> Any:
    return heap.rank[a] < heap.rank[b] or (heap.rank[a] == heap.rank[b] and a < b)


@kernel
def _put(heap: Heap, place: Int, entry: Int) -> None:
    heap.item[place] = entry
    heap.place[entry] = place


@kernel
def _rise(heap: Heap, base: Int, place: Int, entry: Int) -> None:
    while place > base:
        parent = base + (place - base - 1) // 2
        if not is_before(heap, entry, heap.item[parent]):
            break
        _put(heap, place, heap.item[parent])
        place = parent
    _put(heap, place, entry)


@kernel
def _sink(heap: Heap, core: Int, place: Int, entry: Int) -> None:
    base, end = heap.start[core], heap.start[core] + heap.size[core]
    while True:
        child = base + 2 * (place - base) + 1
        if child >= end:
            break
        if child + 1 < end and is_before(heap, heap.item[child + 1], heap.item[child]):
            child += 1
        if not is_before(heap, heap.item[child], entry):
            break
        _put(heap, place, heap.item[child])
        place = child
    _put(heap, place, entry)


@kernel
def push(heap: Heap, core: Int, entry: Int, rank: Int) -> None:
    """Add an entry, or move it to its new rank."""
    if heap.place[entry] >= 0:
        remove(heap, core, entry)
    heap.rank[entry] = rank
    place = heap.start[core] + heap.size[core]
    heap.size[core] += 1
    _rise(heap, heap.start[core], place, entry)


@kernel
def remove(heap: Heap, core: Int, entry: Int) -> None:
    """Take an entry out, wherever it lies."""
    place = heap.place[entry]
    heap.size[core] -= 1
    last = heap.item[heap.start[core] + heap.size[core]]
    heap.place[entry] = -1
    if last == entry:
        return
    _rise(heap, heap.start[core], place, last)
    if heap.place[last] == place:
        _sink(heap, core, place, last)


@kernel
def best(heap: Heap, core: Int) -> Int:
    return heap.item[heap.start[core]]


@kernel
def order_anew(heap: Heap, core: Int) -> None:
    """Restore the order after ranks changed."""
    base, size = heap.start[core], heap.size[core]
    for i in range(size // 2 - 1, -1, -1):
        _sink(heap, core, base + i, heap.item[base + i])


@kernel
def clear(heap: Heap) -> None:
    """Drop all entries."""
    for core in range(heap.size.size):
        for i in range(heap.start[core], heap.start[core] + heap.size[core]):
            heap.place[heap.item[i]] = -1
        heap.size[core] = 0
