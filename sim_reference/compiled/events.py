"""Paced input under the asynchronous schedule, compiled: so many events a forward step."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from sim_reference.compiled.jit import kernel_inside
from sim_reference.compiled.kernels import N_SOURCES, Work
from sim_reference.compiled.queue import N_EVENTS, FlatSchedule, Queue

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def next_paced(schedule: FlatSchedule, taken: Int, sends: Array, work: Work, queue: Queue) -> Int:
    """Append those of the next R events that have targets to the sources; returns how many are taken in all."""
    stop = min(queue.n[N_EVENTS], taken + schedule.R)
    for e in range(taken, stop):
        source = queue.q.size + queue.event[e]
        if sends[source]:
            work.source[work.n[N_SOURCES]] = source
            work.times[work.n[N_SOURCES]] = 1
            work.n[N_SOURCES] += 1
    return stop


@kernel_inside
def last_paced(sends: Array, queue: Queue) -> Int:
    """How many events there are up to the last one that has a target."""
    n = queue.n[N_EVENTS]
    while n > 0 and not sends[queue.q.size + queue.event[n - 1]]:
        n -= 1
    return n
