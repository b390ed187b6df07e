"""The heap of what happens, the queues of the cores, and pools of events and packets, compiled."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from targets.clockless.compiled.jit import kernel
from targets.clockless.compiled.tables import (
    DROPPED,
    EVENTS_FULL,
    FREE_EVENT,
    FULL,
    HEAP_FULL,
    HEAP_SIZE,
    LIVE,
    NUMBER,
    PEAK,
    Q_ARRIVAL,
    Q_ENTRY,
    Q_FRAME,
    Q_HEAD,
    Q_LENGTH,
    Q_NEXT,
    Q_ORDER,
    Q_SEGMENT,
    Q_SOURCE,
    Q_TAIL,
)

ENDS, ARRIVALS, FRAMES, STARTS = range(4)
"""Phases of an instant."""

PLACE_BITS, NUMBER_BITS = 20, 40
"""What a key of the heap has for a place and a number."""

KIND_BITS = 40
"""Where the kind of an event stands in its order in a queue, above its number."""

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel
def push(heap: Array, n: Array, ps: Int, phase: Int, place: Int, a: Int, b: Int) -> None:
    """Let something happen at (ps, phase, place, number)."""
    if n[HEAP_SIZE] == len(heap):
        n[FULL] = HEAP_FULL
        return
    key = ((phase << PLACE_BITS) | place) << NUMBER_BITS | n[NUMBER]
    n[NUMBER] += 1
    n[LIVE] += phase != FRAMES
    at = n[HEAP_SIZE]
    n[HEAP_SIZE] += 1
    while at > 0:
        above = (at - 1) >> 1
        if heap[above, 0] < ps or (heap[above, 0] == ps and heap[above, 1] < key):
            break
        for column in range(4):
            heap[at, column] = heap[above, column]
        at = above
    heap[at, 0], heap[at, 1], heap[at, 2], heap[at, 3] = ps, key, a, b


@kernel
def pop(heap: Array, n: Array) -> None:
    """Take the first of the heap away."""
    n[HEAP_SIZE] -= 1
    size = n[HEAP_SIZE]
    ps, key, a, b = heap[size, 0], heap[size, 1], heap[size, 2], heap[size, 3]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and (
            heap[below + 1, 0] < heap[below, 0]
            or (heap[below + 1, 0] == heap[below, 0] and heap[below + 1, 1] < heap[below, 1])
        ):
            below += 1
        if ps < heap[below, 0] or (ps == heap[below, 0] and key < heap[below, 1]):
            break
        for column in range(4):
            heap[at, column] = heap[below, column]
        at = below
    heap[at, 0], heap[at, 1], heap[at, 2], heap[at, 3] = ps, key, a, b


@kernel
def comes_before(event: Array, arrival: Int, order: Int, t: Int) -> bool:
    """Whether an event that waits goes before one of this key, or is its equal."""
    if event[Q_ARRIVAL] != arrival:
        return event[Q_ARRIVAL] < arrival
    if event[Q_ORDER] != order:
        return event[Q_ORDER] < order
    return event[Q_FRAME] <= t


@kernel
def enqueue(
    core: Array,
    pool: Array,
    n: Array,
    queue_events: Int,
    blocks: Int,
    arrival: Int,
    order: Int,
    t: Int,
    entry: Int,
    source: Int,
) -> bool:
    """Put an event into a core's queue, by arrival, ties by index; False where there is no place."""
    if not blocks and core[Q_LENGTH] >= queue_events:
        core[DROPPED] += 1
        return False
    new = n[FREE_EVENT]
    if new < 0:
        n[FULL] = EVENTS_FULL
        return False
    n[FREE_EVENT] = pool[new, Q_NEXT]
    event = pool[new]
    event[Q_ARRIVAL], event[Q_ORDER], event[Q_FRAME] = arrival, order, t
    event[Q_ENTRY], event[Q_SOURCE], event[Q_NEXT] = entry, source, -1
    tail = core[Q_TAIL]
    if tail < 0:
        core[Q_HEAD] = core[Q_TAIL] = new
        core[Q_SEGMENT] = -1
    elif comes_before(pool[tail], arrival, order, t):
        if pool[tail, Q_ARRIVAL] < arrival:
            core[Q_SEGMENT] = tail
        pool[tail, Q_NEXT] = new
        core[Q_TAIL] = new
    else:
        _insert(core, pool, new, arrival, order, t)
    core[Q_LENGTH] += 1
    core[PEAK] = max(core[PEAK], core[Q_LENGTH])
    return True


@kernel
def _insert(core: Array, pool: Array, new: Int, arrival: Int, order: Int, t: Int) -> None:
    """Among the events of the last instant, which begin behind ``Q_SEGMENT``."""
    before = core[Q_SEGMENT]
    at = core[Q_HEAD] if before < 0 else pool[before, Q_NEXT]
    while comes_before(pool[at], arrival, order, t):
        before = at
        at = pool[at, Q_NEXT]
    pool[new, Q_NEXT] = at
    if before < 0:
        core[Q_HEAD] = new
    else:
        pool[before, Q_NEXT] = new


@kernel
def dequeue(core: Array, pool: Array, n: Array) -> Int:
    """Take the first event of a core's queue; its row is free, and holds it until the next is put in a queue."""
    at = core[Q_HEAD]
    core[Q_HEAD] = pool[at, Q_NEXT]
    if core[Q_HEAD] < 0:
        core[Q_TAIL] = -1
    if core[Q_SEGMENT] == at:
        core[Q_SEGMENT] = -1
    core[Q_LENGTH] -= 1
    pool[at, Q_NEXT] = n[FREE_EVENT]
    n[FREE_EVENT] = at
    return at
