"""Spikes along links: forward adds a source's weights to sums, backward reads gradients along the same weights."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.jit import apart, exact, loose
from trainer.engines.compiled.lanes import FEW, add_few, bit, dot_few, span

KIND, PRE, N_PRE, N_POST, POST, WEIGHT, SYNAPSE, BASE = (
    col.KIND, col.PRE, col.N_PRE, col.N_POST, col.POST, col.WEIGHT, col.SYNAPSE, col.BASE,
)  # fmt: skip
DENSE, CONV = col.DENSE, col.CONV
SOURCE, AREA, GROUP_OUT = col.SOURCE, col.AREA, col.GROUP_OUT


@apart
def add_row(target, weight, value):
    """``target += value * weight``."""
    for j in range(target.shape[0]):
        target[j] += value * weight[j]


@apart
def add_four_rows(target, a, b, c, d, values):
    """``target += values[0] a + values[1] b + values[2] c + values[3] d``."""
    x, y, z, w = values[0], values[1], values[2], values[3]
    for j in range(target.shape[0]):
        target[j] += (x * a[j] + y * b[j]) + (z * c[j] + w * d[j])


@apart
def add_rows_in_turn(target, a, b, c, d, values):
    """``add_row`` four times, one after the other: the same sums to the last bit, a target read and written once."""
    x, y, z, w = values[0], values[1], values[2], values[3]
    for j in range(target.shape[0]):
        total = target[j] + x * a[j]
        total = total + y * b[j]
        total = total + z * c[j]
        target[j] = total + w * d[j]


@loose
def add_row_and_dot(target, g, value, weight):
    """``target += value * g``; returns the sum of ``weight * g``."""
    total = g.dtype.type(0)
    for j in range(g.shape[0]):
        target[j] += value * g[j]
        total += weight[j] * g[j]
    return total


@loose
def dot(a, b):
    """The sum of ``a * b``."""
    total = a.dtype.type(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@exact
def add_channels(sums, to, weights, at, n, value):
    """``add_row`` for the channels of a place, of which there are often 16 or a multiple."""
    whole = n // FEW * FEW
    for o in range(0, whole, FEW):
        add_few(sums, to + o, weights, at + o, value)
    for o in range(np.uint64(whole), np.uint64(n)):
        sums[np.uint64(to) + o] += value * weights[np.uint64(at) + o]


@exact
def collect_channels(g_weights, at, g_sums, to, weights, n, value):
    """``add_row_and_dot`` for the channels of a place."""
    whole, total = n // FEW * FEW, g_sums[0] * 0
    for o in range(0, whole, FEW):
        add_few(g_weights, at + o, g_sums, to + o, value)
        total += dot_few(weights, at + o, g_sums, to + o)
    for o in range(np.uint64(whole), np.uint64(n)):
        gradient = g_sums[np.uint64(to) + o]
        g_weights[np.uint64(at) + o] += value * gradient
        total += weights[np.uint64(at) + o] * gradient
    return total


@exact
def deliver(net, row, source, value, weights, sums, sites):
    """Add ``value`` times the weights of one source to the link's sums; mark the sites that a convolution reaches."""
    i, n, start, base = source - row[PRE], row[N_POST], row[WEIGHT], row[BASE]
    if row[KIND] == DENSE:
        add_row(span(sums, base, base + n), span(weights, start + i * n, start + (i + 1) * n), value)
    elif row[KIND] == CONV:
        area, n_out, source_row = np.uint64(row[AREA]), row[GROUP_OUT], net.source[row[SOURCE] + i]
        place, first_to, first_weight = source_row[0], base + source_row[1], start + source_row[2]
        for s in range(net.tap_at[place], net.tap_at[place + 1]):
            tap = net.tap[s]
            to, at = first_to + tap[0], first_weight + tap[1]
            sites[tap[2]] |= bit(tap[3])
            if area == 1:
                add_channels(sums, to, weights, at, n_out, value)
            else:
                for o in range(np.uint64(n_out)):  # indices without a sign take less to look up
                    sums[np.uint64(to) + o * area] += value * weights[np.uint64(at) + o]
    else:
        first = net.synapse_at[row[SYNAPSE]]
        for s in range(net.synapse_at[row[SYNAPSE] + i], net.synapse_at[row[SYNAPSE] + i + 1]):
            sums[base + net.synapse_post[s]] += value * weights[start + s - first]


@exact
def deliver_four(row, sources, values, weights, sums):
    """``deliver`` for four sources of a dense link."""
    n, base, start = row[N_POST], row[BASE], row[WEIGHT] - row[PRE] * row[N_POST]
    a, b, c, d = start + sources[0] * n, start + sources[1] * n, start + sources[2] * n, start + sources[3] * n
    target = span(sums, base, base + n)
    add_rows_in_turn(
        target,
        span(weights, a, a + n),
        span(weights, b, b + n),
        span(weights, c, c + n),
        span(weights, d, d + n),
        values,
    )


@exact
def deliver_frame(row, event, event_x, n_events, weights, sums):
    """All events that are inputs of a dense link, four rows at a time."""
    n, base = row[N_POST], row[BASE]
    start, target = row[WEIGHT] - row[PRE] * n, span(sums, base, base + n)
    e = 0
    while e < n_events and event[e] < row[PRE]:
        e += 1
    stop = n_events
    while stop > e and event[stop - 1] >= row[PRE] + row[N_PRE]:
        stop -= 1
    while e + 4 <= stop:
        a, b = start + event[e] * n, start + event[e + 1] * n
        c, d = start + event[e + 2] * n, start + event[e + 3] * n
        add_four_rows(
            target,
            span(weights, a, a + n),
            span(weights, b, b + n),
            span(weights, c, c + n),
            span(weights, d, d + n),
            span(event_x, e, e + 4),
        )
        e += 4
    while e < stop:
        a = start + event[e] * n
        add_row(target, span(weights, a, a + n), event_x[e])
        e += 1


@loose
def collect(net, row, source, value, weights, g_sums, g_weights):
    """Read the gradient of one delivery: ``g_weights += value * g``; returns the gradient of ``value``."""
    i, n, start, post = source - row[PRE], row[N_POST], row[WEIGHT], row[POST]
    total = g_sums[0] * 0
    if row[KIND] == DENSE:
        g = span(g_sums, post, post + n)
        own = span(weights, start + i * n, start + (i + 1) * n)
        if value != 0:
            total = add_row_and_dot(span(g_weights, start + i * n, start + (i + 1) * n), g, value, own)
        else:
            total = dot(own, g)
    elif row[KIND] == CONV:
        area, n_out, source_row = np.uint64(row[AREA]), row[GROUP_OUT], net.source[row[SOURCE] + i]
        place, first_to, first_weight = source_row[0], post + source_row[1], start + source_row[2]
        for s in range(net.tap_at[place], net.tap_at[place + 1]):
            tap = net.tap[s]
            to, at = first_to + tap[0], first_weight + tap[1]
            if area == 1:
                total += collect_channels(g_weights, at, g_sums, to, weights, n_out, value)
                continue
            for o in range(np.uint64(n_out)):
                gradient = g_sums[np.uint64(to) + o * area]
                g_weights[np.uint64(at) + o] += value * gradient
                total += weights[np.uint64(at) + o] * gradient
    else:
        first = net.synapse_at[row[SYNAPSE]]
        for s in range(net.synapse_at[row[SYNAPSE] + i], net.synapse_at[row[SYNAPSE] + i + 1]):
            at, g = start + s - first, g_sums[post + net.synapse_post[s]]
            g_weights[at] += value * g
            total += weights[at] * g
    return total
