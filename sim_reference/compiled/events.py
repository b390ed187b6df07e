"""What inputs bring under the asynchronous schedule, compiled: whole frames, or events one by one."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import N_SOURCES, Work, find_nonzero
from sim_reference.compiled.queue import N_EVENTS, FlatSchedule, Queue

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel
def read_events(frame: Array, stamped: Array, has_stamps: bool, queue: Queue) -> None:
    n = 0
    if has_stamps:
        for i in range(stamped.size):
            queue.event[i] = stamped[i]
        n = stamped.size
    else:
        for i in range(frame.size):
            for _ in range(frame[i]):
                queue.event[n] = i
                n += 1
    queue.n[N_EVENTS] = n


@kernel_inside
def read_frame(frame: Array, n_neurons: Int, work: Work) -> None:
    """The whole frame arrives at k = 0."""
    n = find_nonzero(frame, work.flags, work.words, work.found)
    for i in range(n):
        work.source[i] = n_neurons + work.found[i]
        work.times[i] = frame[work.found[i]]
    work.n[N_SOURCES] = n


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
