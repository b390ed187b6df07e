"""The start of a time step: what is reset and leaks before anything arrives."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.arrival import fill
from trainer.engines.compiled.flat import UNSEEN, V
from trainer.engines.compiled.integrate import is_fixed, mark_hot, reset_late
from trainer.engines.compiled.jit import apart, exact
from trainer.engines.compiled.lanes import NOTHING
from trainer.engines.compiled.state import CARRIED


@apart
def scale(x, share, whole):
    """``x *= share``, toward zero for integers."""
    for j in range(x.shape[0]):
        x[j] = x[j] * share[j]
    if whole:
        for j in range(x.shape[0]):
            x[j] = np.trunc(x[j])


@exact
def begin_time_step(net, rules, numbers, state, used, cleared):
    """Leak once, reset what resets late, clear flags and the queue, but where they are carried not who may still be
    asked in a silent slot; ``cleared``: populations whose registers are reset before the leak."""
    v, u = state.v, state.u
    for p in range(net.depth.shape[0]):
        if cleared[p]:
            fill(v[net.part_at[p] : net.part_at[p + 1]], 0)
            fill(state.spikes[net.part_at[p] : net.part_at[p + 1]], 0)
            if rules.current:
                fill(u[net.part_at[p] : net.part_at[p + 1]], 0)
        elif net.late[p] and not net.subtract[p]:
            for j in range(net.part_at[p], net.part_at[p + 1]):
                v[j] = 0 if state.spikes[j] > 0 else v[j]
    scale(v, numbers.leak_v, is_fixed(rules, v))
    for p in range(net.depth.shape[0]):
        if net.late[p] and net.subtract[p]:
            beyond = reset_late(net, rules, numbers, state, p)
            used[V] += beyond if is_fixed(rules, v) else 0
    if rules.current:
        scale(u, numbers.leak_u, is_fixed(rules, v))
    fill(state.shut, 0)
    fill(state.spikes, 0)
    fill(state.waiting, 0)
    fill(state.q, 0)
    if rules.silent != CARRIED:
        fill(state.live, 0)
    fill(state.reached, 0)
    fill(state.sums, 0)
    fill(state.touched, UNSEEN)
    fill(state.sites, NOTHING)
    fill(state.n, 0)
    for p in range(net.depth.shape[0]):
        if is_fixed(rules, state.v) and net.has_current[p]:
            mark_hot(net, rules, state, p)
