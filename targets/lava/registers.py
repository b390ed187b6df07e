"""How integer registers leak, wrap and clip, and how often an edge acted."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Ints

LIMITS = ("int32", "accumulator", "u", "v")
"""Names of the counted limits, in the order of every counter array here."""

INT32, ACCUMULATOR, U, V = range(4)


def leak(x: Ints, keep: Ints) -> Ints:
    """``sign(x) * ((|x| * keep) >> 12)``: toward zero.

    Args:
        x: (n,) registers.
        keep: (n,) what stays of 4096, ``4096 - decay``.
    """
    return np.sign(x) * ((np.abs(x) * keep) >> 12)


def wrap_two_sided(x: Ints, bits: int, counter: Ints, which: int) -> Ints:
    """Wrap into [-2^bits, 2^bits) as two's complement does; count what was outside."""
    half = 1 << bits
    wrapped = ((x + half) & (2 * half - 1)) - half
    counter[which] += np.count_nonzero(wrapped != x)
    return wrapped


def wrap_u(x: Ints, arithmetic: Arithmetic, counter: Ints) -> Ints:
    """The current's edge as the profile has it (``Arithmetic.u_wrap``).

    ``lava``: lava-nc 0.10.0 ``AbstractPyLifModelFixed.subthr_dynamics``, one wrap only.
    """
    if arithmetic.u_wrap == "two_sided":
        return wrap_two_sided(x, arithmetic.u_bits, counter, U)
    edge = 1 << arithmetic.u_bits
    above, below = x > edge, x <= -edge
    counter[U] += np.count_nonzero(above) + np.count_nonzero(below)
    return x - 2 * edge * above + 2 * edge * below


def clip_v(x: Ints, low: Ints, high: int, counter: Ints) -> Ints:
    """Hold v between ``low`` and ``high``; count what was outside."""
    clipped = np.clip(x, low, high)
    counter[V] += np.count_nonzero(clipped != x)
    return clipped
