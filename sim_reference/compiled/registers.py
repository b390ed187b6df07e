"""Compiled register updates: one neuron in int64 with every edge counted, or a whole population in vector code."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arithmetic import U_WRAPS
from ir.arrays import Array
from sim_reference.compiled.flat import (
    ACC_AT,
    BIAS_U,
    C_OUT,
    CONV,
    DUE,
    EXPONENT,
    IN_START,
    IN_STOP,
    KEEPS,
    KIND,
    N_POST,
    START,
    STOP,
    FlatNetwork,
)
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.kernels import ACCUMULATOR, INT32, U, V, Work, acc_index, zero

TWO_SIDED, SATURATE = (U_WRAPS.index(name) for name in ("two_sided", "saturate"))

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""


@kernel
def int32(x: Int, limits: Array) -> Int:
    """Two's complement in 32 bits, counted."""
    wrapped = np.int64(np.int32(x))
    limits[INT32] += wrapped != x
    return wrapped


@kernel
def wrap(x: Int, bits: Int) -> Int:
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


@kernel
def wrap_current(u: Int, bits: Int, u_edge: Int) -> Int:
    if u_edge == TWO_SIDED:
        return wrap(u, bits)
    edge = 1 << bits
    if u_edge == SATURATE:
        return min(max(u, 1 - edge), edge - 1)
    if u > edge:
        return u - 2 * edge
    return u + 2 * edge if u <= -edge else u


@kernel
def is_hot(net: FlatNetwork, work: Work, i: Int) -> bool:
    """Whether u lies where its edge acts again in the next round, drive or not."""
    u = np.int64(work.u[i])
    return wrap_current(u, net.u_bits, net.u_edge) != u


@kernel_inside
def take_drive(net: FlatNetwork, work: Work, p: Int, i: Int) -> Int:
    """The drive of neuron i of population p in register units; its sums are cleared."""
    a, post = 0, i - net.pop[p, START]
    for n in range(net.pop[p, IN_START], net.pop[p, IN_STOP]):
        link = net.in_links[n]
        at = acc_index(net, link, post)
        s = np.int64(work.acc[at])
        if s != 0:
            work.acc[at] = 0
            e = net.link[link, EXPONENT]
            s = s << e if e >= 0 else s >> -e
            a += int32(s, work.limits)
    x = int32(int32(a, work.limits) << net.shift, work.limits)
    if net.accumulator_bits:
        wrapped = wrap(x, net.accumulator_bits)
        work.limits[ACCUMULATOR] += wrapped != x
        x = wrapped
    return x


@kernel_inside
def update_neuron(net: FlatNetwork, work: Work, p: Int, i: Int, due: bool, early: bool, keeps: bool) -> None:
    """``LIFGroup.receive`` for one neuron."""
    limits = work.limits
    x = take_drive(net, work, p, i)
    total = np.int64(work.u[i]) + x
    if due:
        total += net.bias_u[i]
    total = int32(total, limits)
    u = wrap_current(total, net.u_bits, net.u_edge)
    limits[U] += u != total
    arriving = u if due or not keeps else np.int64(0) if early else x
    bias = np.int64(net.bias[i]) if due else 0
    if net.bias_in_u:
        if due:
            s = wrap_current(arriving + bias, net.u_bits, net.u_edge)
            limits[U] += s != arriving + bias
            arriving = s
        bias = 0
    v = int32(np.int64(work.v[i]) + arriving + bias, limits)
    held = v if v < net.v_max else net.v_max
    held = held if held > net.v_min[i] else np.int64(net.v_min[i])
    limits[V] += held != v
    work.u[i] = u if keeps else 0
    work.v[i] = held


@kernel_inside
def enter_current(net: FlatNetwork, work: Work, p: Int, due: bool, early: bool, keeps: bool, kept: bool) -> None:
    """Up to the current u, ``LIFGroup.receive`` for all neurons of a population of a narrow network.

    What arrives at the membranes is left in ``work.arriving``.

    Args:
        keeps: u stays for the rest of the time step. kept: u holds something from before.
    """
    a, z = net.pop[p, START], net.pop[p, STOP]
    arriving, u = work.arriving[a:z], work.u[a:z]
    sums, up = work.x[a:z], net.shift
    first, n_links = net.in_links[net.pop[p, IN_START]], net.pop[p, IN_STOP] - net.pop[p, IN_START]
    biased = due and net.pop[p, BIAS_U]
    plain = n_links == 1 and not biased and net.link[first, KIND] != CONV and net.link[first, EXPONENT] >= 0
    if plain and not net.accumulator_bits:
        sums = work.acc[net.link[first, ACC_AT] : net.link[first, ACC_AT] + z - a]
        up += net.link[first, EXPONENT]
    else:
        for n in range(net.pop[p, IN_START], net.pop[p, IN_STOP]):
            _add_link(net, work, net.in_links[n], sums)
        if net.accumulator_bits:
            _wrap_sums(sums, net.shift, net.accumulator_bits, work.limits)
            up = 0
        if biased:
            _add_bias(sums, net.bias_u[a:z], up)
    _enter_u(sums, u, arriving, 1 << up, net, due or not keeps, early, keeps, kept, work.limits)
    if net.bias_in_u and due:
        _bias_in_u(arriving, net.bias[a:z], net.u_bits, work.limits)


