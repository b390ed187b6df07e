"""Spikes along links: forward adds a source's weights to sums, backward reads gradients along the same weights."""

from __future__ import annotations

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.jit import exact, loose

KIND, PRE, N_PRE, N_POST, POST, WEIGHT, SYNAPSE, BASE = (
    col.KIND, col.PRE, col.N_PRE, col.N_POST, col.POST, col.WEIGHT, col.SYNAPSE, col.BASE,
)  # fmt: skip
DENSE, CONV = col.DENSE, col.CONV
GROUP_IN, HEIGHT, WIDTH, ROWS, COLUMNS = col.GROUP_IN, col.HEIGHT, col.WIDTH, col.ROWS, col.COLUMNS
STRIDE_Y, STRIDE_X, PAD_Y, PAD_X = col.STRIDE_Y, col.STRIDE_X, col.PAD_Y, col.PAD_X
DILATE_Y, DILATE_X, OUT_Y, OUT_X, GROUP_OUT = col.DILATE_Y, col.DILATE_X, col.OUT_Y, col.OUT_X, col.GROUP_OUT


@exact
def add_row(target, weight, value):
    """``target += value * weight``."""
    for j in range(target.shape[0]):
        target[j] += value * weight[j]


@exact
def add_four_rows(target, a, b, c, d, values):
    """``target += values[0] a + values[1] b + values[2] c + values[3] d``."""
    x, y, z, w = values[0], values[1], values[2], values[3]
    for j in range(target.shape[0]):
        target[j] += (x * a[j] + y * b[j]) + (z * c[j] + w * d[j])


@loose
def dot(a, b):
    """The sum of ``a * b``."""
    total = a.dtype.type(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@exact
def tap(at, step, stride, pad, dilate, out):
    """Where kernel element ``step`` carries source coordinate ``at``; -1 = nowhere."""
    moved = at + pad - step * dilate
    if moved < 0 or moved % stride != 0 or moved // stride >= out:
        return -1
    return moved // stride


@exact
def split_source(row, i):
    """Channel group, channel in the group, row and column of a convolution's source ``i``."""
    channel, place = divmod(i, row[HEIGHT] * row[WIDTH])
    y, x = divmod(place, row[WIDTH])
    return channel // row[GROUP_IN], channel % row[GROUP_IN], y, x


@exact
def deliver(net, row, source, value, weights, sums):
    """Add ``value`` times the weights of one source (global index) to the link's sums."""
    i, n, start, base = source - row[PRE], row[N_POST], row[WEIGHT], row[BASE]
    if row[KIND] == DENSE:
        add_row(sums[base : base + n], weights[start + i * n : start + (i + 1) * n], value)
    elif row[KIND] == CONV:
        group, channel, y, x = split_source(row, i)
        area, n_out = row[OUT_Y] * row[OUT_X], row[GROUP_OUT]
        for a in range(row[ROWS]):
            yo = tap(y, a, row[STRIDE_Y], row[PAD_Y], row[DILATE_Y], row[OUT_Y])
            if yo < 0:
                continue
            for b in range(row[COLUMNS]):
                xo = tap(x, b, row[STRIDE_X], row[PAD_X], row[DILATE_X], row[OUT_X])
                if xo < 0:
                    continue
                to = base + group * n_out * area + yo * row[OUT_X] + xo
                at = start + (((group * row[GROUP_IN] + channel) * row[ROWS] + a) * row[COLUMNS] + b) * n_out
                for o in range(n_out):
                    sums[to + o * area] += value * weights[at + o]
    else:
        first = net.synapse_at[row[SYNAPSE]]
        for s in range(net.synapse_at[row[SYNAPSE] + i], net.synapse_at[row[SYNAPSE] + i + 1]):
            sums[base + net.synapse_post[s]] += value * weights[start + s - first]


@exact
def deliver_frame(row, event, event_x, n_events, weights, sums):
    """All events that are inputs of a dense link, four rows at a time."""
    n, base = row[N_POST], row[BASE]
    start, target = row[WEIGHT] - row[PRE] * n, sums[base : base + n]
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
            target, weights[a : a + n], weights[b : b + n], weights[c : c + n], weights[d : d + n], event_x[e : e + 4]
        )
        e += 4
    while e < stop:
        a = start + event[e] * n
        add_row(target, weights[a : a + n], event_x[e])
        e += 1


@loose
def collect(net, row, source, value, weights, g_sums, g_weights, want_value):
    """Read the gradient of one delivery: ``g_weights += value * g`` and the gradient of ``value``, if wanted."""
    i, n, start, post = source - row[PRE], row[N_POST], row[WEIGHT], row[POST]
    total = g_sums[0] * 0
    if row[KIND] == DENSE:
        g = g_sums[post : post + n]
        if value != 0:
            add_row(g_weights[start + i * n : start + (i + 1) * n], g, value)
        if want_value:
            total = dot(weights[start + i * n : start + (i + 1) * n], g)
    elif row[KIND] == CONV:
        group, channel, y, x = split_source(row, i)
        area, n_out = row[OUT_Y] * row[OUT_X], row[GROUP_OUT]
        for a in range(row[ROWS]):
            yo = tap(y, a, row[STRIDE_Y], row[PAD_Y], row[DILATE_Y], row[OUT_Y])
            if yo < 0:
                continue
            for b in range(row[COLUMNS]):
                xo = tap(x, b, row[STRIDE_X], row[PAD_X], row[DILATE_X], row[OUT_X])
                if xo < 0:
                    continue
                to = post + group * n_out * area + yo * row[OUT_X] + xo
                at = start + (((group * row[GROUP_IN] + channel) * row[ROWS] + a) * row[COLUMNS] + b) * n_out
                for o in range(n_out):
                    total += weights[at + o] * g_sums[to + o * area]
                if value != 0:
                    for o in range(n_out):
                        g_weights[at + o] += value * g_sums[to + o * area]
    else:
        first = net.synapse_at[row[SYNAPSE]]
        for s in range(net.synapse_at[row[SYNAPSE] + i], net.synapse_at[row[SYNAPSE] + i + 1]):
            at, g = start + s - first, g_sums[post + net.synapse_post[s]]
            g_weights[at] += value * g
            total += weights[at] * g
    return total
