"""Packets, compiled: made of what a service fired, held where a queue is full, over the links, into the queues."""

from __future__ import annotations

from typing import Any

from targets.clockless.compiled.jit import kernel_inside
from targets.clockless.compiled.neurons import fire
from targets.clockless.compiled.queues import ARRIVALS, KIND_BITS, STARTS, enqueue, push
from targets.clockless.compiled.services import (
    C_FLITS,
    C_HOPS,
    C_PACKETS,
    C_SPIKES,
    HOP_BITS,
    QUEUE_READ,
    QUEUE_WRITE,
)
from targets.clockless.compiled.tables import (
    A_FLITS,
    A_FRAME,
    A_NEXT,
    A_ON_WAY,
    A_ROUTE,
    A_SIZE,
    BIASING,
    BUSY,
    E_CORE,
    FREE_PACKET,
    FULL,
    HELD_PS,
    HELD_SINCE,
    LOG_FULL,
    MODE,
    N_FIRED,
    N_GROUP,
    N_HOLDS,
    N_OUT,
    N_POP,
    N_ROWS,
    NOW,
    OUT_HEAD,
    OUT_TAIL,
    PACKETS_FULL,
    Q_LENGTH,
    R_NODE_AT,
    R_TARGET_AT,
    RESERVED,
    ROWS_FULL,
    SENT,
    START_EXPECTED,
    SWEEPING,
    K,
    Net,
    Rules,
    State,
    T,
)

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def make_packets(net: Net, rules: Rules, state: State, c: Int, now: Int) -> None:
    """Reset who fires, write the spikes down, and make their packets, entry by entry."""
    core, n_populations = state.core[c], len(net.pop)
    if core[MODE] == SWEEPING:
        return
    at = net.held_start[c * n_populations]
    if core[MODE] != BIASING:
        _entry(net, rules, state, c, now, at, at + core[N_FIRED])
        core[N_FIRED] = 0
        return
    end = at + core[N_FIRED]
    for p in range(n_populations):
        if state.entering[c * n_populations + p]:
            stop = at
            while stop < end and net.neuron[state.fired[stop], N_POP] == p:
                stop += 1
            _entry(net, rules, state, c, now, at, stop)
            at = stop
    core[N_FIRED] = 0


@kernel_inside
def _entry(net: Net, rules: Rules, state: State, c: Int, now: Int, first: Int, last: Int) -> None:
    """The spikes of one entry of the log."""
    core, n = state.core[c], state.n
    for at in range(first, last):
        i = state.fired[at]
        m = fire(state.reg[i], net.neuron[i], net.pop[net.neuron[i, N_POP]])
        if n[N_ROWS] == len(state.rows):
            n[FULL] = ROWS_FULL
            return
        row = state.rows[n[N_ROWS]]
        row[0], row[1], row[2], row[3], row[4] = core[T], core[K], i, m, now
        n[N_ROWS] += 1
    state.counts[C_SPIKES] += last - first
    core[K] += 1
    for at in range(first, last):
        group = net.neuron[state.fired[at], N_GROUP]
        is_first = group >= 0
        for earlier in range(first, at):
            if net.neuron[state.fired[earlier], N_GROUP] == group:
                is_first = False
                break
        if is_first:
            _group(net, rules, state, c, at, last, group)


@kernel_inside
def _group(net: Net, rules: Rules, state: State, c: Int, first: Int, last: Int, group: Int) -> None:
    """Packets of the neurons of one group among ``fired``."""
    at = first
    while at < last:
        part, size = at, 0
        while at < last and size < rules.packet_spikes:
            size += net.neuron[state.fired[at], N_GROUP] == group
            at += 1
        if size == 0:
            return
        for place in range(net.group_start[group], net.group_start[group + 1]):
            _packet(net, rules, state, c, part, size, group, net.group_route[place])


