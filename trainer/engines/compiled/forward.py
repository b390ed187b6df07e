"""The forward pass of some samples of a batch, one after the other; the execution contract in the order of its steps."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import layout as col
from trainer.engines.compiled.integrate import fire, move, move_general
from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.keys import draw, extend
from trainer.engines.compiled.links import deliver
from trainer.engines.compiled.order import choose, choose_inputs, choose_silent, mark_taken
from trainer.engines.compiled.state import (
    BLOCKS,
    CLIPS,
    EVENTS,
    FIRED,
    FIRST,
    NONE,
    PACED,
    ROUNDS,
    SERVED,
    SLOT,
    VALUES,
    State,
    Tape,
    grown,
    with_room,
)

PRE, N_PRE, POST_PART = col.PRE, col.N_PRE, col.POST_PART


@exact
def fresh_state(net, rules, number, n_cores, n_events, core_size):
    """Registers of one sample; ``number`` is a zero of the engine's dtype."""
    n = net.part_of.shape[0]
    kind, wide = np.full(1, number).dtype, n + n_events
    heap = min(rules.group, wide) if rules.group >= 0 else 0
    return State(
        np.zeros(n, kind), np.zeros(n if rules.current else 1, kind), np.zeros(net.n_sums, kind),
        np.zeros(n, np.uint8), np.zeros(n, np.int32),
        np.zeros(n, np.uint8), np.zeros(n, np.int32), np.zeros(n, kind), np.zeros(n, kind), np.zeros(n, np.int32),
        np.zeros(n, np.uint8), np.zeros(net.depth.shape[0], np.uint8), np.zeros(n, np.int32), np.zeros(wide, np.int32),
        np.zeros(wide), np.zeros(wide, np.uint64), np.zeros((n_cores, heap + 1), np.int32),
        np.zeros(n_cores, np.int64), np.zeros(n_cores, np.int64),
        np.zeros(n_events + 1, np.int32), np.zeros(n_events + 1, kind), np.zeros(n_events + 1, np.uint8),
        np.zeros(5, np.int64),
    )  # fmt: skip


@exact
def fresh_tape(net, rules, number, n_steps, n_values, n_slots, n_events):
    """An empty tape with some room; it grows where needed."""
    n, kind = net.part_of.shape[0], np.full(1, number).dtype
    few = 1 if not rules.training else n_slots
    rows = n if rules.record else 1
    return Tape(
        np.empty(max(n_values if rules.training else 0, n), kind), np.empty((few + net.depth.shape[0] + 1, 2), np.int64),
        np.empty(few + n, np.int32), np.empty(few + n, kind),
        np.empty((few + 2, 3), np.int64), np.zeros((n_steps + 1, 2), np.int64),
        np.empty(n_events + 1, np.int32), np.empty(n_events + 1, kind), np.empty(n, np.int32),
        np.empty((rows, 4), np.int32), np.empty(rows, kind), np.empty((rows, 4), np.int32),
        np.zeros(8, np.int64),
    )  # fmt: skip


@exact
def begin_time_step(net, rules, numbers, state, cleared):
    """Leak once, clear flags and the queue; ``cleared``: populations whose registers are reset before the leak."""
    for p in range(net.depth.shape[0]):
        if cleared[p]:
            state.v[net.part_at[p] : net.part_at[p + 1]] = 0
            if rules.current:
                state.u[net.part_at[p] : net.part_at[p + 1]] = 0
    if rules.fixed:
        for j in range(state.v.shape[0]):
            state.v[j] = np.trunc(state.v[j] * numbers.leak_v[j])
            if rules.current:
                state.u[j] = np.trunc(state.u[j] * numbers.leak_u[j])
    else:
        state.v[:] *= numbers.leak_v
        if rules.current:
            state.u[:] *= numbers.leak_u
    state.shut[:] = 0
    state.spikes[:] = 0
    state.waiting[:] = 0
    state.q[:] = 0
    state.live[:] = 0
    state.sums[:] = 0
    state.touched[:] = 0
    state.n[:] = 0


@exact
def list_inputs(rules, state, frame, h_input, n_neurons):
    """The inputs of a time step that are not zero and not dropped, into ``event`` and ``event_x``."""
    n = 0
    for i in range(frame.shape[0]):
        state.event[n] = i
        state.event_x[n] = frame[i]
        n += np.int64(frame[i] != 0)
    if rules.input_drop > 0:
        kept = 0
        for e in range(n):
            state.event[kept], state.event_x[kept] = state.event[e], state.event_x[e]
            kept += np.int64(draw(h_input, n_neurons + state.event[e]) >= rules.input_drop)
        n = kept
    state.n[3] = n


@exact
def list_events(rules, state, frame, events, h_input, n_neurons):
    """Gradual input: one entry a count, in the order of ``events`` if there are any, else of the index."""
    n = 0
    if events.shape[0] > 0:
        for e in range(events.shape[0]):
            state.event[n] = events[e]
            n += 1
    else:
        for i in range(frame.shape[0]):
            for _ in range(np.int64(frame[i])):
                state.event[n] = i
                n += 1
    kept = 0
    for e in range(n):
        state.event[kept] = state.event[e]
        dropped = rules.input_drop > 0 and draw(h_input, n_neurons + state.event[e]) < rules.input_drop
        kept += 0 if dropped else 1
    state.event_x[:kept] = 1
    state.event_left[:kept] = 1
    state.n[3] = kept


