"""Neurons between services, compiled: leak, charge, bias, fire, as ``targets.clockless.registers`` says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arithmetic import DECAY_ALL, LIMITS, U_WRAPS
from ir.arrays import Array
from targets.clockless.compiled.jit import kernel, kernel_inside
from targets.clockless.compiled.tables import (
    LATE,
    LEAKED,
    MARK,
    N_BIAS,
    N_BIAS_U,
    N_DECAY_U,
    N_DECAY_V,
    N_POP,
    N_REACHED,
    N_SLOTS_AT,
    N_THRESHOLD,
    N_V_MIN,
    P_CURRENT,
    P_INTERVAL,
    P_OFFSET,
    P_REFRACTORY,
    P_RESET,
    RESTS,
    Net,
    Rules,
    State,
    U,
    V,
)
from targets.clockless.wiring import NO_RESET, SUBTRACT, SUBTRACT_LATE, ZERO, ZERO_LATE

INT32, ACCUMULATOR, LIMIT_U, LIMIT_V = range(len(LIMITS))
TWO_SIDED, SATURATE = (U_WRAPS.index(name) for name in ("two_sided", "saturate"))

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel
def int32(x: Int, limits: Array) -> Int:
    """Two's complement in 32 bits, counted."""
    wrapped = np.int64(np.int32(x))
    if wrapped != x:
        limits[INT32] += 1
    return wrapped


@kernel
def into(x: Int, bits: Int) -> Int:
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


@kernel
def edge_u(u: Int, bits: Int, kind: Int, limits: Array) -> Int:
    """A current at its edge."""
    edge = 1 << bits
    held = u
    if kind == TWO_SIDED:
        held = into(u, bits)
    elif kind == SATURATE:
        held = min(max(u, 1 - edge), edge - 1)
    elif u > edge:
        held = u - 2 * edge
    elif u <= -edge:
        held = u + 2 * edge
    if held != u:
        limits[LIMIT_U] += 1
    return held


@kernel
def leak(x: Int, decay: Int) -> Int:
    left = (abs(x) * (DECAY_ALL - decay)) >> 12
    return left if x >= 0 else -left


@kernel
def edge_v(v: Int, number: Array, v_max: Int, limits: Array) -> Int:
    """A membrane at its edge."""
    held = min(max(v, number[N_V_MIN]), v_max)
    if held != v:
        limits[LIMIT_V] += 1
    return held


@kernel
def settle(row: Array, number: Array, pop: Array, t: Int, v_max: Int, limits: Array) -> None:
    """Let one neuron leak up to frame t, with the resets on the way."""
    for frame in range(row[LEAKED] + 1, t + 1):
        every = pop[P_INTERVAL]
        if every and (frame + 1 - pop[P_OFFSET]) % every == 0:
            row[V] = 0
            row[U] = 0
            row[LATE] = 0
        row[V] = leak(row[V], number[N_DECAY_V])
        row[U] = leak(row[U], number[N_DECAY_U]) if pop[P_CURRENT] else 0
        if row[LATE]:
            row[V] = 0 if pop[P_RESET] == ZERO_LATE else edge_v(row[V] - number[N_THRESHOLD], number, v_max, limits)
            row[LATE] = 0
    row[LEAKED] = t


@kernel
def drive(
    slots: Array, slot_table: Array, acc: Array, limits: Array, first: Int, last: Int, shift: Int, bits: Int
) -> Int:
    """What the sums of a neuron's slots bring, in register units; the sums are cleared."""
    total = 0
    for at in range(first, last):
        slot = slots[at]
        exact = acc[slot]
        if exact:
            acc[slot] = 0
            e = slot_table[slot, 1]
            total += int32(exact << e if e >= 0 else exact >> -e, limits)
    x = int32(int32(total, limits) << shift, limits)
    if bits:
        wrapped = into(x, bits)
        limits[ACCUMULATOR] += wrapped != x
        x = wrapped
    return x


