"""The forward pass of some samples, one after the other; the execution contract in the order of its steps."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.arrival import (
    copy,
    deliver_event,
    deliver_first,
    fill,
    list_events,
    list_inputs,
    take_paced,
)
from trainer.engines.compiled.begin import begin_time_step
from trainer.engines.compiled.flat import BLOCKS, CLIPS, EVENTS, FIRED, ROUNDS, SERVED, SLOT, VALUES
from trainer.engines.compiled.geometry import WORD
from trainer.engines.compiled.jit import entry, exact, fingerprint
from trainer.engines.compiled.keys import draw, extend
from trainer.engines.compiled.lanes import fetch_span, span
from trainer.engines.compiled.links import deliver, deliver_four
from trainer.engines.compiled.order import choose, choose_silent
from trainer.engines.compiled.state import (
    CARRIED,
    FIRST,
    N_CHOSEN,
    N_EVENTS,
    N_EVENTS_ON_WAY,
    N_NOW,
    N_ON_WAY,
    N_QUEUE,
    NO_LIMIT,
    NONE,
    TAKEN,
)
from trainer.engines.compiled.taken import choose_inputs
from trainer.engines.compiled.update import update

KIND, POST_PART, REACH, DENSE = col.KIND, col.POST_PART, col.REACH, col.DENSE


@exact
def write_rows(net, rows, used, what, neurons, n, b, t, k):
    """Append (b, t, k, neuron) to a table of the trace."""
    for i in range(n):
        at = used[what]
        name = net.name[neurons[i]]
        rows[at, col.SAMPLE], rows[at, col.TIME_STEP], rows[at, col.ROUND], rows[at, col.NEURON] = b, t, k, name
        used[what] += 1


@exact
def deliver_spikes(net, numbers, state, n):
    """The entries ``going``, in turn, through all links that leave their populations; of a dense link four at once."""
    i = 0
    while i < n:
        part = net.part_of[state.going[i]]
        four = i + 4 <= n
        for e in range(i, i + 4 if four else i):
            four = four and net.part_of[state.going[e]] == part
        stop = i + 4 if four else i + 1
        for e in range(net.from_at[part], net.from_at[part + 1]):
            row = net.link[net.from_links[e]]
            state.touched[row[POST_PART]] |= row[REACH]
            if four and row[KIND] == DENSE:
                deliver_four(row, span(state.going, i, stop), span(state.value, i, stop), numbers.weights, state.sums)
                continue
            for at in range(i, stop):
                deliver(net, row, np.int64(state.going[at]), state.value[at], numbers.weights, state.sums, state.sites)
        i = stop


@exact
def serve(net, rules, numbers, state, tape, n_served, h_spike):
    """Deliver what was chosen: neurons, silent slots with nothing, inputs taken."""
    going = 0
    for i in range(state.n[N_CHOSEN]):
        j = state.chosen[i]
        value = state.q[j]
        dropped = rules.spike_drop > 0 and draw(h_spike, net.name[j]) < rules.spike_drop
        if i < n_served:
            state.q[j] = 0
            state.n[N_ON_WAY] -= np.int64(net.sends[net.part_of[j]])
            state.going[going], state.value[going] = j, value
            going += np.int64(not dropped)
        if rules.training:
            at = tape.used[SLOT]
            tape.slot[at], tape.slot_q[at] = j, -1 if dropped else value
            tape.used[SLOT] += 1
    deliver_spikes(net, numbers, state, going)
    if rules.input == FIRST:
        return
    for e in range(state.n[N_EVENTS]):
        if state.event_left[e] == TAKEN:
            deliver_event(net, numbers, state, e)
            if rules.training:
                at = tape.used[SLOT]
                tape.slot[at], tape.slot_q[at] = net.part_of.shape[0] + state.event[e], 1
                tape.used[SLOT] += 1


@exact
def note_round(tape):
    """Where this round begins on the tape."""
    row, used = tape.round[tape.used[ROUNDS]], tape.used
    row[col.FIRST_BLOCK], row[col.FIRST_SLOT] = used[BLOCKS], used[SLOT]
    row[col.FIRST_CLIP], row[col.FIRST_VALUE] = used[CLIPS], used[VALUES]
    tape.used[ROUNDS] += 1


@exact
def drop_entries(net, rules, state, tape):
    """Entries that wait when a time step ends are dropped: where silent gradients are carried on, theirs are not."""
    if not rules.training or rules.silent != CARRIED:
        return
    for i in range(state.n[N_QUEUE]):
        at, j = tape.used[SLOT], net.number[state.queue[i]]
        tape.slot[at], tape.slot_q[at], state.live[j] = j, -1, 0
        tape.used[SLOT] += 1


@exact
def has_room(rules, tape, n, n_blocks, n_slots):
    """Whether one more round fits on the tape."""
    u = tape.used
    if rules.record and (u[FIRED] + n > tape.fired.shape[0] or u[SERVED] + n > tape.served.shape[0]):
        return False
    if not rules.training:
        return True
    if u[VALUES] + n > tape.values.shape[0] or u[BLOCKS] + n_blocks > tape.block.shape[0]:
        return False
    if u[SLOT] + n_slots > tape.slot.shape[0] or u[ROUNDS] + 2 > tape.round.shape[0]:
        return False
    return u[CLIPS] + n <= tape.clip.shape[0]


@exact
def is_over(limit, count):
    """Whether a limit on forward steps, if there is one, is reached."""
    return limit != NO_LIMIT and count >= limit


@exact
def run_time_step(net, rules, numbers, state, tape, core_of_neuron, b, t, h_t):
    """Forward steps until the sample has drained or is stopped; their number, or -1: the tape is full."""
    n, n_blocks = net.part_of.shape[0], net.depth.shape[0] + WORD * net.word_at[net.depth.shape[0]]
    h_order, h_escape, h_noise, h_spike = h_t
    group = rules.group
    everyone = max(n, 1)
    if rules.input != FIRST:
        choose_inputs(net, rules, state, n, extend(h_order, -1), group)
        take_paced(rules, state)
    if rules.training and tape.used[EVENTS] + state.n[N_EVENTS] > tape.event.shape[0]:
        return -1
    deliver_first(net, rules, numbers, state, tape)
    k, since_output = np.int64(0), np.int64(-1)  # variables: kernels called with literals are compiled for each
    while True:
        if not has_room(rules, tape, n, n_blocks, n + state.n[N_EVENTS]):
            return -1
        if rules.training:
            note_round(tape)
        update(net, rules, numbers, state, tape, k, extend(h_escape, k))
        if rules.record:
            for i in range(state.n[N_NOW]):
                tape.fired_m[tape.used[FIRED] + i] = state.m[state.now[i]]
            write_rows(net, tape.fired, tape.used, FIRED, state.now, state.n[N_NOW], b, t, k)
        if since_output >= 0:
            since_output += 1
        else:
            for i in range(state.n[N_NOW]):
                if net.out_start <= state.now[i] < net.out_stop:
                    since_output = 0
        k += 1
        if is_over(rules.stop_after, k) or is_over(rules.stop_after_output, since_output):
            drop_entries(net, rules, state, tape)
            return k
        # Whatever waits now is served in this round or waits on: it decides whether anything is on its way after it.
        last = state.n[N_ON_WAY] == 0 and state.n[N_EVENTS_ON_WAY] == 0 and k > rules.last_due
        if last and not rules.record:
            drop_entries(net, rules, state, tape)
            return k
        h_k = extend(h_order, k - 1)
        places = choose_inputs(net, rules, state, n, h_k, group)
        take_paced(rules, state)
        choose(
            net, rules, state, core_of_neuron, everyone if group == NO_LIMIT else places, h_k, extend(h_noise, k - 1)
        )
        n_served = state.n[N_CHOSEN]
        if rules.record:
            write_rows(net, tape.served, tape.used, SERVED, state.chosen, n_served, b, t, k - 1)
        if last:
            drop_entries(net, rules, state, tape)
            return k
        if rules.training and rules.silent != NONE:
            choose_silent(net, rules, state, core_of_neuron, n_served, h_k)
        serve(net, rules, numbers, state, tape, n_served, extend(h_spike, k - 1))


@exact
def fetch_frame(batch, chosen, place, t):
    """Have the frame brought near that is read next: while spikes are served, memory has nothing else to do."""
    n_steps = batch.frames.shape[0]
    after = np.int64(t + 1 == n_steps)
    if place + after < chosen.shape[0]:
        frame = batch.bits[(t + 1) * (1 - after), chosen[place + after]]
        fetch_span(frame, 0, frame.shape[0])


def _entry(version):
    """The entry, kept compiled on disk as long as ``version`` is the same."""

    @entry
    def run_samples(net, rules, numbers, state, tape, batch, chosen, first):
        n_steps, n = batch.frames.shape[0], net.part_of.shape[0] * (version > 0)
        ids, steps, shut = batch.ids, batch.steps, batch.shut
        for place in range(first, chosen.shape[0]):
            b = chosen[place]
            copy(tape.used, batch.before)
            copy(batch.start_v[b], state.v)
            copy(batch.start_late[b], state.spikes)
            fill(state.live, 0)
            if rules.current:
                copy(batch.start_u[b], state.u)
            h_order, h_escape = extend(rules.h_order, ids[b]), extend(rules.h_escape, ids[b])
            h_noise, h_spike = extend(rules.h_noise, ids[b]), extend(rules.h_spike, ids[b])
            h_input = extend(rules.h_input, ids[b])
            for t in range(n_steps):
                begin_time_step(net, rules, numbers, state, tape.used, batch.cleared[t])
                now = rules.t0 + t
                h_in = extend(extend(h_input, now), 0)
                if rules.input == FIRST:
                    list_inputs(rules, state, batch.frames[t, b], batch.bits[t, b], h_in, n)
                    fetch_frame(batch, chosen, place, t)
                else:
                    listed = batch.events[batch.events_at[b * n_steps + t] : batch.events_at[b * n_steps + t + 1]]
                    list_events(net, rules, state, batch.frames[t, b], listed, h_in, n)
                at = place * n_steps + t
                tape.step[at, col.FIRST_ROUND], tape.step[at, col.FIRST_EVENT] = tape.used[ROUNDS], tape.used[EVENTS]
                h_t = (extend(h_order, now), extend(h_escape, now), extend(h_noise, now), extend(h_spike, now))
                steps[t, b] = run_time_step(net, rules, numbers, state, tape, batch.core_of_neuron, b, t, h_t)
                if steps[t, b] < 0:
                    for column in range(tape.used.shape[0]):  # back to where the sample began; what it needed is told
                        tape.used[column], batch.before[column] = batch.before[column], tape.used[column]
                    return place
                copy(state.spikes, batch.counts[t, b])
                copy(state.v, batch.membranes[t, b])
                if rules.current:
                    copy(state.u, batch.currents[t, b])
                if rules.training:
                    copy(state.shut, shut[t, b])
                    for i in range(state.n[N_NOW]):
                        shut[t, b, state.now[i]] = 0
            at = (place + 1) * n_steps
            tape.step[at, col.FIRST_ROUND], tape.step[at, col.FIRST_EVENT] = tape.used[ROUNDS], tape.used[EVENTS]
            if rules.training:
                note_round(tape)
                tape.used[ROUNDS] -= 1
        return chosen.shape[0]

    return run_samples


run_samples = _entry(fingerprint())
"""Run the samples ``chosen[first:]``; fills (T, B, N) counts, membranes, currents and shut, (T, B) steps.

Args:
    bits: the frames read as integers.
    before: (N_USED,) the tape's ``used`` at the start of a sample; of one that did not fit, when that was seen.

Returns:
    The place of the first sample that did not fit on the tape, or the number of samples.
"""