@exact
def deliver_input(net, numbers, state, i, x):
    """One input through every link that reads it."""
    for l in net.input_links:
        row = net.link[l]
        if row[PRE] <= i < row[PRE] + row[N_PRE]:
            deliver(net, row, i, x, numbers.weights, state.sums)
            state.touched[row[POST_PART]] = 1


@exact
def deliver_first(net, rules, numbers, state, tape):
    """What arrives at k = 0: the whole frame, or the events taken before the first round."""
    for e in range(state.n[3]):
        if rules.input != FIRST:
            if state.event_left[e] != 2:
                continue
            state.event_left[e] = 0
        deliver_input(net, numbers, state, state.event[e], state.event_x[e])
        if rules.training:
            tape.event[tape.used[EVENTS]], tape.event_x[tape.used[EVENTS]] = state.event[e], state.event_x[e]
            tape.used[EVENTS] += 1


@exact
def update(net, rules, numbers, state, tape, k, h_escape):
    """Steps a to d: every population with a new drive, a bias or a current that is due."""
    state.n[1] = 0
    for p in range(net.depth.shape[0]):
        due = k == net.depth[p] and (rules.biased or net.has_current[p] != 0)
        if not (state.touched[p] or due):
            continue
        state.touched[p] = 0
        first, stop = net.part_at[p], net.part_at[p + 1]
        at = tape.used[VALUES] if rules.training else 0
        values = tape.values[at : at + stop - first]
        if rules.fixed or due or net.has_current[p] or net.v_min[p] > -np.inf:
            move_general(net, rules, numbers, state, tape, p, k, values)
        else:
            move(state.v[first:stop], state.sums[first:stop], state.shut[first:stop], state.live[first:stop], values)
        if rules.training:
            tape.block[tape.used[BLOCKS], 0], tape.block[tape.used[BLOCKS], 1] = p, at
            tape.used[BLOCKS] += 1
            tape.used[VALUES] += stop - first
        fire(net, rules, numbers, state, p, k, h_escape)


@exact
def write_rows(rows, used, what, neurons, n, b, t, k):
    """Append (b, t, k, neuron) to a table of the trace."""
    for i in range(n):
        at = used[what]
        rows[at, 0], rows[at, 1], rows[at, 2], rows[at, 3] = b, t, k, neurons[i]
        used[what] += 1


@exact
def deliver_spike(net, numbers, state, j, value):
    """One neuron's entry through every link that leaves its population."""
    part = net.part_of[j]
    for e in range(net.from_at[part], net.from_at[part + 1]):
        row = net.link[net.from_links[e]]
        deliver(net, row, j, value, numbers.weights, state.sums)
        state.touched[row[POST_PART]] = 1


@exact
def serve(net, rules, numbers, state, tape, n_served, h_spike):
    """Deliver what was chosen: neurons, silent slots with nothing, inputs taken."""
    for i in range(state.n[2]):
        j = state.chosen[i]
        value = state.q[j]
        dropped = rules.spike_drop > 0 and draw(h_spike, j) < rules.spike_drop
        if i < n_served:
            state.q[j] = 0
            if not dropped:
                deliver_spike(net, numbers, state, j, value)
        if rules.training:
            at = tape.used[SLOT]
            tape.slot[at], tape.slot_q[at] = j, -1 if dropped else value
            tape.used[SLOT] += 1
    if rules.input == FIRST:
        return
    for e in range(state.n[3]):
        if state.event_left[e] == 2:
            state.event_left[e] = 0
            deliver_input(net, numbers, state, state.event[e], state.event_x[e])
            if rules.training:
                at = tape.used[SLOT]
                tape.slot[at], tape.slot_q[at] = net.part_of.shape[0] + state.event[e], 1
                tape.used[SLOT] += 1


@exact
def take_paced(rules, state):
    """The next R events in their order."""
    if rules.input == PACED:
        stop = min(state.n[3], state.n[4] + rules.per_round)
        for e in range(state.n[4], stop):
            mark_taken(state, e)


@exact
def note_round(tape):
    """Where this round begins on the tape."""
    at = tape.used[ROUNDS]
    tape.round[at, 0], tape.round[at, 1], tape.round[at, 2] = tape.used[BLOCKS], tape.used[SLOT], tape.used[CLIPS]
    tape.used[ROUNDS] += 1


