"""The backward pass between time steps: from the start of one, through late resets and the leak, to the end before."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled.arrival import fill
from trainer.engines.compiled.integrate import is_fixed
from trainer.engines.compiled.jit import apart, exact
from trainer.engines.compiled.lanes import span


@exact
def back_through_late_reset(net, rules, numbers, p, membranes, spikes, cleared_next, g, grads):
    """The gradient of membranes from the start of the next time step to the end of this one, for a population that
    resets in between.

    By subtraction ``v_next = leak v - threshold late``, held above the lowest membrane; to zero
    ``leak (v (1 - late))``, through which a neuron that fired passes no gradient. ``late``, what fired, carries none.
    """
    number, low = membranes.dtype.type, max(net.v_min[p], -rules.v_max)
    for j in range(net.part_at[p], net.part_at[p + 1]):
        fired, leak, height = spikes[j] > 0, numbers.leak_v[j], numbers.threshold[j]
        height = height if height < np.inf else number(0)
        if cleared_next:
            g.v[j] = number(0)
        elif net.subtract[p]:
            left = membranes[j] * leak
            after = (np.trunc(left) if is_fixed(rules, membranes) else left) - height
            g.v[j] = number(0) if fired and (after < low or after > rules.v_max) else g.v[j]
            grads.threshold[j] -= g.v[j] if fired else number(0)
            grads.leak_v[j] += g.v[j] * membranes[j]
            g.v[j] *= leak
        else:
            grads.leak_v[j] += number(0) if fired else g.v[j] * membranes[j]
            g.v[j] = number(0) if fired else g.v[j] * leak


@apart
def through_leak(g, x, leak, g_leak):
    """Through ``x_next = leak x``: ``g`` from after it to before it."""
    for j in range(g.shape[0]):
        g_leak[j] += g[j] * x[j]
        g[j] *= leak[j]


@apart
def add(g, more):
    """``g += more``."""
    for j in range(g.shape[0]):
        g[j] += more[j]


@apart
def end(g, g_out, spikes, shut, passed):
    """What arrives at membranes at the end of a time step: through neurons that fired nothing ``passed`` the leak."""
    zero = g.dtype.type(0)
    for j in range(g.shape[0]):
        own = zero if passed and spikes[j] > 0 else g[j]
        g[j] = zero if shut[j] != 0 else own + g_out[j]


@exact
def end_of_time_step(net, rules, numbers, membranes, currents, spikes, shut, cleared_next, g_out, g, grads, last):
    """From the start of the next time step, through the leak, to the end of this one; ``last``: there is no next."""
    for p in range(net.depth.shape[0]):
        if last or cleared_next[p]:
            fill(g.v[net.part_at[p] : net.part_at[p + 1]], 0)
            if rules.current:
                fill(g.u[net.part_at[p] : net.part_at[p + 1]], 0)
    if rules.current:
        through_leak(g.u, currents, numbers.leak_u, grads.leak_u)
    for p in range(net.depth.shape[0]):
        first, stop = net.part_at[p], net.part_at[p + 1]
        v = span(g.v, first, stop)
        if net.late[p]:
            back_through_late_reset(net, rules, numbers, p, membranes, spikes, last or cleared_next[p], g, grads)
        elif not last:
            through_leak(
                v, span(membranes, first, stop), span(numbers.leak_v, first, stop), span(grads.leak_v, first, stop)
            )
        if net.waits[p]:
            add(v, span(g_out, first, stop))
        else:
            end(
                v,
                span(g_out, first, stop),
                span(spikes, first, stop),
                span(shut, first, stop),
                not (last or net.late[p]),
            )


@exact
def start_of_sample(net, rules, numbers, v, u, late, cleared, g, grads):
    """Through late resets and the first leak, to the registers that the sample began with, which carry none on."""
    for p in range(net.depth.shape[0]):
        if net.late[p]:
            back_through_late_reset(net, rules, numbers, p, v, late, cleared[p] != 0, g, grads)
        if cleared[p] == 0:
            for j in range(net.part_at[p], net.part_at[p + 1]):
                if not net.late[p]:
                    grads.leak_v[j] += g.v[j] * v[j]
                if rules.current:
                    grads.leak_u[j] += g.u[j] * u[j]
