"""The layered schedule, compiled: sources that spiked are scattered, a population is updated as a whole."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from sim_reference.compiled.flat import (
    DELAY_AT,
    DUE,
    IN_START,
    IN_STOP,
    KEEPS,
    MAX_DELAY,
    PLACE,
    POPULATION,
    POSITION_AT,
    PRE_START,
    PRE_STOP,
    RECURRENT,
    RESET,
    START,
    STOP,
    FlatNetwork,
)
from sim_reference.compiled.inputs import Inputs, list_frame, list_inputs
from sim_reference.compiled.jit import fingerprint, kernel_inside, kernel_on_disk_tight
from sim_reference.compiled.kernels import (
    N_POSITIONS,
    N_SOURCES,
    N_TOUCHED,
    Work,
    copy_into,
    find_above,
    leak,
    zero,
)
from sim_reference.compiled.output import Cut, Output, add_spike, begin_sample, end_sample, keep_registers
from sim_reference.compiled.registers import enter_current, leak_and_enter_v, update_neuron
from sim_reference.compiled.resets import begin_time_step, leak_v, reset_at_spike, reset_if_due, resets_late
from sim_reference.compiled.scatter import deliver

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


TIMES = 32
INDEX = (1 << TIMES) - 1


class History(NamedTuple):
    """Who sent in the last time steps, as lists: ``neuron`` (H, N), how often (from bit ``TIMES`` on) beside its index,
    with ``n_neuron`` (H, P); ``input`` (H, N_in) with ``times`` and ``n_input`` (H,); time step t lies in row t % H."""

    neuron: Array
    n_neuron: Array
    input: Array
    times: Array
    n_input: Array


def new_history(net: FlatNetwork) -> History:
    """Room for as many time steps as the longest delay looks back."""
    depth = int((net.link[:, MAX_DELAY] + net.link[:, RECURRENT]).max(initial=0)) + 1
    return History(
        np.zeros((depth, len(net.threshold)), np.int64),
        np.zeros((depth, len(net.pop)), np.int64),
        np.zeros((depth, net.n_inputs), np.int64),
        np.zeros((depth, net.n_inputs), np.int64),
        np.zeros(depth, np.int64),
    )


@kernel_inside
def _run_layered(
    net: FlatNetwork, inputs: Inputs, first: Int, last: Int, work: Work, history: History, cut: Cut, out: Output
) -> Int:
    """Run samples ``first`` to ``last`` - 1; returns the sample that found no more room for its spikes, or ``last``."""
    at, before, past = work.next_row, work.limits_before, cut.sent.shape[0]
    for b in range(first, last):
        at[0] = out.row_start[b]
        copy_into(before, work.limits)
        begin_sample(cut, b, work.registers)
        _read_past(net, cut, b, history, work)
        for t in range(inputs.n_steps):
            if not net.narrow:
                begin_time_step(net, work, cut.t0 + t)
            now = (past + t) % history.n_input.size
            listed, times = history.input[now], history.times[now]
            history.n_input[now] = list_frame(inputs, t, b, np.int64(0), listed, times, work)
            for i in range(net.order.size):
                p = net.order[i]
                _collect(net, work, history, p, past + t)
                if net.narrow:
                    _update(net, work, p, cut.t0 + t)
                else:
                    for n in range(net.pop[p, START], net.pop[p, STOP]):
                        update_neuron(net, work, p, n, True, False, True)
                _fire(net, work, history, p, t, past + t, b, at, out)
            out.forward_steps[t, b] = net.n_places
            keep_registers(out, b, t, work.registers)
            if out.full[0]:
                zero(out.counts[b])
                copy_into(work.limits, before)
                return b
        out.row_start[b + 1] = at[0]
        end_sample(cut, b, work.registers)
    return last


@kernel_inside
def _read_past(net: FlatNetwork, cut: Cut, b: Int, history: History, work: Work) -> None:
    """Fill the history with what neurons and inputs sent before the run."""
    for slot in range(cut.sent.shape[0]):
        listed, times = history.input[slot], history.times[slot]
        frame, first = cut.inputs[slot, b], np.int64(0)
        history.n_input[slot] = list_inputs(frame, first, listed, times, work.flags, work.words, work.found)
        for p in range(net.pop.shape[0]):
            start, n = net.pop[p, START], 0
            for i in range(start, net.pop[p, STOP]):
                if cut.sent[slot, b, i]:
                    history.neuron[slot, start + n] = cut.sent[slot, b, i] << TIMES | i
                    n += 1
            history.n_neuron[slot, p] = n


@kernel_inside
def _update(net: FlatNetwork, work: Work, p: Int, t: Int) -> None:
    """Reset what is due to be reset, leak, and ``LIFGroup.receive``, for a population of a narrow network."""
    a, z, leaked = net.pop[p, START], net.pop[p, STOP], 0
    if resets_late(net.pop[p, RESET]):
        leak_v(net, work, p, t)
        leaked = 1
    else:
        reset_if_due(net, work, p, t)
    if net.pop[p, KEEPS]:
        leak(work.u[a:z], net.keep_u[a:z])
    enter_current(net, work, p, True, False, True, net.pop[p, KEEPS] != 0)
    x, bias = work.arriving[a:z], net.pop[p, DUE] and not net.bias_in_u
    keep, low = net.keep_v[leaked, a:z], net.v_min[a:z]
    leak_and_enter_v(work.v[a:z], keep, x, net.bias[a:z], bias, low, net.v_max, work.limits)


@kernel_inside
def _collect(net: FlatNetwork, work: Work, history: History, p: Int, t: Int) -> None:
    """Deliver everything that arrives at population p in time step t."""
    for n in range(net.pop[p, IN_START], net.pop[p, IN_STOP]):
        link = net.in_links[n]
        work.n[N_SOURCES] = 0
        for delay in range(net.link[link, MAX_DELAY] + 1):
            age = delay + net.link[link, RECURRENT]
            if age <= t:
                _collect_from(net, work, history, link, delay, (t - age) % history.n_input.size)
        deliver(net, work, link)
    for i in range(work.n[N_TOUCHED]):
        work.is_touched[work.touched[i]] = False
    for i in range(work.n[N_POSITIONS]):
        work.is_position[net.link[work.position_link[i], POSITION_AT] + work.positions[i]] = False
    work.n[N_TOUCHED] = 0
    work.n[N_POSITIONS] = 0


@kernel_inside
def _collect_from(net: FlatNetwork, work: Work, history: History, link: Int, delay: Int, slot: Int) -> None:
    """Append the sources of a link that spiked in ``slot`` and have this delay."""
    start, stop, n_neurons = net.link[link, PRE_START], net.link[link, PRE_STOP], work.v.size
    delays = net.delay[net.link[link, DELAY_AT] : net.link[link, DELAY_AT] + stop - start]
    checked = net.link[link, MAX_DELAY] > 0
    n = work.n[N_SOURCES]
    if start >= n_neurons:
        for i in range(history.n_input[slot]):
            source = n_neurons + history.input[slot, i]
            if start <= source < stop and (not checked or delays[source - start] == delay):
                work.source[n] = source
                work.times[n] = history.times[slot, i]
                n += 1
    else:
        for i in range(history.n_neuron[slot, net.place_of[POPULATION, start]]):
            source = history.neuron[slot, start + i] & INDEX
            if not checked or delays[source - start] == delay:
                work.source[n] = source
                work.times[n] = history.neuron[slot, start + i] >> TIMES
                n += 1
    work.n[N_SOURCES] = n


@kernel_inside
def _fire(net: FlatNetwork, work: Work, history: History, p: Int, t: Int, known: Int, b: Int, at: Array,
          out: Output) -> None:  # fmt: skip
    start, stop, slot = net.pop[p, START], net.pop[p, STOP], known % history.n_input.size
    v, threshold, k = work.v, net.threshold, net.pop[p, PLACE]
    n = find_above(v[start:stop], threshold[start:stop], work.flags, work.words, work.found)
    for j in range(n):
        i = start + work.found[j]
        add_spike(out, at, b, t, k, i, v[i], k, -1)
        reset_at_spike(net, work, p, i)
        history.neuron[slot, start + j] = 1 << TIMES | i
    history.n_neuron[slot, p] = n


def _entry(source: int) -> Any:
    @kernel_on_disk_tight
    def run_layered(
        net: FlatNetwork, inputs: Inputs, first: int, last: int, work: Work, history: History, cut: Cut, out: Output
    ) -> int:
        return _run_layered(net, inputs, first, last, work, history, cut, out) if source else first

    return run_layered


run_layered = _entry(fingerprint())
"""``_run_layered``, kept compiled on disk."""
