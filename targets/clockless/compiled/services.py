"""What a core does, compiled: take a frame, begin a service or an entry of biases, and what each costs."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from ir.timing import BIAS, COUNTS, FRAME, LOG_COLUMNS, OPERATIONS, SERVICE
from targets.clockless.compiled.jit import kernel_inside
from targets.clockless.compiled.neurons import add_synapses, effect, reach, settle
from targets.clockless.compiled.queues import dequeue
from targets.clockless.compiled.tables import (
    BEGAN,
    BIASING,
    BUSY,
    BUSY_PS,
    E_BITS,
    E_STEPS,
    E_SYNAPSE_AT,
    E_SYNAPSES,
    E_TOUCHED_AT,
    FULL,
    LATE,
    LEAKED,
    LOG_FULL,
    MODE,
    N_ENTERING,
    N_ENTRIES,
    N_EVENTS,
    N_FIRED,
    N_POP,
    N_REACHED,
    N_TAKEN,
    P_CURRENT,
    P_DUE,
    Q_ENTRY,
    Q_FRAME,
    Q_LENGTH,
    Q_SOURCE,
    RESTS,
    SERVICES,
    SERVING,
    SWEEPING,
    TAKEN,
    TO_COME,
    K,
    Net,
    Rules,
    State,
    T,
)

CONTROLLER, NPE, MEMORY_READ, MEMORY_WRITE, QUEUE_READ, QUEUE_WRITE, HOP_BITS = range(len(OPERATIONS))
C_EVENTS, C_SYNAPSES, C_TOUCHED, C_LEAKED, C_BIASED, C_SPIKES, C_PACKETS, C_FLITS, C_HOPS = range(9)
C_LATE, C_MISSED = range(9, len(COUNTS))

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def log_entry(state: State, kind: Int, c: Int, t: Int, start: Int, end: Int, first: Int, size: Int) -> None:
    """Append an entry of the log."""
    n = state.n
    if n[N_ENTRIES] == len(state.entries):
        n[FULL] = LOG_FULL
        return
    row = state.entries[n[N_ENTRIES]]
    n[N_ENTRIES] += 1
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = kind, c, t, start, end, first, size


@kernel_inside
def log_event(state: State, t: Int, source: Int) -> None:
    """Append an event that the next entry took."""
    n = state.n
    if n[N_EVENTS] == len(state.events):
        n[FULL] = LOG_FULL
        return
    state.events[n[N_EVENTS], 0], state.events[n[N_EVENTS], 1] = t, source
    n[N_EVENTS] += 1


@kernel_inside
def begins(rules: Rules, state: State, c: Int, now: Int, steps: Int, n_events: Int, n_ops: Int, bits: Int, least: Int
           ) -> Int:  # fmt: skip
    """Price work and make the core busy with it; returns how long it lasts."""
    state.operations[CONTROLLER] += steps * rules.step_ops
    state.operations[NPE] += n_ops * rules.npe_ops
    state.operations[MEMORY_READ] += bits
    state.operations[MEMORY_WRITE] += bits
    lasts = max(least, (steps * rules.npe_ops + n_events * rules.event_periods) * rules.period_ps)
    core = state.core[c]
    core[BUSY], core[BEGAN] = lasts > 0, now
    core[BUSY_PS] += lasts
    return lasts


@kernel_inside
def close_frame(net: Net, rules: Rules, state: State, c: Int) -> None:
    """Keep the states at the end of a core's frame."""
    t = state.core[c, T]
    if t < 0:
        return
    state.times[2, t] = max(state.times[2, t], state.core[c, K])
    n_populations = len(net.pop)
    for at in range(net.held_start[c * n_populations], net.held_start[(c + 1) * n_populations]):
        i = net.held[at]
        settle(state.reg[i], net.neuron[i], net.pop[net.neuron[i, N_POP]], t, rules.v_max, state.limits)
        if rules.records:
            for name in range(LATE + 1):
                state.states[name, t, i] = state.reg[i, name]


