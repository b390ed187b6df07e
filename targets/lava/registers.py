"""How integer registers leak, wrap and clip, and how often an edge acted."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import LIMITS, Arithmetic
from ir.arrays import Ints
from ir.quantized import QuantizedNetwork, limit_names

INT32, ACCUMULATOR, U, V = LIMITS
"""Names of edges; a state's edge has its name."""

Reached = dict[str, int]
"""How often each edge acted."""


def none_reached(network: QuantizedNetwork) -> Reached:
    """Zero for each edge that is counted."""
    return dict.fromkeys(limit_names(network), 0)


def write_reached(reached: Reached, record: Ints) -> None:
    """Write how often each edge acted into a shared record, (n_edges,)."""
    record[:] = list(reached.values())


def leak(x: Ints, keep: Ints) -> Ints:
    """``sign(x) * ((|x| * keep) >> 12)``: toward zero.

    Args:
        x: (n,) registers.
        keep: (n,) what stays of 4096, ``4096 - decay``.
    """
    return np.sign(x) * ((np.abs(x) * keep) >> 12)


def wrap_two_sided(x: Ints, bits: int, reached: Reached, name: str) -> Ints:
    """Wrap into [-2^bits, 2^bits) as two's complement does; count what was outside."""
    half = 1 << bits
    wrapped = ((x + half) & (2 * half - 1)) - half
    reached[name] += int(np.count_nonzero(wrapped != x))
    return wrapped


def wrap_u(x: Ints, arithmetic: Arithmetic, reached: Reached) -> Ints:
    """The current's edge as the profile has it (``Arithmetic.u_wrap``).

    ``lava``: lava-nc 0.10.0 ``AbstractPyLifModelFixed.subthr_dynamics``, one wrap only.
    """
    if arithmetic.u_wrap == "two_sided":
        return wrap_two_sided(x, arithmetic.u_bits, reached, U)
    edge = 1 << arithmetic.u_bits
    above, below = x > edge, x <= -edge
    reached[U] += int(np.count_nonzero(above) + np.count_nonzero(below))
    return x - 2 * edge * above + 2 * edge * below


def clip_v(x: Ints, low: Ints | int, high: int, reached: Reached) -> Ints:
    """Hold v between ``low`` and ``high``; count what was outside."""
    clipped = np.clip(x, low, high)
    reached[V] += int(np.count_nonzero(clipped != x))
    return clipped
