"""The spike queue, compiled: who is served, in the order that ``serve.py`` defines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from ir.schedule import GOLDEN, MIX_A, MIX_B, Schedule
from sim_reference.compiled.flat import CORE, FlatNetwork, starts
from sim_reference.compiled.heap import Heap, best, new_heap, order_anew, push, remove
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import N_SOURCES, Work
from sim_reference.compiled.output import EARLIER, K_SERVED

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

RANDOM, MOMENTUM, FIFO = range(3)
ORDERS = {"random": RANDOM, "momentum": MOMENTUM, "fifo": FIFO}
"""The order rules that are compiled."""

NO_LIMIT = 1 << 60
"""What kernels read where a schedule says None: more than there ever is."""

FIRST_OF_ALL = -(1 << 61)
SIGN = np.uint64(1 << 63)


class FlatSchedule(NamedTuple):
    """A schedule in numbers; ``NO_LIMIT`` where it says None. ``input``: 0 first, 1 queued, 2 paced."""

    F: int
    order: int
    input: int
    R: int
    stop_after: int
    stop_after_output: int
    seed: int
    per_core: bool


class Queue(NamedTuple):
    """Entries: neurons 0..N-1, then the input events of this time step.

    ``q`` waiting spikes; ``row`` the newest one's row in the output; ``fired`` refractory neurons of this time step,
    listed in ``fired_list``; ``event`` the input of each event; ``chosen`` entries picked in this round; ``n`` lengths:
    fired, events, entries that wait and have targets.
    """

    heap: Heap
    q: Array
    row: Array
    fired: Array
    fired_list: Array
    event: Array
    chosen: Array
    n: Array


N_FIRED, N_EVENTS, N_WAITING = 0, 1, 2


def flat_schedule(schedule: Schedule) -> FlatSchedule:
    """Translate a schedule for the kernels."""

    def or_no_limit(value: int | None) -> int:
        return NO_LIMIT if value is None else value

    return FlatSchedule(
        F=or_no_limit(schedule.F),
        order=ORDERS[schedule.order],
        input=("first", "queued", "paced").index(schedule.input),
        R=or_no_limit(schedule.R),
        stop_after=or_no_limit(schedule.stop_after),
        stop_after_output=or_no_limit(schedule.stop_after_output),
        seed=(schedule.seed + (1 << 63)) % (1 << 64) - (1 << 63),
        per_core=schedule.scope == "core",
    )


def new_queue(net: FlatNetwork, schedule: FlatSchedule, max_events: int) -> Queue:
    """An empty queue, or one for each core."""
    n = len(net.threshold)
    start = starts(np.bincount(net.place_of[CORE])) if schedule.per_core else np.array([0, n], np.int64)
    return Queue(
        new_heap(start, max_events),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
        np.zeros(n, np.int64),
        np.zeros(max(max_events, 1), np.int64),
        np.zeros(n + max_events + 1, np.int64),
        np.zeros(3, np.int64),
    )


@kernel
def mix(x: Any) -> Any:
    """splitmix64's step, as ``ir.schedule.mix``."""
    x = x + GOLDEN
    x = (x ^ (x >> np.uint64(30))) * MIX_A
    x = (x ^ (x >> np.uint64(27))) * MIX_B
    return x ^ (x >> np.uint64(31))


@kernel
def key_before_neuron(seed: Int, sample: Int, t: Int, k: Int) -> Any:
    """The part of a key that all entries of a round share."""
    h = mix(np.uint64(seed))
    h = mix(h + np.uint64(sample))
    h = mix(h + np.uint64(t))
    return mix(h + np.uint64(k))


@kernel
def rank_of_key(queue: Queue, h: Any, entry: Int) -> Int:
    """An entry's key as a signed number of the same order; an event's key uses N + its input."""
    n = queue.q.size
    index = entry if entry < n else n + queue.event[entry - n]
    return np.int64(mix(h + np.uint64(index)) ^ SIGN)


@kernel_inside
def enqueue(queue: Queue, schedule: FlatSchedule, core: Int, neuron: Int, m: Int, k: Int, sends: Any) -> None:
    """Add a spike to its neuron's entry."""
    if sends and queue.q[neuron] == 0:
        queue.n[N_WAITING] += 1
    queue.q[neuron] += 1
    rank = 0
    if schedule.F != NO_LIMIT:
        if schedule.order == MOMENTUM:
            rank = -m
        elif schedule.order == FIFO:
            rank = k
    push(queue.heap, core, neuron, rank)