@kernel
def _add(x: Array, y: Array) -> None:
    for j in range(x.size):
        x[j] += y[j]


@kernel
def _add_bias(x: Array, bias: Array, up: Int) -> None:
    """Add register values to sums that are yet to be shifted: biases of currents are multiples of that."""
    for j in range(x.size):
        x[j] += bias[j] >> up


@kernel_inside
def _add_link(net: FlatNetwork, work: Work, link: Int, x: Array) -> None:
    """Take the sums of one link, shifted; narrow networks need no int32 wrap."""
    e, n = net.link[link, EXPONENT], net.link[link, N_POST]
    acc = work.acc[net.link[link, ACC_AT] : net.link[link, ACC_AT] + n]
    if e > 0:
        for j in range(n):
            acc[j] = acc[j] << e
    elif e < 0:
        for j in range(n):
            acc[j] = acc[j] >> -e
    if net.link[link, KIND] == CONV:
        c_out = net.link[link, C_OUT]
        size = n // c_out
        for o in range(c_out):
            for position in range(size):
                x[o * size + position] += acc[position * c_out + o]
    else:
        _add(x, acc)
    zero(acc)


@kernel
def _wrap_sums(x: Array, shift: Int, bits: Int, limits: Array) -> None:
    half = np.int32(1 << bits)
    mask = np.int32((1 << (bits + 1)) - 1)
    changed = 0
    for j in range(x.size):
        shifted = np.int32(x[j] << shift)
        wrapped = np.int32((np.int32(shifted + half) & mask) - half)
        changed += wrapped != shifted
        x[j] = wrapped
    limits[ACCUMULATOR] += changed


@kernel_inside
def _enter_u(
    sums: Array,
    u: Array,
    arriving: Array,
    factor: Int,
    net: FlatNetwork,
    arrives: bool,
    early: bool,
    keeps: bool,
    kept: bool,
    limits: Array,
) -> None:
    """``u <- wrap_u(u + factor * sums)``; where the current ``arrives`` it goes on, else the sums. One wrap is enough.

    Conditions are masks, so that there is one loop.
    """
    bits, none = net.u_bits, np.int32(0)
    high = np.int32((1 << bits) - 1) if net.u_edge else np.int32(1 << bits)
    low = np.int32(-(1 << bits)) if net.u_edge == TWO_SIDED else np.int32(1 - (1 << bits))
    saturates = net.u_edge == SATURATE
    less, more = np.int32(2 << bits), np.int32(-(2 << bits))
    times = np.int32(factor)
    before, after = np.int32(-1 if kept else 0), np.int32(-1 if keeps else 0)
    take_u, take_x = np.int32(-1 if arrives and not early else 0), np.int32(0 if arrives or early else -1)
    changed = np.int32(0)
    for j in range(u.size):
        x = np.int32(sums[j] * times)
        sums[j] = 0
        total = np.int32((u[j] & before) + x)
        change = less if total < low else none
        change = more if total > high else change
        changed = np.int32(changed + np.int32(change != none))
        held = low if total < low else total
        held = high if total > high else held
        new = held if saturates else np.int32(total + change)
        u[j] = new & after
        arriving[j] = (new & take_u) | (x & take_x)
    limits[U] += changed


@kernel
def _bias_in_u(x: Array, bias: Array, bits: Int, limits: Array) -> None:
    changed = 0
    for j in range(x.size):
        s = wrap(np.int64(x[j]) + np.int64(bias[j]), bits)
        changed += s != np.int64(x[j]) + np.int64(bias[j])
        x[j] = s
    limits[U] += changed


@kernel
def enter_v(v: Array, x: Array, bias: Array, with_bias: bool, v_min: Array, v_max: Int, limits: Array) -> None:
    """``v <- v + x + bias``, held inside its register."""
    top, mask = np.int32(v_max), np.int32(-1 if with_bias else 0)
    changed = 0
    for j in range(v.size):
        total = np.int32(v[j] + x[j] + (bias[j] & mask))
        held = total if total < top else top
        held = held if held > v_min[j] else v_min[j]
        changed += held != total
        v[j] = held
    limits[V] += changed


@kernel_inside
def update_population(net: FlatNetwork, work: Work, p: Int, due: bool, early: bool) -> None:
    """``LIFGroup.receive`` for all neurons of a population of a narrow network."""
    a, z, keeps = net.pop[p, START], net.pop[p, STOP], net.pop[p, KEEPS] != 0
    enter_current(net, work, p, due, early, keeps, keeps)
    bias = due and net.pop[p, DUE] and not net.bias_in_u
    enter_v(work.v[a:z], work.arriving[a:z], net.bias[a:z], bias, net.v_min[a:z], net.v_max, work.limits)


@kernel
def leak_and_enter_v(
    v: Array, keep: Array, x: Array, bias: Array, with_bias: bool, v_min: Array, v_max: Int, limits: Array
) -> None:
    """The same after the leak: the product is exact in float64, the cast goes toward zero."""
    top, mask = np.int32(v_max), np.int32(-1 if with_bias else 0)
    changed = 0
    for j in range(v.size):
        total = np.int32(np.int32(v[j] * keep[j]) + x[j] + (bias[j] & mask))
        held = total if total < top else top
        held = held if held > v_min[j] else v_min[j]
        changed += held != total
        v[j] = held
    limits[V] += changed
