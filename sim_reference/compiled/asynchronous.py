"""The asynchronous schedule, compiled: work grows with served spikes times their fan-out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim_reference.compiled.flat import DEPTH, DUE, KEEPS, REFRACTORY, START, STOP, FlatNetwork
from sim_reference.compiled.heap import clear
from sim_reference.compiled.jit import fingerprint, kernel, kernel_inside, kernel_on_disk
from sim_reference.compiled.kernels import (
    N_POSITIONS,
    N_SOURCES,
    N_TOUCHED,
    Work,
    begin_time_step,
    copy_into,
    deliver,
    touch,
    touch_positions,
    zero,
)
from sim_reference.compiled.output import Output, add_spike, keep_registers
from sim_reference.compiled.queue import (
    N_EVENTS,
    N_FIRED,
    Queue,
    Rules,
    enqueue,
    enqueue_events,
    key_before_neuron,
    serve,
)
from sim_reference.compiled.registers import is_hot, update_neuron, update_population

Array = NDArray[Any]
Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

FIRST, QUEUED, PACED = 0, 1, 2


@kernel_inside
def _run_asynchronous(
    net: FlatNetwork,
    rules: Rules,
    frames: Array,
    sample_ids: Array,
    events: Array,
    event_start: Array,
    first: Int,
    last: Int,
    work: Work,
    queue: Queue,
    out: Output,
) -> Int:
    """Run samples ``first`` to ``last`` - 1; returns the sample that found no more room for its spikes, or ``last``.

    Args:
        frames: (T, B, N_in) counts.
        events: inputs of stamped events, in order; those of sample b and time step t lie at
            ``event_start[b * T + t]``; empty = counts expand in index order.
    """
    at, before = work.next_row, work.limits_before
    n_steps = frames.shape[0]
    for b in range(first, last):
        at[0] = out.row_start[b]
        copy_into(before, work.limits)
        zero(work.v)
        zero(work.u)
        for t in range(n_steps):
            begin_time_step(net, work, t)
            if rules.input != FIRST:
                slot = b * n_steps + t
                _read_events(frames[t, b], events[event_start[slot] : event_start[slot + 1]], events.size > 0, queue)
            steps = _time_step(net, rules, frames[t, b], sample_ids[b], t, b, work, queue, at, out)
            out.forward_steps[t, b] = steps
            _end_time_step(queue)
            keep_registers(out, b, t, work.v, work.u)
            if out.full[0]:
                zero(out.counts[b])
                copy_into(work.limits, before)
                return b
        out.row_start[b + 1] = at[0]
    return last


@kernel
def _read_events(frame: Array, stamped: Array, has_stamps: bool, queue: Queue) -> None:
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
def _end_time_step(queue: Queue) -> None:
    """Drop what still waits and end refractoriness."""
    for core in range(queue.heap.size.size):
        for i in range(queue.heap.start[core], queue.heap.start[core] + queue.heap.size[core]):
            if queue.heap.item[i] < queue.q.size:
                queue.q[queue.heap.item[i]] = 0
    clear(queue.heap)
    for i in range(queue.n[N_FIRED]):
        queue.fired[queue.fired_list[i]] = False
    queue.n[N_FIRED] = 0


@kernel_inside
def _first_sources(net: FlatNetwork, rules: Rules, frame: Array, h: Any, work: Work, queue: Queue, out: Output) -> Int:
    """What arrives at k = 0; returns how many paced events are taken."""
    n_neurons = queue.q.size
    if rules.input == FIRST:
        n = 0
        for i in range(frame.size):
            if frame[i] != 0:
                work.source[n] = n_neurons + i
                work.times[n] = frame[i]
                n += 1
        work.n[N_SOURCES] = n
    elif rules.input == PACED:
        return _next_paced(rules, np.int64(0), work, queue)
    else:
        enqueue_events(queue)
        serve(work, queue, rules, h, np.int64(-1), out.rows)
    return 0


@kernel_inside
def _next_paced(rules: Rules, taken: Int, work: Work, queue: Queue) -> Int:
    """Append the next R events to the sources; returns how many are taken in all."""
    stop = min(queue.n[N_EVENTS], taken + rules.R)
    for e in range(taken, stop):
        work.source[work.n[N_SOURCES]] = queue.q.size + queue.event[e]
        work.times[work.n[N_SOURCES]] = 1
        work.n[N_SOURCES] += 1
    return stop


@kernel_inside
def _time_step(
    net: FlatNetwork,
    rules: Rules,
    frame: Array,
    sample: Int,
    t: Int,
    b: Int,
    work: Work,
    queue: Queue,
    at: Array,
    out: Output,
) -> Int:
    """Serve the queue until it is drained or stopped; returns the number of forward steps."""
    work.n[N_SOURCES] = 0
    taken = _first_sources(net, rules, frame, key_before_neuron(rules.seed, sample, t, np.int64(-1)), work, queue, out)
    first_output, k = np.int64(-1), np.int64(0)
    while True:
        if not net.narrow and not net.two_sided:
            _touch_hot(net, work)
        if work.n[N_SOURCES]:
            for link in range(net.link.shape[0]):
                deliver(net, work, link)
            if work.n[N_POSITIONS]:
                touch_positions(net, work)
        fired_output = _update(net, rules, k, t, b, work, queue, at, out)
        if first_output < 0 and fired_output:
            first_output = k
        if (
            out.full[0]
            or k + 1 >= rules.stop_after
            or (first_output >= 0 and k - first_output >= rules.stop_after_output)
        ):
            return k + 1
        work.n[N_SOURCES] = 0
        h = key_before_neuron(rules.seed, sample, t, k)
        serve(work, queue, rules, h, k, out.rows)
        if rules.input == PACED:
            taken = _next_paced(rules, taken, work, queue)
        if work.n[N_SOURCES] == 0 and net.last_due <= k:
            return k + 1
        k += 1


@kernel_inside
def _touch_hot(net: FlatNetwork, work: Work) -> None:
    """A current far outside its register is wrapped again in every round."""
    for p in range(net.pop.shape[0]):
        if net.pop[p, KEEPS]:
            for i in range(net.pop[p, START], net.pop[p, STOP]):
                if is_hot(net, work, i):
                    touch(work.touched, work.is_touched, work.n, i)


@kernel_inside
def _update(
    net: FlatNetwork, rules: Rules, k: Int, t: Int, b: Int, work: Work, queue: Queue, at: Array, out: Output
) -> bool:
    """Update whom the round reached, let them fire; returns whether an output neuron fired."""
    fired_output = False
    for p in range(net.pop.shape[0]):
        due = net.pop[p, DUE] and net.pop[p, DEPTH] == k
        if not (due or work.all_touched[p]):
            continue
        work.all_touched[p] = True
        update_population(net, work, p, due, net.pop[p, KEEPS])
        for i in range(net.pop[p, START], net.pop[p, STOP]):
            if queue.fired[i]:
                work.v[i] = 0
            elif work.v[i] > net.threshold[i]:
                fired_output |= _fire(net, rules, p, i, k, t, b, work, queue, at, out)
    for n in range(work.n[N_TOUCHED]):
        i = work.touched[n]
        work.is_touched[i] = False
        p = net.place_of[0, i]
        if work.all_touched[p]:
            continue
        update_neuron(net, work, p, i, False, net.pop[p, KEEPS])
        if queue.fired[i]:
            work.v[i] = 0
        elif work.v[i] > net.threshold[i]:
            fired_output |= _fire(net, rules, p, i, k, t, b, work, queue, at, out)
    work.n[N_TOUCHED] = 0
    zero(work.all_touched)
    return fired_output


@kernel_inside
def _fire(
    net: FlatNetwork,
    rules: Rules,
    p: Int,
    i: Int,
    k: Int,
    t: Int,
    b: Int,
    work: Work,
    queue: Queue,
    at: Array,
    out: Output,
) -> bool:
    m = np.int64(work.v[i])
    earlier = queue.row[i] if queue.q[i] > 0 else -1
    queue.row[i] = add_spike(out, at, b, t, k, i, m, -1, earlier)
    enqueue(queue, rules, net.place_of[1, i] if rules.per_core else 0, i, m, k)
    work.v[i] = 0
    if net.pop[p, REFRACTORY]:
        queue.fired[i] = True
        queue.fired_list[queue.n[N_FIRED]] = i
        queue.n[N_FIRED] += 1
    return net.output_start <= i < net.output_stop


def _entry(source: int) -> Any:
    @kernel_on_disk
    def entry(
        net: FlatNetwork,
        rules: Rules,
        frames: Array,
        ids: Array,
        events: Array,
        start: Array,
        first: int,
        last: int,
        work: Work,
        queue: Queue,
        out: Output,
    ) -> int:
        if source:
            return _run_asynchronous(net, rules, frames, ids, events, start, first, last, work, queue, out)
        return first

    return entry


run_asynchronous = _entry(fingerprint())
"""``_run_asynchronous``, kept compiled on disk."""
