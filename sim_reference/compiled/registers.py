"""Compiled register updates: one neuron in int64 with every edge counted, or a whole population in vector code."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arithmetic import U_WRAPS
from ir.arrays import Array
from sim_reference.compiled.flat import (
    ACC_AT,
    C_OUT,
    CONV,
    DUE,
    EXPONENT,
    IN_START,
    IN_STOP,
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
    total = int32(np.int64(work.u[i]) + x, limits)
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
def update_population(net: FlatNetwork, work: Work, p: Int, due: bool, early: bool, keeps: bool) -> None:
    """``LIFGroup.receive`` for all neurons of a population of a narrow network."""
    a, z = net.pop[p, START], net.pop[p, STOP]
    x, u, v = work.x[a:z], work.u[a:z], work.v[a:z]
    zero(x)
    for n in range(net.pop[p, IN_START], net.pop[p, IN_STOP]):
        _add_link(net, work, net.in_links[n], x)
    _to_registers(x, net.shift, net.accumulator_bits, work.limits)
    _enter_u(u, x, net.u_bits, net.u_edge, due or not keeps, work.limits)
    if early:
        zero(x)
    if net.bias_in_u and due:
        _bias_in_u(x, net.bias[a:z], net.u_bits, work.limits)
    elif due and net.pop[p, DUE]:
        _add(x, net.bias[a:z])
    _enter_v(v, x, net.v_min[a:z], net.v_max, work.limits)
    if not keeps:
        zero(u)


@kernel
def _add(x: Array, y: Array) -> None:
    for j in range(x.size):
        x[j] += y[j]


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
def _to_registers(x: Array, shift: Int, bits: Int, limits: Array) -> None:
    for j in range(x.size):
        x[j] = x[j] << shift
    if bits:
        half = np.int32(1 << bits)
        mask = np.int32((1 << (bits + 1)) - 1)
        changed = 0
        for j in range(x.size):
            wrapped = np.int32((np.int32(x[j] + half) & mask) - half)
            changed += wrapped != x[j]
            x[j] = wrapped
        limits[ACCUMULATOR] += changed


@kernel
def _enter_u(u: Array, x: Array, bits: Int, u_edge: Int, arrives: bool, limits: Array) -> None:
    """``u <- wrap_u(u + x)``; where the current ``arrives`` x becomes u. Narrow sums need one wrap at most."""
    high = np.int32((1 << bits) - 1) if u_edge else np.int32(1 << bits)
    low = np.int32(-(1 << bits)) if u_edge == TWO_SIDED else np.int32(1 - (1 << bits))
    up, down, none = np.int32(2 << bits), np.int32(-(2 << bits)), np.int32(0)
    changed = np.int32(0)
    for j in range(u.size):
        total = np.int32(u[j] + x[j])
        change = up if total < low else none
        change = down if total > high else change
        changed = np.int32(changed + np.int32(change != none))
        u[j] = np.int32(total + change) if u_edge != SATURATE else min(max(total, low), high)
    limits[U] += changed
    if arrives:
        for j in range(u.size):
            x[j] = u[j]


@kernel
def _bias_in_u(x: Array, bias: Array, bits: Int, limits: Array) -> None:
    changed = 0
    for j in range(x.size):
        s = wrap(np.int64(x[j]) + np.int64(bias[j]), bits)
        changed += s != np.int64(x[j]) + np.int64(bias[j])
        x[j] = s
    limits[U] += changed


@kernel
def _enter_v(v: Array, x: Array, v_min: Array, v_max: Int, limits: Array) -> None:
    top = np.int32(v_max)
    changed = 0
    for j in range(v.size):
        total = np.int32(v[j] + x[j])
        held = total if total < top else top
        held = held if held > v_min[j] else v_min[j]
        changed += held != total
        v[j] = held
    limits[V] += changed
