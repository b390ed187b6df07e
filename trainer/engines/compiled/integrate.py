"""Steps a to c for one population: integrate the delivered sums, fire, reset, become refractory."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import U_WRAPS
from trainer.engines.compiled import flat as col
from trainer.engines.compiled.flat import ACCUMULATOR, CLIPS, INT32, WHOLE, U, V
from trainer.engines.compiled.jit import apart, exact
from trainer.engines.compiled.keys import draw
from trainer.engines.compiled.lanes import FEW, LANES, NOTHING, above, above_few, list_set, span
from trainer.engines.compiled.state import IDLE, N_NOW, N_ON_WAY, N_QUEUE, WAITING

EXACT_BYTES = 8
"""float64 holds every integer up to 2^53; integers come in nothing less (``engines.checks``)."""

BASE, EXPONENT = col.BASE, col.EXPONENT

TWO_SIDED, SATURATE = (U_WRAPS.index(name) for name in ("two_sided", "saturate"))
"""``Rules.u_edge``."""


@exact
def is_fixed(rules, x):
    """Whether ``x`` holds integers; never in float32, and compilers see that: it saves them the registers' edges."""
    return rules.fixed and x.itemsize == EXACT_BYTES


@apart
def move(v, sums, shut, live, values):
    """``v <- v + sums`` where not refractory; ``values`` gets v where the surrogate acts, else NaN."""
    zero, nothing = v.dtype.type(0), v.dtype.type(np.nan)
    for j in range(v.shape[0]):
        x = sums[j]
        y = v[j] + x
        is_open = shut[j] == 0
        acts = is_open and x != zero
        values[j] = y if acts else nothing
        v[j] = y if is_open else zero
        live[j] = np.uint8(1) if acts else live[j]
        sums[j] = zero


@exact
def wrap(x, size):
    """Into [-size/2, size/2)."""
    return x - size * np.floor((x + size / 2) / size)


@exact
def edge(x, size, used, limit):
    """``wrap`` that counts where it changes a value."""
    y = wrap(x, size)
    used[limit] += np.int64(y != x)
    return y


@exact
def wrap_u(x, rules):
    """The current register's edge; see ``ir.arithmetic``."""
    top = rules.u_top
    if rules.u_edge == TWO_SIDED:
        return wrap(x, 2 * top)
    if rules.u_edge == SATURATE:
        return min(max(x, 1 - top), top - 1)
    return x - 2 * top if x > top else (x + 2 * top if x <= -top else x)


@exact
def mark_hot(net, rules, state, part):
    """Have the next round update a population with a current so far outside that one wrap is not enough."""
    if rules.u_edge:
        return
    for j in range(net.part_at[part], net.part_at[part + 1]):
        if wrap_u(state.u[j], rules) != state.u[j]:
            state.touched[part] = WHOLE
            return


@exact
def edge_u(x, rules, used):
    """``wrap_u`` that counts where it changes a value."""
    y = wrap_u(x, rules)
    used[U] += np.int64(y != x)
    return y


@exact
def arrived(net, rules, part, j, sums, used):
    """The drive of neuron ``j`` of a population, in membrane units; empties the sums."""
    if not is_fixed(rules, sums):
        at = net.part_at[part] + j
        total, sums[at] = np.float64(sums[at]), 0
        return total
    total = 0.0
    for e in range(net.into_at[part], net.into_at[part + 1]):
        row = net.link[net.into_links[e]]
        at = row[BASE] + j
        total += edge(np.floor(sums[at] * 2.0 ** row[EXPONENT]), 2.0**32, used, INT32)
        sums[at] = 0
    total = edge(edge(total, 2.0**32, used, INT32) * rules.weight_shift, 2.0**32, used, INT32)
    return edge(total, 2 * rules.accumulator, used, ACCUMULATOR) if rules.accumulator > 0 else total


@exact
def reaching(rules, state, used, j, x, keeps, after):
    """What reaches the membrane of neuron ``j`` of a drive ``x``, which enters its current where it ``keeps`` one.

    With a current nothing does before k = depth (``after`` < 0), then all of it, later the drive alone.
    """
    number = state.v.dtype.type
    if keeps:
        u = state.u[j] + x
        state.u[j] = number(edge_u(edge(u, 2.0**32, used, INT32), rules, used)) if is_fixed(rules, state.v) else u
        return number(0) if after < 0 else (state.u[j] if after == 0 else x)
    return number(edge_u(edge(x, 2.0**32, used, INT32), rules, used)) if is_fixed(rules, state.v) else x


