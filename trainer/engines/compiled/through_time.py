"""LIF neurons under the layered schedule, all time steps of one population in one call, forward and backward.

Arrays are (T, B, n); ``mode`` is how a spike resets: ZERO, SUBTRACT or NEVER. The additions are those of the plain
engine's ``LIFDynamics``, in its order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from trainer.engines.compiled.jit import apart, entry, exact, fingerprint
from trainer.engines.compiled.through import slopes

ZERO, SUBTRACT, NEVER = range(3)


class Neurons(NamedTuple):
    """The numbers of a population; (n,) each, (0,) where it has no such number.

    Attributes:
        height: what a spike takes away, the threshold where that is finite.
        per_unit: ones, membranes a trained unit.
        back: (n, n) weights of the population onto itself, a row for each source; (0, 0) = none.
        back_to: the same, a row for each target.
    """

    leak_v: Any
    leak_u: Any
    bias: Any
    bias_u: Any
    threshold: Any
    height: Any
    per_unit: Any
    back: Any
    back_to: Any


class Course(NamedTuple):
    """What became of the neurons: ``before`` and ``v`` the membranes before and after the reset, ``u`` what reached
    them, ``spikes``; (T, B, n). ``v0``, ``u0``, ``fired0`` (B, n) where they began."""

    before: Any
    v: Any
    u: Any
    spikes: Any
    v0: Any
    u0: Any
    fired0: Any


class Shape(NamedTuple):
    """Of the surrogate's slope: its number, steepness and peak."""

    shape: int
    steep: float
    peak: float


class Sums(NamedTuple):
    """Gradients of the numbers of a population, (n,) each, and room for one time step."""

    leak_v: Any
    leak_u: Any
    bias: Any
    bias_u: Any
    threshold: Any
    slope: Any
    v: Any
    u: Any
    count: Any


@apart
def integrate(own, drive, v, u, before, v_now, u_now, spikes, mode):
    """One time step of one sample: ``drive`` (n,) of it, ``v`` and ``u`` of the time step before."""
    zero, one = before.dtype.type(0), before.dtype.type(1)
    for i in range(before.shape[0]):
        u_now[i] = drive[i]
    if own.bias_u.shape[0] > 0:
        for i in range(before.shape[0]):
            u_now[i] += own.bias_u[i]
    if own.leak_u.shape[0] > 0:
        for i in range(before.shape[0]):
            u_now[i] = u[i] * own.leak_u[i] + u_now[i]
    for i in range(before.shape[0]):
        before[i] = v[i] * own.leak_v[i] + u_now[i]
    if own.bias.shape[0] > 0:
        for i in range(before.shape[0]):
            before[i] += own.bias[i]
    for i in range(before.shape[0]):
        spikes[i] = one if before[i] - own.threshold[i] > zero else zero
    for i in range(before.shape[0]):
        if mode == ZERO:
            v_now[i] = zero if spikes[i] > zero else before[i]
        elif mode == SUBTRACT:
            v_now[i] = before[i] - own.height[i] * spikes[i]
        else:
            v_now[i] = before[i]


@apart
def copy_row(to, row):
    for i in range(to.shape[0]):
        to[i] = row[i]


@apart
def add_row(total, row):
    for i in range(total.shape[0]):
        total[i] += row[i]


@apart
def add_scaled(total, row, factor):
    for i in range(total.shape[0]):
        total[i] += row[i] * factor


@exact
def _forward(own, course, drive, mode, room, first, last):
    """Samples ``first`` to ``last``; ``drive`` (T, B, n), ``room`` (n,)."""
    zero = room.dtype.type(0)
    for b in range(first, last):
        for t in range(drive.shape[0]):
            copy_row(room, drive[t, b])
            if t > 0:
                if own.back.shape[0] > 0:
                    for j in range(room.shape[0]):
                        if course.spikes[t - 1, b, j] > zero:
                            add_row(room, own.back[j])
                v, u = course.v[t - 1, b], course.u[t - 1, b]
            else:
                v, u = course.v0[b], course.u0[b]
            now = course.before[t, b], course.v[t, b], course.u[t, b], course.spikes[t, b]
            integrate(own, room, v, u, now[0], now[1], now[2], now[3], mode)