@exact
def run_time_step(net, rules, numbers, state, tape, core_of_neuron, b, t, h_t):
    """Forward steps until the sample has drained or is stopped; (rounds, tape)."""
    n, n_parts = net.part_of.shape[0], net.depth.shape[0]
    h_order, h_escape, h_noise, h_spike = h_t
    group = rules.group
    everyone = max(n, 1)
    if rules.input != FIRST:
        choose_inputs(rules, state, n, extend(h_order, -1), group)
        take_paced(rules, state)
    tape = Tape(
        tape.values, tape.block, tape.slot, tape.slot_q, tape.round, tape.step,
        grown(tape.event, tape.used[EVENTS], state.n[3] if rules.training else 0),
        grown(tape.event_x, tape.used[EVENTS], state.n[3] if rules.training else 0),
        tape.clip, tape.fired, tape.fired_m, tape.served, tape.used,
    )  # fmt: skip
    deliver_first(net, rules, numbers, state, tape)
    k, since_output = 0, -1
    room = n + state.n[3]
    while True:
        u = tape.used
        if (
            u[VALUES] + n > tape.values.shape[0] or u[BLOCKS] + n_parts >= tape.block.shape[0]
            or u[SLOT] + room > tape.slot.shape[0] or u[ROUNDS] + 2 > tape.round.shape[0]
            or u[CLIPS] + n > tape.clip.shape[0]
            or (rules.record and (u[FIRED] + n > tape.fired.shape[0] or u[SERVED] + n > tape.served.shape[0]))
        ):  # fmt: skip
            tape = with_room(tape, room, n_parts)
        if rules.training:
            note_round(tape)
        update(net, rules, numbers, state, tape, k, extend(h_escape, k))
        if rules.record:
            for i in range(state.n[1]):
                tape.fired_m[tape.used[FIRED] + i] = state.m[state.now[i]]
            write_rows(tape.fired, tape.used, FIRED, state.now, state.n[1], b, t, k)
        if since_output >= 0:
            since_output += 1
        else:
            for i in range(state.n[1]):
                if net.out_start <= state.now[i] < net.out_stop:
                    since_output = 0
        k += 1
        if 0 <= rules.stop_after <= k or 0 <= rules.stop_after_output <= since_output:
            return k, tape
        h_k = extend(h_order, k - 1)
        taken = state.n[4]
        places = choose_inputs(rules, state, n, h_k, group)
        take_paced(rules, state)
        taken = state.n[4] - taken
        choose(rules, state, core_of_neuron, places if group >= 0 else everyone, h_k, extend(h_noise, k - 1))
        n_served = state.n[2]
        left = rules.input != FIRST and state.n[4] < state.n[3]
        if n_served == 0 and taken == 0 and not left and k > rules.last_due:
            return k, tape
        if rules.training and rules.silent != NONE:
            choose_silent(rules, state, core_of_neuron, n_served, h_k)
        if rules.record:
            write_rows(tape.served, tape.used, SERVED, state.chosen, n_served, b, t, k - 1)
        serve(net, rules, numbers, state, tape, n_served, extend(h_spike, k - 1))


@exact
def run_samples(net, rules, numbers, frames, ids, chosen, core_of_neuron, n_cores, events_at, events, cleared,
                counts, membranes, currents, steps, shut, capacity):  # fmt: skip
    """Run the samples ``chosen`` of a batch; fills (T, B, N) counts, membranes, currents and shut, (T, B) steps.

    Returns:
        The tape.
    """
    n_steps, n_inputs = frames.shape[0], frames.shape[2]
    n = net.part_of.shape[0]
    zero = numbers.leak_v.dtype.type(0)
    n_events = n_inputs if rules.input == FIRST else capacity[0]
    state = fresh_state(net, rules, zero, n_cores, n_events, n)
    tape = fresh_tape(net, rules, zero, n_steps * chosen.shape[0], capacity[1], capacity[2], capacity[3])
    at = 0
    for b in chosen:
        h_order, h_escape = extend(rules.h_order, ids[b]), extend(rules.h_escape, ids[b])
        h_noise, h_spike = extend(rules.h_noise, ids[b]), extend(rules.h_spike, ids[b])
        h_input = extend(rules.h_input, ids[b])
        state.v[:] = 0
        state.u[:] = 0
        for t in range(n_steps):
            begin_time_step(net, rules, numbers, state, cleared[t])
            h_in = extend(extend(h_input, t), 0)
            if rules.input == FIRST:
                list_inputs(rules, state, frames[t, b], h_in, n)
            else:
                listed = events[events_at[b * n_steps + t] : events_at[b * n_steps + t + 1]]
                list_events(rules, state, frames[t, b], listed, h_in, n)
            tape.step[at, 0], tape.step[at, 1] = tape.used[ROUNDS], tape.used[EVENTS]
            h_t = (extend(h_order, t), extend(h_escape, t), extend(h_noise, t), extend(h_spike, t))
            steps[t, b], tape = run_time_step(net, rules, numbers, state, tape, core_of_neuron, b, t, h_t)
            at += 1
            counts[t, b] = state.spikes
            membranes[t, b] = state.v
            if rules.current:
                currents[t, b] = state.u
            if rules.training:
                shut[t, b] = state.shut
                for i in range(state.n[1]):
                    shut[t, b, state.now[i]] = 0
    if rules.training:
        note_round(tape)
    tape.step[at, 0], tape.step[at, 1] = tape.used[ROUNDS] - (1 if rules.training else 0), tape.used[EVENTS]
    return tape