@exact
def move_general(net, rules, numbers, state, tape, part, k, values):
    """``move`` with biases, currents, lower bounds and integer registers."""
    number, fixed = state.v.dtype.type, is_fixed(rules, state.v)
    first, stop = net.part_at[part], net.part_at[part + 1]
    after, keeps, used = k - net.depth[part], net.has_current[part] != 0, tape.used
    waits = net.waits[part] != 0
    low, high = number(max(net.v_min[part], -rules.v_max)), number(rules.v_max)
    for j in range(first, stop):
        x = number(arrived(net, rules, part, j - first, state.sums, used))
        x += numbers.bias_u[j] if rules.biased_u and after == 0 else number(0)
        bias = numbers.bias[j] if rules.biased and after == 0 else number(0)
        i = reaching(rules, state, used, j, x, keeps, after)
        acts = i != 0 or bias != 0
        values[j - first] = np.nan
        if waits:
            state.reached[j] = np.uint8(1) if acts else state.reached[j]
            acts = (acts or (after == 0 and state.reached[j] != 0)) and after >= 0 and state.shut[j] == 0
        if fixed:
            y = state.v[j] + (number(edge_u(i + bias, rules, used)) if rules.bias_in_u else i + bias)
            y = number(edge(y, 2.0**32, used, INT32))
        else:
            y = state.v[j] + i + bias
        beyond = y < low or y > high
        used[V] += np.int64(beyond and fixed)
        if state.shut[j] and not waits:
            state.v[j] = 0
            continue
        if beyond:
            y = min(max(y, low), high)
            if rules.training:
                tape.clip[used[CLIPS]] = j
                used[CLIPS] += 1
        state.v[j] = y
        if acts:
            values[j - first] = y
            state.live[j] = 1


@exact
def list_waiting(net, numbers, state, part, k, n, values):
    """Who fires of a population that waits for k = depth, whose resting neurons keep charge.

    Where nothing has reached a neuron that fires, what an earlier time step left does: no surrogate acts, and its value
    is infinite.
    """
    if k >= net.depth[part]:
        first = net.part_at[part]
        for j in range(first, net.part_at[part + 1]):
            if state.v[j] > numbers.threshold[j] and not state.shut[j]:
                state.now[n] = j
                n += 1
                if values[j - first] != values[j - first]:
                    values[j - first] = np.inf
    return n


@exact
def reset_late(net, rules, numbers, state, part):
    """What fired in the time step before loses its threshold, after the leak."""
    number, used_v, low = state.v.dtype.type, 0, max(net.v_min[part], -rules.v_max)
    for j in range(net.part_at[part], net.part_at[part + 1]):
        if state.spikes[j] > 0:
            y = state.v[j] - numbers.threshold[j]
            held = min(max(y, number(low)), number(rules.v_max))
            used_v += np.int64(held != y)
            state.v[j] = held
    return used_v


@exact
def list_above(v, threshold, first, now, n):
    """Append the neurons above their thresholds to ``now``."""
    whole = v.shape[0] // LANES * LANES
    for at in range(0, whole, LANES):
        n = list_set(above(v, threshold, at), first + at, now, n)
    few, mask = v.shape[0] // FEW * FEW, NOTHING
    for at in range(whole, few, FEW):
        mask |= above_few(v, threshold, at) << np.uint64(at - whole)
    for i in range(few, v.shape[0]):
        mask |= np.uint64(v[i] > threshold[i]) << np.uint64(i - whole)
    return list_set(mask, first + whole, now, n)


@exact
def fire(net, rules, numbers, state, part, first, stop, k, h_escape, values):
    """Spike where ``v > threshold``: momentum, reset, refractoriness, one more in the queue; some of a population's
    neurons, which are all of it where it waits for k = depth."""
    v, threshold, n = span(state.v, first, stop), span(numbers.threshold, first, stop), state.n[N_NOW]
    if net.waits[part]:
        n = list_waiting(net, numbers, state, part, k, n, values)
    else:
        n = list_above(v, threshold, first, state.now, n)
    waits, refractory = net.waits[part] != 0, net.refractory[part] != 0
    stays = net.late[part] != 0 or (waits and net.subtract[part] == 0)
    escapes = refractory and rules.escape > 0 and net.escapes[part] != 0
    n_queue, added = state.n[N_QUEUE], 0
    for e in range(state.n[N_NOW], n):
        j = state.now[e]
        state.m[j], state.since[j] = state.v[j], k
        if not stays:
            state.v[j] = state.v[j] - numbers.threshold[j] if net.subtract[part] else 0
        state.spikes[j] += 1
        state.q[j] += 1
        new = np.int64(state.waiting[j] == IDLE)
        state.waiting[j], state.queue[n_queue] = WAITING, net.name[j]
        n_queue, added = n_queue + new, added + new
        if escapes:
            state.shut[j] = np.uint8(draw(h_escape, net.name[j]) >= rules.escape)
        elif refractory:
            state.shut[j] = 1
    state.n[N_NOW], state.n[N_QUEUE] = n, n_queue
    state.n[N_ON_WAY] += added * np.int64(net.sends[part])