@apart
def differentiate(own, before, u, spikes, v_past, u_past, fired_past, g_count, g_v, sums, g_drive, mode):
    """One time step of one sample, from after its reset to the end of the time step before.

    Args:
        g_count, g_v: (n,) of its spikes and of its membranes after the reset, without what later time steps ask for.
        sums: ``v``, ``u`` and ``count`` hold that, and then what this one asks of the time step before.
    """
    zero, one = before.dtype.type(0), before.dtype.type(1)
    biased, keeps = own.bias.shape[0] > 0, own.leak_u.shape[0] > 0
    for i in range(before.shape[0]):
        after, count = g_v[i] + sums.v[i], g_count[i] + sums.count[i]
        reached = u[i] != zero
        if biased:
            reached = reached or own.bias[i] != zero
        lost = before[i] if mode == ZERO else own.height[i] if mode == SUBTRACT else zero
        e = (sums.slope[i] if reached else zero) * (count - after * lost)
        kept = after * (one - spikes[i]) if mode == ZERO else after
        sums.threshold[i] -= e + (after * spikes[i] if mode == SUBTRACT else zero)
        sums.v[i] = kept + e
    for i in range(before.shape[0]):
        g_drive[i] = sums.v[i] + sums.u[i]
    if biased:
        for i in range(before.shape[0]):
            sums.bias[i] += sums.v[i]
    if own.bias_u.shape[0] > 0:
        for i in range(before.shape[0]):
            sums.bias_u[i] += g_drive[i]
    for i in range(before.shape[0]):
        sums.leak_v[i] += sums.v[i] * v_past[i]
        sums.v[i] *= own.leak_v[i]
    if mode == ZERO:
        for i in range(before.shape[0]):
            sums.v[i] = zero if fired_past[i] > zero else sums.v[i]
    if keeps:
        for i in range(before.shape[0]):
            sums.leak_u[i] += g_drive[i] * u_past[i]
            sums.u[i] = g_drive[i] * own.leak_u[i]
    for i in range(before.shape[0]):
        sums.count[i] = zero


@exact
def _backward(own, course, g_spikes, g_v, g_u, g_drive, g_v0, g_u0, sums, mode, slope, first, last):
    """Samples ``first`` to ``last``.

    Args:
        g_spikes, g_v: (T, B, n); g_u: (B, n) of the last currents. g_drive, g_v0, g_u0: are written.
        slope: the surrogate's shape, steepness and peak.
    """
    n_steps = course.v.shape[0]
    for b in range(first, last):
        sums.v[:] = 0
        sums.count[:] = 0
        copy_row(sums.u, g_u[b])
        for back in range(n_steps):
            t = n_steps - 1 - back
            before = course.before[t, b]
            slopes(before, own.threshold, own.per_unit, slope.shape, slope.steep, slope.peak, sums.slope)
            if t > 0:
                v_past, u_past, fired = course.v[t - 1, b], course.u[t - 1, b], course.spikes[t - 1, b]
            else:
                v_past, u_past, fired = course.v0[b], course.u0[b], course.fired0[b]
            here = g_spikes[t, b], g_v[t, b]
            differentiate(own, before, course.u[t, b], course.spikes[t, b], v_past, u_past, fired,
                          here[0], here[1], sums, g_drive[t, b], mode)  # fmt: skip
            if own.back_to.shape[0] > 0 and t > 0:
                for i in range(before.shape[0]):
                    if g_drive[t, b, i] != 0:
                        add_scaled(sums.count, own.back_to[i], g_drive[t, b, i])
        copy_row(g_v0[b], sums.v)
        copy_row(g_u0[b], sums.u)


def _entries(source: int) -> Any:
    """What Python calls; ``source`` goes into the code that is kept, so that changed kernels are compiled anew."""

    @entry
    def run_through(own, course, drive, mode, room, first, last):
        _forward(own, course, drive, mode, room, first, last)
        return source

    @entry
    def back_through_time(own, course, g_spikes, g_v, g_u, g_drive, g_v0, g_u0, sums, mode, slope, first, last):
        _backward(own, course, g_spikes, g_v, g_u, g_drive, g_v0, g_u0, sums, mode, slope, first, last)
        return source

    return run_through, back_through_time


run_through, back_through_time = _entries(fingerprint())
