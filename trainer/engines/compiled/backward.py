"""The backward pass of some samples: the tape read in reverse, adjoint of every recorded event."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.arrival import copy, fill
from trainer.engines.compiled.between import end_of_time_step, start_of_sample
from trainer.engines.compiled.jit import entry, exact, fingerprint
from trainer.engines.compiled.lanes import fetch, fetch_span, span
from trainer.engines.compiled.later import note_block, note_delivery
from trainer.engines.compiled.links import add_row, collect, dot
from trainer.engines.compiled.state import CARRIED, NONE
from trainer.engines.compiled.through import slopes, through_pooling, through_spike, through_waiting

KIND, PRE, N_PRE, POST, N_POST, POST_PART, WEIGHT, DENSE, SYNAPSE, POOLS, WIDE = (
    col.KIND, col.PRE, col.N_PRE, col.POST, col.N_POST, col.POST_PART, col.WEIGHT, col.DENSE, col.SYNAPSE, col.POOLS,
    col.WIDE,
)  # fmt: skip


AHEAD, BLOCKS_AHEAD = 192, 16
"""So many values before those that are read are brought near, or as many as a block has, and so many blocks: the tape
is read backward."""


@exact
def note_first_served(net, tape, first, stop, window):
    """The smallest name among the spikes of these slots, of each window of a max pooling: (N,) ``window``."""
    n = net.part_of.shape[0]
    fill(window, n)
    for at in range(first, stop):
        j = tape.slot[at]
        if j >= n or tape.slot_q[at] <= 0:
            continue
        for e in range(net.from_at[net.part_of[j]], net.from_at[net.part_of[j] + 1]):
            row = net.link[net.from_links[e]]
            if row[POOLS]:
                for s in range(
                    net.synapse_at[row[SYNAPSE] + j - row[PRE]], net.synapse_at[row[SYNAPSE] + j - row[PRE] + 1]
                ):
                    to = row[POST] + net.synapse_post[s]
                    window[to] = min(window[to], net.name[j])


@exact
def pooled_gradient(net, row, j, g_sums, window):
    """The gradients of the windows whose first served spike is that of ``j``."""
    total, i = g_sums[0] * 0, row[SYNAPSE] + j - row[PRE]
    for s in range(net.synapse_at[i], net.synapse_at[i + 1]):
        to = row[POST] + net.synapse_post[s]
        total += g_sums[to] if window[to] == net.name[j] else g_sums[to] * 0
    return total


@exact
def wide_gradient(net, row, l, i, value, weights, g_sums, notes):
    """The gradient of what source ``i`` of a wide link delivers, which is noted."""
    n, post, start = row[N_POST], row[POST], row[WEIGHT] + i * row[N_POST]
    if value != 0:
        note_delivery(notes, l, row[POST_PART], i, value)
    return dot(span(weights, start, start + n), span(g_sums, post, post + n))


@exact
def source_gradient(net, numbers, j, value, g_sums, scale, window, g_weights, notes):
    """The gradient of one entry's value; its weights' gradients are added up."""
    part = net.part_of[j]
    total = g_sums[0] * 0
    for e in range(net.from_at[part], net.from_at[part + 1]):
        l = net.from_links[e]
        row = net.link[l]
        if row[POOLS]:
            total += scale[l] * pooled_gradient(net, row, j, g_sums, window)
        elif row[WIDE]:
            wide = wide_gradient(net, row, l, j - row[PRE], value * scale[l], numbers.weights, g_sums, notes)
            total += scale[l] * wide
        else:
            total += scale[l] * collect(net, row, j, value * scale[l], numbers.weights, g_sums, g_weights)
    return total


@exact
def input_gradient(net, numbers, i, value, g_sums, scale, g_weights, notes):
    """The gradients of the weights that one input went through."""
    for l in net.input_links:
        row = net.link[l]
        if not row[PRE] <= i < row[PRE] + row[N_PRE]:
            continue
        if row[WIDE]:
            note_delivery(notes, l, row[POST_PART], i - row[PRE], value * scale[l])
        else:
            collect(net, row, i, value * scale[l], numbers.weights, g_sums, g_weights)


@exact
def back_through_slots(net, numbers, tape, first, stop, scale, g, g_weights, notes):
    """Step e in reverse: each slot reads the gradient of what it delivered."""
    n = net.part_of.shape[0]
    if g.window.shape[0] == n:
        note_first_served(net, tape, first, stop, g.window)
    for at in range(first, stop):
        j, value = np.int64(tape.slot[at]), tape.slot_q[at]
        if j >= n:
            input_gradient(net, numbers, j - n, value, g.sums, scale, g_weights, notes)
        elif value < 0:
            g.entry[j] = 0
        else:
            g.entry[j] = source_gradient(net, numbers, j, value, g.sums, scale, g.window, g_weights, notes)


@exact
def back_through_blocks(net, rules, numbers, tape, r, k, batch, g_count, g, grads, notes):
    """Steps a to d in reverse for the populations that round ``r`` touched."""
    for p in range(net.depth.shape[0]):
        if net.pools[p]:  # they keep nothing from one round to the next
            fill(g.v[net.part_at[p] : net.part_at[p + 1]], 0)
    where = tape.round[r, col.FIRST_VALUE]
    for at in range(tape.round[r, col.FIRST_BLOCK], tape.round[r + 1, col.FIRST_BLOCK]):
        fetch(tape.block, (at - BLOCKS_AHEAD) * tape.block.shape[1])
        p, first, stop = (
            tape.block[at, col.BLOCK_PART],
            tape.block[at, col.FIRST_NEURON],
            tape.block[at, col.STOP_NEURON],
        )
        ahead = where - max(stop - first, AHEAD)
        fetch_span(tape.values, ahead - (stop - first), ahead)
        values, slope = span(tape.values, where, where + stop - first), span(g.slope, 0, stop - first)
        threshold, per_unit = span(numbers.threshold, first, stop), span(numbers.per_unit, first, stop)
        where += stop - first
        count, entry_ = span(g_count, first, stop), span(g.entry, first, stop)
        v, height = span(g.v, first, stop), span(grads.threshold, first, stop)
        if net.pools[p]:
            through_pooling(values, per_unit, count, entry_, v)
            continue
        slopes(values, threshold, per_unit, batch.shape, batch.steep, batch.peak, slope)
        if net.waits[p]:
            lost = net.subtract[p] > net.late[p]
            through_waiting(values, threshold, slope, count, entry_, v, height, lost, rules.silent == NONE)
        else:
            through_spike(values, threshold, slope, count, entry_, v, height, rules.silent == NONE)
    for at in range(tape.round[r, col.FIRST_CLIP], tape.round[r + 1, col.FIRST_CLIP]):
        g.v[tape.clip[at]] = 0
    if rules.biased:
        for p in range(net.depth.shape[0]):
            if net.depth[p] == k:
                for j in range(net.part_at[p], net.part_at[p + 1]):
                    grads.bias[j] += g.v[j]
    if rules.current:
        back_through_current(net, k, g)
    if rules.biased_u:
        for p in range(net.depth.shape[0]):
            if net.depth[p] == k:
                for j in range(net.part_at[p], net.part_at[p + 1]):
                    grads.bias_u[j] += g.sums[j]
    where = tape.round[r, col.FIRST_VALUE]
    for at in range(tape.round[r, col.FIRST_BLOCK], tape.round[r + 1, col.FIRST_BLOCK]):
        p, first, stop = (
            tape.block[at, col.BLOCK_PART],
            tape.block[at, col.FIRST_NEURON],
            tape.block[at, col.STOP_NEURON],
        )
        if net.keeps[p]:
            note_block(notes, p, span(g.sums, first, stop), span(tape.values, where, where + stop - first), where)
        where += stop - first


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
def back_through_frame(net, numbers, tape, first, stop, g_sums, scale, g_weights, notes):
    """The input events of one time step: the gradients of the weights that they went through."""
    for l in net.input_links:
        row = net.link[l]
        if row[KIND] != DENSE:
            for e in range(first, stop):
                i = np.int64(tape.event[e])
                if row[PRE] <= i < row[PRE] + row[N_PRE]:
                    collect(net, row, i, tape.event_x[e] * scale[l], numbers.weights, g_sums, g_weights)
            continue
        if row[WIDE]:
            for e in range(first, stop):
                i = np.int64(tape.event[e])
                if row[PRE] <= i < row[PRE] + row[N_PRE]:
                    note_delivery(notes, l, row[POST_PART], i - row[PRE], tape.event_x[e] * scale[l])
            continue
        n, post = row[N_POST], row[POST]
        g, start = span(g_sums, post, post + n), row[WEIGHT] - row[PRE] * n
        for e in range(first, stop):
            if row[PRE] <= tape.event[e] < row[PRE] + row[N_PRE]:
                at = start + tape.event[e] * n
                add_row(span(g_weights, at, at + n), g, tape.event_x[e] * scale[l])


def _entry(version):
    """The entry, kept compiled on disk as long as ``version`` is the same."""

    @entry
    def back_through_samples(net, rules, numbers, tape, batch, chosen, g, grads, notes):
        n_steps = batch.counts.shape[0] * (version > 0)
        scale, g_first = batch.scale, batch.g_first
        for place in range(chosen.shape[0] - 1, -1, -1):  # what was written last is still in a cache
            b = chosen[place]
            fill(g.v, 0)
            fill(g.u, 0)
            for t in range(n_steps - 1, -1, -1):
                last = t == n_steps - 1
                currents = batch.currents[t if rules.current else 0, b if rules.current else 0]
                end_of_time_step(
                    net, rules, numbers, batch.membranes[t, b], currents, batch.counts[t, b], batch.shut[t, b],
                    batch.cleared[0 if last else t + 1], batch.g_membranes[t, b], g, grads, last,
                )  # fmt: skip
                if last or rules.silent != CARRIED:
                    fill(g.entry, 0)
                at = place * n_steps + t
                r0, r1 = tape.step[at, col.FIRST_ROUND], tape.step[at + 1, col.FIRST_ROUND]
                for r in range(r1 - 1, r0 - 1, -1):
                    slots, until = tape.round[r, col.FIRST_SLOT], tape.round[r + 1, col.FIRST_SLOT]
                    back_through_slots(net, numbers, tape, slots, until, scale, g, grads.weights, notes)
                    g_count = batch.g_counts[t, b]
                    back_through_blocks(net, rules, numbers, tape, r, r - r0, batch, g_count, g, grads, notes)
                e0, e1 = tape.step[at, col.FIRST_EVENT], tape.step[at + 1, col.FIRST_EVENT]
                back_through_frame(net, numbers, tape, e0, e1, g.sums, scale, grads.weights, notes)
                if g_first.shape[0] > 0:
                    copy(g.sums, g_first[t, b])
            if n_steps > 0:
                u = batch.start_u[b if rules.current else 0]
                late = batch.start_late[b]
                start_of_sample(net, rules, numbers, batch.start_v[b], u, late, batch.cleared[0], g, grads)

    return back_through_samples


back_through_samples = _entry(fingerprint())
"""Read a tape in reverse, which afterwards is of no use to anybody else.

Adds to ``grads``, notes what ``later`` adds up, and fills ``g_first`` (T, B, N), the gradient of the first drive.
"""
