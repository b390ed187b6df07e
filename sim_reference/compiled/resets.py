"""Resets, compiled: at a spike, at the start of the time step after it, or every so many time steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arrays import Array
from sim_reference.compiled.flat import (
    INTERVAL,
    KEEPS,
    NONE,
    OFFSET,
    RESET,
    START,
    STOP,
    SUBTRACT,
    SUBTRACT_LATE,
    ZERO,
    ZERO_LATE,
    FlatNetwork,
)
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import V, Work, leak, zero

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def begin_time_step(net: FlatNetwork, work: Work, t: Int) -> None:
    """Leak all registers once, and reset what is due to be reset."""
    for p in range(net.pop.shape[0]):
        a, z = net.pop[p, START], net.pop[p, STOP]
        leak_v(net, work, p, t)
        if net.pop[p, KEEPS]:
            leak(work.u[a:z], net.keep_u[a:z])
        else:
            zero(work.u[a:z])


@kernel_inside
def leak_v(net: FlatNetwork, work: Work, p: Int, t: Int) -> None:
    """Reset what is due to be reset, leak the membranes of a population, and reset those that fired a step ago."""
    a, z, reset = net.pop[p, START], net.pop[p, STOP], net.pop[p, RESET]
    reset_if_due(net, work, p, t)
    leak(work.v[a:z], net.keep_v[0, a:z])
    if resets_late(reset):
        _reset_late(work.v[a:z], work.late[a:z], reset, net.threshold[a:z], net.v_min[a:z], work.limits)


@kernel
def resets_late(reset: Int) -> bool:
    return reset == ZERO_LATE or reset == SUBTRACT_LATE


@kernel_inside
def reset_if_due(net: FlatNetwork, work: Work, p: Int, t: Int) -> None:
    """Clear the registers of a population that is cleared every so many time steps."""
    a, z, every = net.pop[p, START], net.pop[p, STOP], net.pop[p, INTERVAL]
    if every > 0 and (t + 1) % every == net.pop[p, OFFSET] % every:
        zero(work.v[a:z])
        zero(work.u[a:z])
        zero(work.late[a:z])


@kernel
def _reset_late(v: Array, late: Array, reset: Int, threshold: Array, v_min: Array, limits: Array) -> None:
    """``v <- 0`` or ``v <- v - threshold``, held inside its register, where neurons fired in the time step before."""
    for i in range(v.size):
        if late[i]:
            late[i] = 0
            less = np.int64(v[i]) - threshold[i]
            held = less if less > v_min[i] else np.int64(v_min[i])
            if reset == ZERO_LATE:
                less, held = np.int64(0), np.int64(0)
            limits[V] += held != less
            v[i] = held


@kernel_inside
def reset_at_spike(net: FlatNetwork, work: Work, p: Int, i: Int) -> None:
    """What a spike leaves of its neuron's membrane."""
    reset = net.pop[p, RESET]
    if reset == ZERO:
        work.v[i] = 0
    elif reset == SUBTRACT:
        work.v[i] = work.v[i] - net.threshold[i]
    elif reset != NONE:
        work.late[i] = 1
