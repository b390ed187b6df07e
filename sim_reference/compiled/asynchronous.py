"""The asynchronous schedule, compiled: work grows with served spikes times their fan-out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arrays import Array
from sim_reference.compiled.events import last_paced, next_paced
from sim_reference.compiled.flat import (
    CORE,
    DEPTH,
    DUE,
    KEEPS,
    POPULATION,
    REFRACTORY,
    RESET,
    START,
    STOP,
    ZERO,
    FlatNetwork,
)
from sim_reference.compiled.heap import clear
from sim_reference.compiled.inputs import Inputs, read_inputs
from sim_reference.compiled.jit import fingerprint, kernel_inside, kernel_on_disk
from sim_reference.compiled.kernels import (
    N_POSITIONS,
    N_SOURCES,
    N_TOUCHED,
    Work,
    copy_into,
    list_firing,
    list_if_firing,
    list_keeping,
    zero,
)
from sim_reference.compiled.output import Cut, Output, add_spike, begin_sample, end_sample, keep_registers
from sim_reference.compiled.queue import (
    N_FIRED,
    N_WAITING,
    FlatSchedule,
    Queue,
    enqueue,
    enqueue_events,
    key_before_neuron,
    serve,
)
from sim_reference.compiled.registers import is_hot, update_neuron, update_population
from sim_reference.compiled.resets import begin_time_step, reset_at_spike
from sim_reference.compiled.scatter import deliver, touch, touch_positions

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

FIRST, QUEUED, PACED = 0, 1, 2
"""``FlatSchedule.input``."""


@kernel_inside
def _run_asynchronous(
    net: FlatNetwork,
    schedule: FlatSchedule,
    inputs: Inputs,
    first: Int,
    last: Int,
    work: Work,
    queue: Queue,
    cut: Cut,
    out: Output,
) -> Int:
    """Run samples ``first`` to ``last`` - 1; returns the sample that found no more room for its spikes, or ``last``."""
    at, before = work.next_row, work.limits_before
    for b in range(first, last):
        at[0] = out.row_start[b]
        copy_into(before, work.limits)
        begin_sample(cut, b, work.registers)
        for t in range(inputs.n_steps):
            begin_time_step(net, work, cut.t0 + t)
            read_inputs(inputs, schedule.input == FIRST, t, b, work, queue)
            steps = _time_step(net, schedule, inputs.ids[b], t, cut.t0 + t, b, work, queue, at, out)
            out.forward_steps[t, b] = steps
            _end_time_step(queue)
            keep_registers(out, b, t, work.registers)
            if out.full[0]:
                zero(out.counts[b])
                copy_into(work.limits, before)
                return b
        out.row_start[b + 1] = at[0]
        end_sample(cut, b, work.registers)
    return last


@kernel_inside
def _end_time_step(queue: Queue) -> None:
    """Drop what still waits and end refractoriness."""
    for core in range(queue.heap.size.size):
        for i in range(queue.heap.start[core], queue.heap.start[core] + queue.heap.size[core]):
            if queue.heap.item[i] < queue.q.size:
                queue.q[queue.heap.item[i]] = 0
    clear(queue.heap)
    queue.n[N_WAITING] = 0
    for i in range(queue.n[N_FIRED]):
        queue.fired[queue.fired_list[i]] = False
    queue.n[N_FIRED] = 0


@kernel_inside
def _time_step(
    net: FlatNetwork,
    schedule: FlatSchedule,
    sample: Int,
    t: Int, since: Int, b: Int,
    work: Work, queue: Queue, at: Array, out: Output,
) -> Int:  # fmt: skip
    """Serve the queue until nothing is on its way or the run is stopped; returns the number of forward steps.

    Inputs are listed. ``t`` counts from the run's start, ``since`` from the sample's: keys are made of it.
    """
    taken, to_take, first_output, k = np.int64(0), np.int64(0), np.int64(-1), np.int64(0)
    if schedule.input == PACED:
        to_take = last_paced(net.sends, queue)
        taken = next_paced(schedule, taken, net.sends, work, queue)
    elif schedule.input == QUEUED:
        enqueue_events(queue, net.sends)
        k = np.int64(-1)
    while True:
        if k >= 0:
            if _round(net, schedule, k, t, b, work, queue, at, out) and first_output < 0:
                first_output = k
            stopped = first_output >= 0 and k - first_output >= schedule.stop_after_output
            if stopped or k + 1 >= schedule.stop_after or out.full[0]:
                return k + 1
        work.n[N_SOURCES] = 0
        serve(work, queue, schedule, key_before_neuron(schedule.seed, sample, since, k), k, out.rows, net.sends)
        left = queue.n[N_WAITING] > 0 or taken < to_take
        if schedule.input == PACED:
            taken = next_paced(schedule, taken, net.sends, work, queue)
        if work.n[N_SOURCES] == 0 and not left and net.last_due <= k and k >= 0:
            return k + 1
        k += 1


@kernel_inside
def _round(
    net: FlatNetwork, schedule: FlatSchedule, k: Int, t: Int, b: Int, work: Work, queue: Queue, at: Array, out: Output
) -> Any:
    """Deliver what was served, update whom it reached, let them fire; returns whether an output neuron fired."""
    if not net.narrow and not net.u_edge:
        _touch_hot(net, work)
    if work.n[N_SOURCES]:
        for link in range(net.link.shape[0]):
            deliver(net, work, link)
        if work.n[N_POSITIONS]:
            touch_positions(net, work)
    n = _update(net, k, work, queue.fired)
    fired_output = False
    for i in range(n):
        _fire(net, schedule, work.rows[i], k, t, b, work, queue, at, out)
        fired_output |= net.output_start <= work.rows[i] < net.output_stop
    return fired_output


@kernel_inside
def _touch_hot(net: FlatNetwork, work: Work) -> None:
    """A current far outside its register is wrapped again in every round."""
    for p in range(net.pop.shape[0]):
        if net.pop[p, KEEPS]:
            for i in range(net.pop[p, START], net.pop[p, STOP]):
                if is_hot(net, work, i):
                    touch(work.touched, work.is_touched, work.n, i)


@kernel_inside
def _update(net: FlatNetwork, k: Int, work: Work, fired: Array) -> Any:
    """Update whom the round reached; lists who fires in ``work.rows`` and returns how many."""
    n_fires = 0
    for p in range(net.pop.shape[0]):
        due = net.pop[p, DUE] and net.pop[p, DEPTH] == k
        early = net.pop[p, KEEPS] and net.pop[p, DEPTH] > k
        start, stop = net.pop[p, START], net.pop[p, STOP]
        if (due or work.all_touched[p]) and net.narrow:
            work.all_touched[p] = True
            update_population(net, work, p, due, early)
            if net.pop[p, RESET] == ZERO:
                n_fires = list_firing(work, net.threshold[start:stop], fired[start:stop], start, n_fires)
            elif net.pop[p, DEPTH] <= k:
                n_fires = list_keeping(work, net.threshold, fired, start, stop, n_fires)
        elif due or work.all_touched[p]:
            work.all_touched[p] = False
            for i in range(start, stop):
                touch(work.touched, work.is_touched, work.n, i)
    for n in range(work.n[N_TOUCHED]):
        i = work.touched[n]
        work.is_touched[i] = False
        p = net.place_of[POPULATION, i]
        if not work.all_touched[p]:
            due = net.pop[p, DUE] and net.pop[p, DEPTH] == k
            early = net.pop[p, KEEPS] and net.pop[p, DEPTH] > k
            update_neuron(net, work, p, i, due, early, net.pop[p, KEEPS])
            if net.pop[p, RESET] == ZERO:
                n_fires = list_if_firing(work, net.threshold[i], fired[i], i, n_fires)
            elif net.pop[p, DEPTH] <= k:
                n_fires = list_keeping(work, net.threshold, fired, i, i + 1, n_fires)
    work.n[N_TOUCHED] = 0
    zero(work.all_touched)
    return n_fires


@kernel_inside
def _fire(net: FlatNetwork, schedule: FlatSchedule, i: Int, k: Int, t: Int, b: Int, work: Work, queue: Queue, at: Array,
          out: Output) -> None:  # fmt: skip
    p, m = net.place_of[POPULATION, i], np.int64(work.v[i])
    earlier = queue.row[i] if queue.q[i] > 0 else -1
    queue.row[i] = add_spike(out, at, b, t, k, i, m, -1, earlier)
    enqueue(queue, schedule, net.place_of[CORE, i] if schedule.per_core else 0, i, m, k, net.sends[i])
    reset_at_spike(net, work, p, i)
    if net.pop[p, REFRACTORY]:
        queue.fired[i] = True
        queue.fired_list[queue.n[N_FIRED]] = i
        queue.n[N_FIRED] += 1


def _entry(source: int) -> Any:
    @kernel_on_disk
    def run_asynchronous(
        net: FlatNetwork,
        schedule: FlatSchedule,
        inputs: Inputs,
        first: int,
        last: int,
        work: Work,
        queue: Queue,
        cut: Cut,
        out: Output,
    ) -> int:
        if source:
            return _run_asynchronous(net, schedule, inputs, first, last, work, queue, cut, out)
        return first

    return run_asynchronous


run_asynchronous = _entry(fingerprint())
"""``_run_asynchronous``, kept compiled on disk."""