@kernel
def receive(
    row: Array, number: Array, pop: Array, x: Int, due: Int, limits: Array, bits: Int, kind: Int, in_u: Int, v_max: Int
) -> bool:
    """Add a drive, and what comes once a frame; returns whether the neuron fires now.

    Args:
        bits, kind: of the current's edge. in_u: whether a bias is added to the current.
    """
    keeps = pop[P_CURRENT]
    x_u = x + number[N_BIAS_U] if due else x
    u = edge_u(int32((row[U] if keeps else 0) + x_u, limits), bits, kind, limits)
    row[U] = u if keeps else 0
    arriving = u if due or not keeps else x
    bias = number[N_BIAS] if due else 0
    if in_u and due:
        arriving = edge_u(arriving + bias, bits, kind, limits)
        bias = 0
    held = edge_v(int32(row[V] + arriving + bias, limits), number, v_max, limits)
    row[V] = 0 if row[RESTS] and pop[P_RESET] == ZERO else held
    return row[V] > number[N_THRESHOLD] and not row[RESTS]


@kernel
def fire(row: Array, number: Array, pop: Array) -> Int:
    """Reset a neuron that fires; returns its membrane before."""
    m = row[V]
    late = pop[P_RESET] == ZERO_LATE or pop[P_RESET] == SUBTRACT_LATE
    if not late and pop[P_RESET] != NO_RESET:
        row[V] = m - number[N_THRESHOLD] if pop[P_RESET] == SUBTRACT else 0
    row[LATE] = late
    row[RESTS] = pop[P_REFRACTORY]
    return m


@kernel
def reach(reg: Array, reached: Array, n: Array, i: Int) -> None:
    """Mark a neuron that the charge at hand reaches."""
    if not reg[i, MARK]:
        reg[i, MARK] = 1
        reached[n[N_REACHED]] = i
        n[N_REACHED] += 1


@kernel
def add_synapses(
    slots: Array,
    weights: Array,
    table: Array,
    acc: Array,
    reg: Array,
    reached: Array,
    n: Array,
    begin: Int,
    end: Int,
) -> None:
    """Add the weights of one event on a core, and mark whom it reaches."""
    count = n[N_REACHED]
    for at in range(begin, end):
        slot = slots[at]
        acc[slot] += weights[at]
        i = table[slot, 0]
        if not reg[i, MARK]:
            reg[i, MARK] = 1
            reached[count] = i
            count += 1
    n[N_REACHED] = count


@kernel_inside
def effect(net: Net, rules: Rules, state: State, t: Int, first: Int, due: Array, at: Int) -> Int:
    """Charge all that were reached; list who fires, ascending, from place ``at`` of ``fired``; returns their number.

    Args:
        first: of those reached, with whom to begin.
        due: (P,) populations whose bias and current enter.
    """
    found = 0
    reg, neuron, pop, slots, table = state.reg, net.neuron, net.pop, net.slots, net.slot
    acc, limits, fired, v_max = state.acc, state.limits, state.fired, rules.v_max
    shift, wide, bits, kind, in_u = (
        rules.weight_shift,
        rules.accumulator_bits,
        rules.u_bits,
        rules.u_edge,
        rules.bias_in_u,
    )
    for place in range(first, state.n[N_REACHED]):
        i = state.reached[place]
        p = neuron[i, N_POP]
        reg[i, MARK] = 0
        if reg[i, LEAKED] < t:
            settle(reg[i], neuron[i], pop[p], t, v_max, limits)
        x = drive(slots, table, acc, limits, neuron[i, N_SLOTS_AT], neuron[i + 1, N_SLOTS_AT], shift, wide)
        if receive(reg[i], neuron[i], pop[p], x, due[p], limits, bits, kind, in_u, v_max):
            to = at + found
            while to > at and fired[to - 1] > i:
                fired[to] = fired[to - 1]
                to -= 1
            fired[to] = i
            found += 1
    return found
