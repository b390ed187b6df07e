"""The backward pass of some samples: the tape read in reverse, adjoint of every recorded event."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.arrival import copy, fill
from trainer.engines.compiled.jit import entry, exact, fingerprint
from trainer.engines.compiled.links import add_row, collect
from trainer.engines.compiled.state import NONE

KIND, PRE, N_PRE, POST, N_POST, WEIGHT, DENSE = (
    col.KIND, col.PRE, col.N_PRE, col.POST, col.N_POST, col.WEIGHT, col.DENSE,
)  # fmt: skip


@exact
def slope_at(shape, y, peak, one):
    """The slope of a surrogate (``trainer.surrogate.SURROGATES`` by number) at ``y = |steep x|``; ``one``: 1."""
    if shape == 0:
        return peak / (one + y * y)
    if shape == 1:
        return peak / ((one + y) * (one + y))
    if shape == 2:
        fall = np.exp(-y)
        return (peak + peak + peak + peak) * fall / ((one + fall) * (one + fall))
    return peak * max(one - y, y * 0)


@exact
def through_spike(values, threshold, per_unit, shape, steep, peak, g_count, g_entry, g_v, g_threshold, silent_none):
    """Through reset, spike and surrogate: ``g_v`` from after the reset to before it (Koopman et al. 2025).

    ``s = H(v - threshold)``, ``v_after = v (1 - s)``, slope of the surrogate where ``values`` is not NaN.
    """
    number = values.dtype.type
    sharp, top = number(steep), number(peak)
    one, zero = number(1), number(0)
    for j in range(values.shape[0]):
        v = values[j]
        acts = v == v
        v = v if acts else zero
        above = v - threshold[j]
        fired = above > zero
        slope = slope_at(shape, abs(sharp * (above * per_unit[j])), top, one) * per_unit[j]
        entry = zero if silent_none and not fired else g_entry[j]
        e = slope * (g_count[j] + entry - g_v[j] * v)
        e = e if acts else zero
        g_threshold[j] -= e
        g_v[j] = (zero if acts and fired else g_v[j]) + e


@exact
def source_gradient(net, numbers, j, value, g_sums, scale, g_weights):
    """The gradient of one entry's value; its weights' gradients are added up."""
    part = net.part_of[j]
    total = g_sums[0] * 0
    for e in range(net.from_at[part], net.from_at[part + 1]):
        l = net.from_links[e]
        row = net.link[l]
        total += scale[l] * collect(net, row, j, value * scale[l], numbers.weights, g_sums, g_weights)
    return total


@exact
def input_gradient(net, numbers, i, value, g_sums, scale, g_weights):
    """The gradients of the weights that one input went through."""
    for l in net.input_links:
        row = net.link[l]
        if row[PRE] <= i < row[PRE] + row[N_PRE]:
            collect(net, row, i, value * scale[l], numbers.weights, g_sums, g_weights)


@exact
def back_through_slots(net, numbers, tape, first, stop, g_sums, scale, g_entry, g_weights):
    """Step e in reverse: each slot reads the gradient of what it delivered."""
    n = net.part_of.shape[0]
    for at in range(first, stop):
        j, value = np.int64(tape.slot[at]), tape.slot_q[at]
        if j >= n:
            input_gradient(net, numbers, j - n, value, g_sums, scale, g_weights)
        elif value < 0:
            g_entry[j] = 0
        else:
            g_entry[j] = source_gradient(net, numbers, j, value, g_sums, scale, g_weights)


@exact
def back_through_blocks(net, rules, numbers, tape, r, k, batch, g_count, g, grads):
    """Steps a to d in reverse for the populations that round ``r`` touched."""
    for at in range(tape.round[r, col.FIRST_BLOCK], tape.round[r + 1, col.FIRST_BLOCK]):
        p, where = tape.block[at, col.BLOCK_PART], tape.block[at, col.FIRST_VALUE]
        first, stop = net.part_at[p], net.part_at[p + 1]
        through_spike(
            tape.values[where : where + stop - first], numbers.threshold[first:stop], numbers.per_unit[first:stop],
            batch.shape, batch.steep, batch.peak, g_count[first:stop], g.entry[first:stop], g.v[first:stop],
            grads.threshold[first:stop], rules.silent == NONE,
        )  # fmt: skip
    for at in range(tape.round[r, col.FIRST_CLIP], tape.round[r + 1, col.FIRST_CLIP]):
        g.v[tape.clip[at]] = 0
    if rules.biased:
        for p in range(net.depth.shape[0]):
            if net.depth[p] == k:
                for j in range(net.part_at[p], net.part_at[p + 1]):
                    grads.bias[j] += g.v[j]
    if rules.current:
        back_through_current(net, k, g)


@exact
def back_through_current(net, k, g):
    """What arrives goes to the current, and to the membrane: with the current, from k = depth on, or directly."""
    for p in range(net.depth.shape[0]):
        keeps, due, late = net.has_current[p] != 0, net.depth[p] == k, net.depth[p] < k
        for j in range(net.part_at[p], net.part_at[p + 1]):
            if keeps and due:
                g.u[j] += g.v[j]
            g.sums[j] = (g.v[j] + g.u[j] if late else g.u[j]) if keeps else g.v[j]


@exact
def end_of_time_step(net, numbers, membranes, currents, spikes, shut, cleared_next, g_out, g, grads, current, last):
    """From the start of the next time step, through the leak, to the end of this one; ``last``: there is no next."""
    for p in range(net.depth.shape[0]):
        if last or cleared_next[p]:
            fill(g.v[net.part_at[p] : net.part_at[p + 1]], 0)
            if current:
                fill(g.u[net.part_at[p] : net.part_at[p + 1]], 0)
    if current:
        for j in range(g.u.shape[0]):
            grads.leak_u[j] += g.u[j] * currents[j]
            g.u[j] *= numbers.leak_u[j]
    zero = g_out.dtype.type(0)
    if not last:
        for j in range(g_out.shape[0]):
            grads.leak_v[j] += g.v[j] * membranes[j]
            g.v[j] = zero if spikes[j] > 0 else g.v[j] * numbers.leak_v[j]
    for j in range(g_out.shape[0]):
        g.v[j] = zero if shut[j] != 0 else g.v[j] + g_out[j]


@exact
def start_of_sample(net, v, u, cleared, g, grads, current):
    """Through the first leak, to the registers that the sample began with: only leaks have a gradient there."""
    for p in range(net.depth.shape[0]):
        if cleared[p] == 0:
            for j in range(net.part_at[p], net.part_at[p + 1]):
                grads.leak_v[j] += g.v[j] * v[j]
                if current:
                    grads.leak_u[j] += g.u[j] * u[j]


@exact
def back_through_frame(net, numbers, tape, first, stop, g_sums, scale, g_weights):
    """The input events of one time step: the gradients of the weights that they went through."""
    for l in net.input_links:
        row = net.link[l]
        if row[KIND] != DENSE:
            for e in range(first, stop):
                i = np.int64(tape.event[e])
                if row[PRE] <= i < row[PRE] + row[N_PRE]:
                    collect(net, row, i, tape.event_x[e] * scale[l], numbers.weights, g_sums, g_weights)
            continue
        n, post = row[N_POST], row[POST]
        g, start = g_sums[post : post + n], row[WEIGHT] - row[PRE] * n
        for e in range(first, stop):
            if row[PRE] <= tape.event[e] < row[PRE] + row[N_PRE]:
                at = start + tape.event[e] * n
                add_row(g_weights[at : at + n], g, tape.event_x[e] * scale[l])


def _entry(version):
    """The entry, kept compiled on disk as long as ``version`` is the same."""

    @entry
    def back_through_samples(net, rules, numbers, tape, batch, chosen, g, grads):
        n_steps = batch.counts.shape[0] * (version > 0)
        scale, g_first = batch.scale, batch.g_first
        for place in range(chosen.shape[0]):
            b = chosen[place]
            fill(g.v, 0)
            fill(g.u, 0)
            for t in range(n_steps - 1, -1, -1):
                last = t == n_steps - 1
                currents = batch.currents[t if rules.current else 0, b if rules.current else 0]
                end_of_time_step(
                    net, numbers, batch.membranes[t, b], currents, batch.counts[t, b], batch.shut[t, b],
                    batch.cleared[0 if last else t + 1], batch.g_membranes[t, b], g, grads, rules.current, last,
                )  # fmt: skip
                fill(g.entry, 0)
                at = place * n_steps + t
                r0, r1 = tape.step[at, col.FIRST_ROUND], tape.step[at + 1, col.FIRST_ROUND]
                for r in range(r1 - 1, r0 - 1, -1):
                    slots, until = tape.round[r, col.FIRST_SLOT], tape.round[r + 1, col.FIRST_SLOT]
                    back_through_slots(net, numbers, tape, slots, until, g.sums, scale, g.entry, grads.weights)
                    back_through_blocks(net, rules, numbers, tape, r, r - r0, batch, batch.g_counts[t, b], g, grads)
                e0, e1 = tape.step[at, col.FIRST_EVENT], tape.step[at + 1, col.FIRST_EVENT]
                back_through_frame(net, numbers, tape, e0, e1, g.sums, scale, grads.weights)
                if g_first.shape[0] > 0:
                    copy(g.sums, g_first[t, b])
            if n_steps > 0:
                u = batch.start_u[b if rules.current else 0]
                start_of_sample(net, batch.start_v[b], u, batch.cleared[0], g, grads, rules.current)

    return back_through_samples


back_through_samples = _entry(fingerprint())
"""Read a tape in reverse; adds to ``grads``, and fills ``g_first`` (T, B, N), the gradient of the first drive."""