@kernel_inside
def begin_frame(net: Net, rules: Rules, state: State, c: Int, now: Int) -> Int:
    """Take the next frame; returns how long the core is busy with it."""
    close_frame(net, rules, state, c)
    core, n_populations = state.core[c], len(net.pop)
    core[TO_COME] -= 1
    core[T] += 1
    core[K] = 0
    core[MODE], core[N_TAKEN], core[N_ENTERING], core[N_FIRED] = SWEEPING, 0, 0, 0
    bits, n = 0, 0
    for p in range(n_populations):
        at = c * n_populations + p
        size = net.held_start[at + 1] - net.held_start[at]
        state.counts[C_MISSED] += state.due[at]
        state.due[at] = net.pop[p, P_DUE] and size > 0
        bits += size * (1 + net.pop[p, P_CURRENT]) * rules.state_bits
        n += size
        for place in range(net.held_start[at], net.held_start[at + 1]):
            i = net.held[place]
            state.reg[i, RESTS] = 0
            if not rules.lazy:
                settle(state.reg[i], net.neuron[i], net.pop[p], core[T], rules.v_max, state.limits)
    if rules.logs:
        log_entry(state, FRAME, c, core[T], now, now, state.n[N_EVENTS], 0)
    if rules.lazy:
        return 0
    state.counts[C_LEAKED] += n
    return begins(rules, state, c, now, (n + rules.npe - 1) // rules.npe, 0, n, bits, 0)


@kernel_inside
def start(net: Net, rules: Rules, state: State, c: Int, now: Int) -> Int:
    """Take up to G events; returns how long the service lasts. What it does is worked out at once, and shown later."""
    core, counts, n_populations = state.core[c], state.counts, len(net.pop)
    core[MODE], core[N_TAKEN], core[N_ENTERING] = SERVING, 0, 0
    core[SERVICES] += 1
    state.n[N_REACHED] = 0
    entering = state.entering[c * n_populations : (c + 1) * n_populations]
    for p in range(n_populations):
        entering[p] = 0
    steps, synapses, pointers = 0, 0, 0
    while core[N_TAKEN] < rules.group and core[Q_LENGTH] > 0:
        event = state.pool[dequeue(core, state.pool, state.n)]
        e, taken = event[Q_ENTRY], state.taken[c, core[N_TAKEN]]
        taken[0], taken[1] = event[Q_FRAME], event[Q_SOURCE]
        core[N_TAKEN] += 1
        counts[C_LATE] += event[Q_FRAME] < core[T]
        entry = net.entry[e]
        steps += entry[E_STEPS]
        synapses += entry[E_SYNAPSES]
        state.operations[MEMORY_READ] += entry[E_BITS]
        pointers += net.entry[e + 1, E_TOUCHED_AT] - entry[E_TOUCHED_AT]
        for at in range(entry[E_TOUCHED_AT], net.entry[e + 1, E_TOUCHED_AT]):
            p = net.touched[at]
            if state.due[c * n_populations + p]:
                state.due[c * n_populations + p] = 0
                entering[p] = 1
        begin, stop = entry[E_SYNAPSE_AT], net.entry[e + 1, E_SYNAPSE_AT]
        add_synapses(
            net.synapse_slot,
            net.synapse_weight,
            net.slot,
            state.acc,
            state.reg,
            state.reached,
            state.n,
            begin,
            stop,
        )
    core[TAKEN] += core[N_TAKEN]
    counts[C_EVENTS] += core[N_TAKEN]
    counts[C_SYNAPSES] += synapses
    state.operations[CONTROLLER] += pointers * rules.pointer_ops
    lasts = _charge(net, rules, state, c, now, steps, core[N_TAKEN], synapses, entering)
    core[N_FIRED] = effect(net, rules, state, core[T], 0, entering, net.held_start[c * n_populations])
    return lasts


@kernel_inside
def start_bias(net: Net, rules: Rules, state: State, c: Int, depth: Int, now: Int) -> Int:
    """Let the biases and currents of a depth in by themselves; returns how long that lasts, 0 where none is due."""
    core, n_populations = state.core[c], len(net.pop)
    entering = state.entering[c * n_populations : (c + 1) * n_populations]
    state.n[N_REACHED] = 0
    core[N_ENTERING] = 0
    for p in range(n_populations):
        entering[p] = state.due[c * n_populations + p] and net.pop[p, 0] == depth
        core[N_ENTERING] += entering[p]
    if core[N_ENTERING] == 0:
        return 0
    core[MODE], core[N_TAKEN] = BIASING, 0
    lasts = _charge(net, rules, state, c, now, 0, 0, 0, entering)
    at = net.held_start[c * n_populations]
    core[N_FIRED] = effect(net, rules, state, core[T], 0, entering, at)
    for p in range(n_populations):
        if entering[p]:
            state.due[c * n_populations + p] = 0
    return lasts


@kernel_inside
def _charge(
    net: Net, rules: Rules, state: State, c: Int, now: Int, steps: Int, n_events: Int, synapses: Int, entering: Array
) -> Int:
    """Reach those whose bias enters, and price what charges all who are reached."""
    n_populations, t, n_due, waited, currents = len(net.pop), state.core[c, T], 0, 0, 0
    for p in range(n_populations):
        if entering[p]:
            at = c * n_populations + p
            size = net.held_start[at + 1] - net.held_start[at]
            n_due += size
            steps += (size + rules.npe - 1) // rules.npe
            for place in range(net.held_start[at], net.held_start[at + 1]):
                reach(state.reg, state.reached, state.n, net.held[place])
    n = state.n[N_REACHED]
    for place in range(n):
        i = state.reached[place]
        waited += state.reg[i, LEAKED] < t
        currents += net.pop[net.neuron[i, N_POP], P_CURRENT]
    steps += (waited + rules.npe - 1) // rules.npe
    state.counts[C_TOUCHED] += n
    state.counts[C_LEAKED] += waited
    state.counts[C_BIASED] += n_due
    bits = (n + currents) * rules.state_bits + (n * rules.stamp_bits if rules.lazy else 0)
    return begins(rules, state, c, now, steps, n_events, synapses + n_due + waited, bits, 1)


@kernel_inside
def log_end(net: Net, state: State, c: Int, now: Int) -> None:
    """Write what ends into the log."""
    core, n_populations = state.core[c], len(net.pop)
    if core[MODE] == SERVING:
        first = state.n[N_EVENTS]
        for at in range(core[N_TAKEN]):
            log_event(state, state.taken[c, at, 0], state.taken[c, at, 1])
        log_entry(state, SERVICE, c, core[T], core[BEGAN], now, first, core[N_TAKEN])
    elif core[MODE] == BIASING:
        for p in range(n_populations):
            if state.entering[c * n_populations + p]:
                log_entry(state, BIAS, c, core[T], core[BEGAN], now, p, 0)


assert len(LOG_COLUMNS) == 7
