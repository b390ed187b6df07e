"""How input arrives in the compiled engine: the whole frame, paced events, events in the queue."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.flat import EVENTS, WHOLE
from trainer.engines.compiled.jit import apart, exact
from trainer.engines.compiled.keys import draw
from trainer.engines.compiled.lanes import LANES, list_set, nonzero, span
from trainer.engines.compiled.links import deliver, deliver_frame
from trainer.engines.compiled.state import FIRST, GONE, LEFT, N_EVENTS, N_EVENTS_ON_WAY, N_TAKEN, PACED, TAKEN
from trainer.engines.compiled.taken import mark_taken

KIND, PRE, N_PRE, POST_PART, REACH, DENSE = col.KIND, col.PRE, col.N_PRE, col.POST_PART, col.REACH, col.DENSE


@exact
def fill(array, value):
    """``array[:] = value``."""
    for j in range(array.shape[0]):
        array[j] = value


@apart
def copy(source, target):
    """``target[:] = source``."""
    for j in range(target.shape[0]):
        target[j] = source[j]


@exact
def list_inputs(rules, state, frame, bits, h_input, n_neurons):
    """The inputs of a time step that are not zero and not dropped, into ``event`` and ``event_x``.

    ``bits``: the frame read as integers, which are compared in half the time.
    """
    n, whole = 0, bits.shape[0] // LANES * LANES
    for i in range(0, whole, LANES):
        n = list_set(nonzero(bits, i), i, state.event, n)
    for i in range(whole, bits.shape[0]):
        state.event[n] = i
        n += np.int64(bits[i] != 0)
    if rules.input_drop > 0:
        kept = 0
        for e in range(n):
            state.event[kept] = state.event[e]
            kept += np.int64(draw(h_input, n_neurons + state.event[e]) >= rules.input_drop)
        n = kept
    for e in range(n):
        state.event_x[e] = frame[state.event[e]]
    state.n[N_EVENTS] = n


@exact
def list_events(net, rules, state, frame, events, h_input, n_neurons):
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
    fill(span(state.event_x, 0, kept), 1)
    fill(span(state.event_left, 0, kept), LEFT)
    state.n[N_EVENTS] = kept
    for e in range(kept):
        state.n[N_EVENTS_ON_WAY] += np.int64(net.input_sends[state.event[e]])


@exact
def deliver_event(net, numbers, state, e):
    """One event that was taken, through every link that reads its input."""
    i = np.int64(state.event[e])
    state.event_left[e] = GONE
    state.n[N_EVENTS_ON_WAY] -= np.int64(net.input_sends[i])
    for l in net.input_links:
        row = net.link[l]
        if row[PRE] <= i < row[PRE] + row[N_PRE]:
            deliver(net, row, i, state.event_x[e], numbers.weights, state.sums, state.sites)
            state.touched[row[POST_PART]] |= row[REACH]


@exact
def deliver_whole_frame(net, rules, numbers, state, tape):
    """Input ``first``: everything listed, link by link."""
    n, at = state.n[N_EVENTS], tape.used[EVENTS]
    for l in net.input_links:
        row = net.link[l]
        if n > 0:
            state.touched[row[POST_PART]] = WHOLE
        if row[KIND] == DENSE:
            deliver_frame(row, state.event, state.event_x, n, numbers.weights, state.sums)
            continue
        for e in range(n):
            i = np.int64(state.event[e])
            if row[PRE] <= i < row[PRE] + row[N_PRE]:
                deliver(net, row, i, state.event_x[e], numbers.weights, state.sums, state.sites)
    if rules.training:
        copy(state.event, span(tape.event, at, at + n))
        copy(state.event_x, span(tape.event_x, at, at + n))
        tape.used[EVENTS] += n


@exact
def deliver_first(net, rules, numbers, state, tape):
    """What arrives at k = 0: the whole frame, or the events taken before the first round."""
    if rules.input == FIRST:
        deliver_whole_frame(net, rules, numbers, state, tape)
        return
    for e in range(state.n[N_EVENTS]):
        if state.event_left[e] != TAKEN:
            continue
        deliver_event(net, numbers, state, e)
        if rules.training:
            tape.event[tape.used[EVENTS]], tape.event_x[tape.used[EVENTS]] = state.event[e], 1
            tape.used[EVENTS] += 1


@exact
def take_paced(rules, state):
    """The next R events in their order."""
    if rules.input == PACED:
        stop = min(state.n[N_EVENTS], state.n[N_TAKEN] + rules.per_round)
        for e in range(state.n[N_TAKEN], stop):
            mark_taken(state, e)
