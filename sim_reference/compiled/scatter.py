"""Delivering spikes, compiled: a served source adds its weights to the sums of whom it reaches."""

from __future__ import annotations

from typing import Any

from ir.arrays import Array
from sim_reference.compiled.flat import (
    ACC_AT,
    C_IN,
    C_OUT,
    DENSE,
    DILATION_X,
    DILATION_Y,
    GROUPS,
    HEIGHT,
    HEIGHT_OUT,
    KERNEL_H,
    KERNEL_W,
    KIND,
    LIST_AT,
    N_POST,
    PAD_X,
    PAD_Y,
    POSITION_AT,
    POST,
    PRE_START,
    PRE_STOP,
    SPARSE,
    START,
    STRIDE_X,
    STRIDE_Y,
    WEIGHT_AT,
    WIDTH,
    WIDTH_OUT,
    FlatNetwork,
)
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import N_POSITIONS, N_SOURCES, N_TOUCHED, Work

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel_inside
def deliver(net: FlatNetwork, work: Work, link: Int) -> None:
    """Add the weights of all sources of ``link`` among ``work.source`` to its sums and mark whom they reach."""
    a, z = net.link[link, PRE_START], net.link[link, PRE_STOP]
    kind, n_post = net.link[link, KIND], net.link[link, N_POST]
    out = work.acc[net.link[link, ACC_AT] : net.link[link, ACC_AT] + n_post]
    start, n_rows = net.pop[net.link[link, POST], START], 0
    for i in range(work.n[N_SOURCES]):
        source, times = work.source[i], work.times[i]
        if source < a or source >= z:
            continue
        if kind == DENSE:
            if times == 1:
                work.rows[n_rows] = net.link[link, WEIGHT_AT] + (source - a) * n_post
                n_rows += 1
            else:
                _add_times(net.weight, net.link[link, WEIGHT_AT] + (source - a) * n_post, times, out)
            work.all_touched[net.link[link, POST]] = True
        elif kind == SPARSE:
            _add_list(
                net.link[link],
                net.list_start,
                net.list_post,
                net.weight,
                start,
                source - a,
                times,
                out,
                work.touched,
                work.is_touched,
                work.n,
            )
        else:
            _add_kernel(
                net.link[link],
                net.weight,
                link,
                source - a,
                times,
                out,
                work.positions,
                work.position_link,
                work.is_position,
                work.n,
            )
    if n_rows:
        _add_rows(net.weight, work.rows[:n_rows], out)


@kernel
def _add_times(weight: Array, at: Int, times: Int, out: Array) -> None:
    row = weight[at : at + out.size]
    for j in range(out.size):
        out[j] += times * row[j]


@kernel
def _add_rows(weight: Array, rows: Array, out: Array) -> None:
    """Add whole rows, four at a time so that sums are loaded and stored a quarter as often."""
    n, i = out.size, 0
    while i + 4 <= rows.size:
        a = weight[rows[i] : rows[i] + n]
        b = weight[rows[i + 1] : rows[i + 1] + n]
        c = weight[rows[i + 2] : rows[i + 2] + n]
        d = weight[rows[i + 3] : rows[i + 3] + n]
        for j in range(n):
            out[j] += a[j] + b[j] + c[j] + d[j]
        i += 4
    while i < rows.size:
        a = weight[rows[i] : rows[i] + n]
        for j in range(n):
            out[j] += a[j]
        i += 1


@kernel
def touch(touched: Array, is_touched: Array, n: Array, neuron: Int) -> None:
    """Mark a neuron for this round's update."""
    if not is_touched[neuron]:
        is_touched[neuron] = True
        touched[n[N_TOUCHED]] = neuron
        n[N_TOUCHED] += 1


@kernel
def _add_list(
    row: Array,
    list_start: Array,
    list_post: Array,
    weight: Array,
    start: Int,
    source: Int,
    times: Int,
    out: Array,
    touched: Array,
    is_touched: Array,
    n: Array,
) -> None:
    """Scatter one source through explicit synapses; ``start`` is the first target's index."""
    at = row[LIST_AT] + source
    # list_start counts targets of all links; weights of this link begin at its own place.
    base = row[WEIGHT_AT] - list_start[row[LIST_AT]]
    for s in range(list_start[at], list_start[at + 1]):
        post = list_post[s]
        out[post] += times * weight[base + s]
        touch(touched, is_touched, n, start + post)


@kernel
def _add_kernel(
    c: Array,
    weights: Array,
    link: Int,
    source: Int,
    times: Int,
    out: Array,
    positions: Array,
    position_link: Array,
    is_position: Array,
    n: Array,
) -> None:
    """Scatter one source through a convolution; sums lie as (H_out, W_out, C_out), channels together."""
    h, w, c_out, ho, wo, kh, kw = c[HEIGHT], c[WIDTH], c[C_OUT], c[HEIGHT_OUT], c[WIDTH_OUT], c[KERNEL_H], c[KERNEL_W]
    per_in, per_out = c[C_IN] // c[GROUPS], c_out // c[GROUPS]
    channel, pixel = source // (h * w), source % (h * w)
    row, col = pixel // w, pixel % w
    first_out = channel // per_in * per_out
    for a in range(kh):
        y = row + c[PAD_Y] - a * c[DILATION_Y]
        if y < 0 or y % c[STRIDE_Y] != 0 or y // c[STRIDE_Y] >= ho:
            continue
        for b in range(kw):
            x = col + c[PAD_X] - b * c[DILATION_X]
            if x < 0 or x % c[STRIDE_X] != 0 or x // c[STRIDE_X] >= wo:
                continue
            position = y // c[STRIDE_Y] * wo + x // c[STRIDE_X]
            at = c[WEIGHT_AT] + ((channel * kh + a) * kw + b) * per_out
            target = out[position * c_out + first_out : position * c_out + first_out + per_out]
            weight = weights[at : at + per_out]
            for o in range(per_out):
                target[o] += times * weight[o]
            flag = c[POSITION_AT] + position
            if not is_position[flag]:
                is_position[flag] = True
                positions[n[N_POSITIONS]] = position
                position_link[n[N_POSITIONS]] = link
                n[N_POSITIONS] += 1


@kernel_inside
def touch_positions(net: FlatNetwork, work: Work) -> None:
    """Mark the neurons of all channels at each convolution output that was reached; clear those marks."""
    for i in range(work.n[N_POSITIONS]):
        link, position = work.position_link[i], work.positions[i]
        size, start = net.link[link, HEIGHT_OUT] * net.link[link, WIDTH_OUT], net.pop[net.link[link, POST], START]
        for o in range(net.link[link, C_OUT]):
            touch(work.touched, work.is_touched, work.n, start + o * size + position)
        work.is_position[net.link[link, POSITION_AT] + position] = False
    work.n[N_POSITIONS] = 0