@kernel
def enqueue_events(queue: Queue, sends: Array) -> None:
    """Put the input events before all neurons, in time-stamp order."""
    n = queue.q.size
    for e in range(queue.n[N_EVENTS]):
        push(queue.heap, 0, n + e, FIRST_OF_ALL + e)
        queue.n[N_WAITING] += sends[n + queue.event[e]]


@kernel_inside
def serve(work: Work, queue: Queue, schedule: FlatSchedule, h: Any, k: Int, rows: Array, sends: Array) -> None:
    """Take the best F entries of each core out and append those that have targets to the sources to be delivered."""
    heap = queue.heap
    for core in range(heap.size.size):
        size = heap.size[core]
        if size == 0:
            continue
        n = min(schedule.F, size)
        if n == size:
            _take_all(queue, core)
        elif schedule.order == RANDOM:
            _take_random(queue, core, n, h)
        else:
            _take_ranked(queue, core, n)
            if schedule.order == MOMENTUM and heap.size[core] > 0:
                _settle_ties(queue, core, n, h)
        for i in range(n):
            _deliver_entry(work, queue, queue.chosen[i], k, rows, sends)


@kernel
def _take_all(queue: Queue, core: Int) -> None:
    heap = queue.heap
    for i in range(heap.size[core]):
        entry = heap.item[heap.start[core] + i]
        queue.chosen[i] = entry
        heap.place[entry] = -1
    heap.size[core] = 0


@kernel
def _take_ranked(queue: Queue, core: Int, n: Int) -> None:
    for i in range(n):
        entry = best(queue.heap, core)
        queue.chosen[i] = entry
        remove(queue.heap, core, entry)


@kernel
def _take_random(queue: Queue, core: Int, n: Int, h: Any) -> None:
    heap = queue.heap
    start = heap.start[core]
    for i in range(heap.size[core]):
        heap.rank[heap.item[start + i]] = rank_of_key(queue, h, heap.item[start + i])
    order_anew(heap, core)
    _take_ranked(queue, core, n)


@kernel
def _settle_ties(queue: Queue, core: Int, n: Int, h: Any) -> None:
    """Where the last chosen and the best left have equal membranes, the smaller keys of all such entries win."""
    heap, chosen = queue.heap, queue.chosen
    rank = heap.rank[chosen[n - 1]]
    if heap.rank[best(heap, core)] != rank:
        return
    first = n - 1
    while first > 0 and heap.rank[chosen[first - 1]] == rank:
        first -= 1
    end = n
    while heap.size[core] > 0 and heap.rank[best(heap, core)] == rank:
        chosen[end] = best(heap, core)
        remove(heap, core, chosen[end])
        end += 1
    for i in range(first, end):
        heap.rank[chosen[i]] = rank_of_key(queue, h, chosen[i])
    _smallest_first(heap.rank, chosen, first, n, end)
    for i in range(n, end):
        push(heap, core, chosen[i], rank)


@kernel
def _smallest_first(rank: Array, chosen: Array, first: Int, n: Int, end: Int) -> None:
    """Bring the n - first least ranks of ``chosen[first:end]`` to its front."""
    for i in range(first, n):
        least = i
        for j in range(i + 1, end):
            if rank[chosen[j]] < rank[chosen[least]]:
                least = j
        chosen[i], chosen[least] = chosen[least], chosen[i]


@kernel_inside
def _deliver_entry(work: Work, queue: Queue, entry: Int, k: Int, rows: Array, sends: Array) -> None:
    n, at = queue.q.size, work.n[N_SOURCES]
    source, times = entry, np.int64(1)
    if entry >= n:
        source = n + queue.event[entry - n]
    else:
        times = queue.q[entry]
        queue.q[entry] = 0
        row = queue.row[entry]
        while row >= 0:
            rows[row, K_SERVED] = k
            row = rows[row, EARLIER]
    if sends[source]:
        work.source[at] = source
        work.times[at] = times
        work.n[N_SOURCES] = at + 1
        queue.n[N_WAITING] -= 1