@kernel_inside
def _packet(net: Net, rules: Rules, state: State, c: Int, first: Int, size: Int, group: Int, route: Int) -> None:
    n, core = state.n, state.core[c]
    new = n[FREE_PACKET]
    if new < 0:
        n[FULL] = PACKETS_FULL
        return
    packet = state.packet[new]
    n[FREE_PACKET] = packet[A_NEXT]
    flits = rules.header_flits + (size + rules.spikes_a_flit - 1) // rules.spikes_a_flit
    packet[A_ROUTE], packet[A_SIZE], packet[A_FRAME], packet[A_FLITS] = route, size, core[T], flits
    packet[A_ON_WAY], packet[A_NEXT] = 1, -1
    at, found = first, 0
    while found < size:
        i = state.fired[at]
        if net.neuron[i, N_GROUP] == group:
            state.spike[new, found] = i
            found += 1
        at += 1
    if core[OUT_TAIL] < 0:
        core[OUT_HEAD] = new
    else:
        state.packet[core[OUT_TAIL], A_NEXT] = new
    core[OUT_TAIL] = new
    n[N_OUT] += 1
    state.counts[C_PACKETS] += 1
    state.counts[C_FLITS] += flits
    for place in range(net.route[route, R_TARGET_AT], net.route[route + 1, R_TARGET_AT]):
        state.core[net.target[place], SENT] += size


@kernel_inside
def send(net: Net, rules: Rules, state: State, c: Int, now: Int) -> None:
    """Let packets of a core go, in their order, as long as their targets have places."""
    core, n = state.core[c], state.n
    while core[OUT_HEAD] >= 0:
        at = core[OUT_HEAD]
        packet = state.packet[at]
        if rules.blocks:
            first, last = net.route[packet[A_ROUTE], R_TARGET_AT], net.route[packet[A_ROUTE] + 1, R_TARGET_AT]
            for place in range(first, last):
                target = state.core[net.target[place]]
                if rules.queue_events - target[Q_LENGTH] - target[RESERVED] < packet[A_SIZE]:
                    if core[HELD_SINCE] < 0:
                        core[HELD_SINCE] = now
                    return
            for place in range(first, last):
                state.core[net.target[place], RESERVED] += packet[A_SIZE]
        core[OUT_HEAD] = packet[A_NEXT]
        if core[OUT_HEAD] < 0:
            core[OUT_TAIL] = -1
        n[N_OUT] -= 1
        push(state.heap, n, now, ARRIVALS, 1 + c, at, 0)
    if core[HELD_SINCE] >= 0:
        core[HELD_PS] += now - core[HELD_SINCE]
        if rules.logs:
            if n[N_HOLDS] == len(state.holds):
                n[FULL] = LOG_FULL
                return
            hold = state.holds[n[N_HOLDS]]
            hold[0], hold[1], hold[2] = c, core[HELD_SINCE], now
            n[N_HOLDS] += 1
    core[HELD_SINCE] = -1


@kernel_inside
def arrive(net: Net, rules: Rules, state: State, at: Int, node: Int) -> None:
    """A packet is on a tile: it enters the queues there, and the links ahead."""
    n, packet = state.n, state.packet[at]
    now, bits = n[NOW], packet[A_FLITS] * rules.flit_bits
    place = net.route[packet[A_ROUTE], R_NODE_AT] + node
    for tile in range(net.tile_start[place], net.tile_start[place + 1]):
        c = net.tile_core[tile]
        core = state.core[c]
        state.operations[QUEUE_WRITE] += bits
        state.operations[QUEUE_READ] += bits
        if rules.blocks:
            core[RESERVED] -= packet[A_SIZE]
        for spike in range(packet[A_SIZE]):
            i = state.spike[at, spike]
            e = net.entry_start[i]
            while net.entry[e, E_CORE] != c:
                e += 1
            order = (1 << KIND_BITS) | i
            enqueue(core, state.pool, n, rules.queue_events, rules.blocks, now, order, packet[A_FRAME], e, i)
        if core[Q_LENGTH] > 0 and not core[BUSY] and core[OUT_HEAD] < 0 and not core[START_EXPECTED]:
            core[START_EXPECTED] = 1
            push(state.heap, n, now, STARTS, 1 + c, 0, 0)
    for branch in range(net.child_start[place], net.child_start[place + 1]):
        link, child = net.child[branch, 0], net.child[branch, 1]
        done = max(now, state.link_free[link]) + packet[A_FLITS] * rules.flit_ps
        state.link_free[link] = done
        state.link_flits[link] += packet[A_FLITS]
        state.counts[C_HOPS] += 1
        state.operations[HOP_BITS] += bits
        packet[A_ON_WAY] += 1
        push(state.heap, n, done, ARRIVALS, 1 + rules.n_cores + link, at, child)
    packet[A_ON_WAY] -= 1
    if packet[A_ON_WAY] == 0:
        packet[A_NEXT] = n[FREE_PACKET]
        n[FREE_PACKET] = at
