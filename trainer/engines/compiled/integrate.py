"""Steps a to c for one population: integrate the delivered sums, fire, reset, become refractory."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import layout as col
from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.keys import draw
from trainer.engines.compiled.state import CLIPS

BASE, EXPONENT = col.BASE, col.EXPONENT


@exact
def move(v, sums, shut, live, values):
    """``v <- v + sums`` where not refractory; ``values`` gets v where the surrogate acts, else NaN."""
    zero = v.dtype.type(0)
    for j in range(v.shape[0]):
        x = sums[j]
        y = v[j] + x
        is_open = shut[j] == 0
        acts = is_open and x != zero
        values[j] = y if acts else np.nan
        v[j] = y if is_open else zero
        live[j] = np.uint8(1) if acts else live[j]
        sums[j] = zero


@exact
def wrap(x, size):
    """Into [-size/2, size/2)."""
    return x - size * np.floor((x + size / 2) / size)


@exact
def wrap_u(x, rules):
    """The current register's edge; see ``ir.arithmetic``."""
    x, top = wrap(x, 2.0**32), rules.u_top
    if rules.u_two_sided:
        return wrap(x, 2 * top)
    return x - 2 * top if x > top else (x + 2 * top if x <= -top else x)


@exact
def mark_hot(net, rules, state, part):
    """Have the next round update a population with a current so far outside that one wrap is not enough."""
    if rules.u_two_sided:
        return
    for j in range(net.part_at[part], net.part_at[part + 1]):
        if wrap_u(state.u[j], rules) != state.u[j]:
            state.touched[part] = 1
            return


@exact
def arrived(net, rules, part, j, sums):
    """The drive of neuron ``j`` of a population, in membrane units; empties the sums."""
    if not rules.fixed:
        at = net.part_at[part] + j
        total, sums[at] = np.float64(sums[at]), 0
        return total
    total = 0.0
    for e in range(net.into_at[part], net.into_at[part + 1]):
        row = net.link[net.into_links[e]]
        at = row[BASE] + j
        total += wrap(np.floor(sums[at] * 2.0 ** row[EXPONENT]), 2.0**32)
        sums[at] = 0
    total = wrap(wrap(total, 2.0**32) * rules.weight_shift, 2.0**32)
    return wrap(total, 2 * rules.accumulator) if rules.accumulator > 0 else total


@exact
def move_general(net, rules, numbers, state, tape, part, k, values):
    """``move`` with biases, currents, lower bounds and integer registers."""
    number = state.v.dtype.type
    first, stop = net.part_at[part], net.part_at[part + 1]
    due, keeps = k == net.depth[part], net.has_current[part] != 0
    low, high = number(max(net.v_min[part], -rules.v_max)), number(rules.v_max)
    for j in range(first, stop):
        x = number(arrived(net, rules, part, j - first, state.sums))
        bias = numbers.bias[j] if rules.biased and due else number(0)
        if keeps:
            u = state.u[j] + x
            state.u[j] = number(wrap_u(u, rules)) if rules.fixed else u
        if keeps and due:
            x = state.u[j]
        elif rules.fixed and not keeps:
            x = number(wrap_u(x, rules))
        moved = x != 0 or bias != 0
        values[j - first] = np.nan
        if state.shut[j]:
            state.v[j] = 0
            continue
        if rules.fixed:
            y = state.v[j] + (number(wrap_u(x + bias, rules)) if rules.bias_in_u else x + bias)
        else:
            y = state.v[j] + x + bias
        if y < low or y > high:
            y = min(max(y, low), high)
            if rules.training:
                tape.clip[tape.used[CLIPS]] = j
                tape.used[CLIPS] += 1
        state.v[j] = y
        if moved:
            values[j - first] = y
            state.live[j] = 1


@exact
def fire(net, rules, numbers, state, part, k, h_escape):
    """Spike where ``v > threshold``: momentum, reset, refractoriness, one more in the queue."""
    first, stop = net.part_at[part], net.part_at[part + 1]
    v, threshold, n = state.v[first:stop], numbers.threshold[first:stop], state.n[1]
    for i in range(v.shape[0]):
        state.now[n] = first + i
        n += np.int64(v[i] > threshold[i])
    refractory = net.refractory[part] != 0
    for e in range(state.n[1], n):
        j = state.now[e]
        state.m[j], state.v[j], state.since[j] = state.v[j], 0, k
        state.spikes[j] += 1
        state.q[j] += 1
        if state.waiting[j] == 0:
            state.waiting[j] = 1
            state.queue[state.n[0]] = j
            state.n[0] += 1
        if refractory and not (rules.escape > 0 and draw(h_escape, j) < rules.escape):
            state.shut[j] = 1
    state.n[1] = n
