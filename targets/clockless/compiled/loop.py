"""The loop of a timed sample, compiled: what happens in its order, as ``targets.clockless.plain`` says."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from ir.timing import INPUT
from targets.clockless.compiled.jit import fingerprint, kernel_inside, kernel_on_disk
from targets.clockless.compiled.queues import (
    ARRIVALS,
    ENDS,
    FRAMES,
    KIND_BITS,
    NUMBER_BITS,
    PLACE_BITS,
    STARTS,
    enqueue,
    pop,
    push,
)
from targets.clockless.compiled.sending import arrive, make_packets, send
from targets.clockless.compiled.services import (
    QUEUE_READ,
    QUEUE_WRITE,
    begin_frame,
    close_frame,
    log_end,
    log_entry,
    log_event,
    start,
    start_bias,
)
from targets.clockless.compiled.tables import (
    BUSY,
    CREDIT_EXPECTED,
    E_CORE,
    FRAME,
    FULL,
    HEAP_SIZE,
    INPUT_ORDER,
    LIVE,
    N_EVENTS,
    N_OUT,
    NO_PERIOD,
    NOW,
    OUT_HEAD,
    P_DEPTH,
    PORT_AT,
    PORT_END,
    PORT_EXPECTED,
    PORT_WAITS,
    Q_LENGTH,
    RESERVED,
    SENT,
    START_EXPECTED,
    STUCK,
    TO_COME,
    Net,
    Rules,
    State,
)

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def wake(state: State, c: Int) -> None:
    """Let an idle core with events start, at the end of this instant."""
    core = state.core[c]
    if core[Q_LENGTH] > 0 and not core[BUSY] and core[OUT_HEAD] < 0 and not core[START_EXPECTED]:
        core[START_EXPECTED] = 1
        push(state.heap, state.n, state.n[NOW], STARTS, 1 + c, 0, 0)


@kernel_inside
def let_frames_in(net: Net, rules: Rules, state: State, c: Int) -> None:
    """Frames take effect on a core between two services."""
    core, now = state.core[c], state.n[NOW]
    while core[TO_COME] > 0 and not core[BUSY]:
        lasts = begin_frame(net, rules, state, c, now)
        if lasts > 0:
            push(state.heap, state.n, now + lasts, ENDS, 1 + c, 0, 0)


@kernel_inside
def pump(net: Net, rules: Rules, state: State, port: Array) -> None:
    """Let input events in that are due, each at all of its cores at once."""
    n, now = state.n, state.n[NOW]
    n[PORT_WAITS] = 0
    while n[PORT_AT] < n[PORT_END]:
        ps, t, source = port[n[PORT_AT], 0], port[n[PORT_AT], 1], port[n[PORT_AT], 2]
        if ps > now:
            if not n[PORT_EXPECTED]:
                n[PORT_EXPECTED] = 1
                push(state.heap, n, ps, ARRIVALS, 0, 0, 0)
            return
        first, last = net.entry_start[source], net.entry_start[source + 1]
        if rules.blocks:
            for e in range(first, last):
                core = state.core[net.entry[e, E_CORE]]
                if core[Q_LENGTH] + core[RESERVED] >= rules.queue_events:
                    n[PORT_WAITS] = 1
                    return
        n[PORT_AT] += 1
        bits = (rules.header_flits + 1) * rules.flit_bits
        for e in range(first, last):
            c = net.entry[e, E_CORE]
            state.operations[QUEUE_WRITE] += bits
            state.operations[QUEUE_READ] += bits
            if enqueue(
                state.core[c], state.pool, n, rules.queue_events, rules.blocks, now, n[INPUT_ORDER], t, e, source
            ):
                if rules.logs:
                    log_event(state, t, source)
                    log_entry(state, INPUT, c, t, now, now, n[N_EVENTS] - 1, 1)
            wake(state, c)
        n[INPUT_ORDER] += 1


@kernel_inside
def next_frame(net: Net, rules: Rules, state: State, port: Array, port_start: Array) -> None:
    """A frame comes: all cores take it between two services, its input enters."""
    n, now = state.n, state.n[NOW]
    n[FRAME] += 1
    t = n[FRAME]
    state.times[0, t] = now
    for c in range(rules.n_cores):
        state.core[c, TO_COME] += 1
        let_frames_in(net, rules, state, c)
    for at in range(port_start[t], port_start[t + 1]):
        port[at, 0] += now
        for e in range(net.entry_start[port[at, 2]], net.entry_start[port[at, 2] + 1]):
            state.core[net.entry[e, E_CORE], SENT] += 1
    n[PORT_END] = port_start[t + 1]
    pump(net, rules, state, port)
    if rules.frame_period_ps != NO_PERIOD and t + 1 < rules.n_steps:
        push(state.heap, n, state.times[0, 0] + (t + 1) * rules.frame_period_ps, FRAMES, 0, 0, 0)


@kernel_inside
def end(net: Net, rules: Rules, state: State, c: Int) -> None:
    """A service, an entry of biases or a sweep ends: what it does takes effect, its spikes leave."""
    now = state.n[NOW]
    state.core[c, BUSY] = 0
    if rules.logs:
        log_end(net, state, c, now)
    make_packets(net, rules, state, c, now)
    let_frames_in(net, rules, state, c)
    send(net, rules, state, c, now)
    wake(state, c)


@kernel_inside
def quiet(net: Net, rules: Rules, state: State) -> None:
    """Nothing runs, travels or comes: biases that are due enter by depth, else the frame is done."""
    n, now, n_populations = state.n, state.n[NOW], len(net.pop)
    waits = n[PORT_AT] < n[PORT_END] or n[N_OUT] > 0
    for c in range(rules.n_cores):
        waits |= state.core[c, Q_LENGTH] > 0
    if waits:
        n[FULL] = STUCK
        return
    depth = -1
    for at in range(len(state.due)):
        if state.due[at] and (depth < 0 or net.pop[at % n_populations, P_DEPTH] < depth):
            depth = net.pop[at % n_populations, P_DEPTH]
    if depth >= 0:
        for c in range(rules.n_cores):
            lasts = start_bias(net, rules, state, c, depth, now)
            if lasts > 0:
                push(state.heap, n, now + lasts, ENDS, 1 + c, 0, 0)
        return
    if state.times[1, n[FRAME]] < 0:
        state.times[1, n[FRAME]] = now
    if rules.frame_period_ps == NO_PERIOD and n[FRAME] + 1 < rules.n_steps:
        push(state.heap, n, now + rules.detect_ps, FRAMES, 0, 0, 0)


@kernel_inside
def credit(net: Net, rules: Rules, state: State, port: Array) -> None:
    """Word that a queue has room again: who waits tries anew."""
    state.n[CREDIT_EXPECTED] = 0
    for c in range(rules.n_cores):
        if state.core[c, OUT_HEAD] >= 0:
            send(net, rules, state, c, state.n[NOW])
            wake(state, c)
    pump(net, rules, state, port)


@kernel_inside
def start_on(net: Net, rules: Rules, state: State, c: Int) -> None:
    """A core begins a service, where it still may."""
    core, n, now = state.core[c], state.n, state.n[NOW]
    core[START_EXPECTED] = 0
    if core[Q_LENGTH] == 0 or core[BUSY] or core[OUT_HEAD] >= 0:
        return
    push(state.heap, n, now + start(net, rules, state, c, now), ENDS, 1 + c, 0, 0)
    if rules.blocks and (n[PORT_WAITS] or n[N_OUT] > 0) and not n[CREDIT_EXPECTED]:
        n[CREDIT_EXPECTED] = 1
        push(state.heap, n, now + 1, ENDS, 1 + rules.n_cores + rules.n_links, 0, 0)


@kernel_inside
def run_sample(net: Net, rules: Rules, state: State, port: Array, port_start: Array) -> None:
    """From the first frame to the end of the last, or until a table is full or nothing can move."""
    n, heap, last_core = state.n, state.heap, rules.n_cores
    if rules.n_steps:
        push(heap, n, 0, FRAMES, 0, 0, 0)
    while n[HEAP_SIZE] and not n[FULL]:
        n[NOW], key, a, b = heap[0, 0], heap[0, 1], heap[0, 2], heap[0, 3]
        pop(heap, n)
        phase = key >> (PLACE_BITS + NUMBER_BITS)
        place = (key >> NUMBER_BITS) & ((1 << PLACE_BITS) - 1)
        n[LIVE] -= phase != FRAMES
        if phase == FRAMES:
            next_frame(net, rules, state, port, port_start)
        elif phase == STARTS:
            start_on(net, rules, state, place - 1)
        elif phase == ENDS and place <= last_core:
            end(net, rules, state, place - 1)
        elif phase == ENDS:
            credit(net, rules, state, port)
        elif place == 0:
            n[PORT_EXPECTED] = 0
            pump(net, rules, state, port)
        else:
            arrive(net, rules, state, a, b)
        if n[LIVE] == 0 and not n[FULL] and not (n[HEAP_SIZE] and heap[0, 0] == n[NOW]):
            quiet(net, rules, state)
    if not n[FULL]:
        for c in range(rules.n_cores):
            close_frame(net, rules, state, c)


def _entry(source: int) -> Any:
    @kernel_on_disk
    def run_timed(net: Net, rules: Rules, state: State, port: Array, port_start: Array) -> int:
        if source:
            run_sample(net, rules, state, port, port_start)
        return 0

    return run_timed


run_timed = _entry(fingerprint())
"""``run_sample``, kept compiled on disk."""

assert KIND_BITS
