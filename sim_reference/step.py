"""One update of the registers in plain integers: the meaning of a spike, before any queue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import DECAY_ALL, DECAY_BITS, Arithmetic
from ir.arrays import Bits, Ints
from ir.connection import apply
from sim_reference.layout import Layout, Link, wrap

LIMITS = ("int32", "accumulator", "u", "v")
"""The edges whose crossings are counted."""


class LimitCounts(dict[str, int]):
    """How often each register limit was reached; grows during a run."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(LIMITS, 0))

    def apply(self, name: str, raw: Ints, limited: Ints) -> Ints:
        """Count where the limit ``name`` changed a value and return the limited values."""
        self[name] += int(np.count_nonzero(raw != limited))
        return limited


@dataclass
class Registers:
    """What the neurons keep from one time step to the next, each (N,): current u, membrane v."""

    u: Ints
    v: Ints


def leak(x: Ints, decay: Ints) -> Ints:
    """``sign(x) * ((|x| * (4096 - decay)) >> 12)``: toward zero (lava-nc 0.10.0, ``PyLifModelBitAcc``)."""
    return np.sign(x) * ((np.abs(x) * (DECAY_ALL - decay)) >> DECAY_BITS)


def wrap_current(u: Ints, arithmetic: Arithmetic) -> Ints:
    """The current at its edge: into the register (``two_sided``) or one addition at most (``lava``)."""
    if arithmetic.u_wrap == "two_sided":
        return wrap(u, arithmetic.u_bits)
    edge = 1 << arithmetic.u_bits
    return np.where(u > edge, u - 2 * edge, np.where(u <= -edge, u + 2 * edge, u))


def projected(link: Link, q: Ints, reached: LimitCounts) -> Ints:
    """One projection's share of a drive: the sum, then its shift (right floors), then int32.

    Args:
        q: (n_pre,) how often each source's weight is delivered.

    Returns:
        (n_post,) in weight units.
    """
    a = apply(link.connection, q)
    a = a << link.weight_exp if link.weight_exp >= 0 else a >> -link.weight_exp
    return reached.apply("int32", a, wrap(a, 31))


def register_drive(a: Ints, arithmetic: Arithmetic, reached: LimitCounts) -> Ints:
    """Summed drives of all projections in register units: ``a << 6`` in int32, then the accumulator."""
    a = reached.apply("int32", a, wrap(a, 31))
    x = a << arithmetic.weight_shift
    x = reached.apply("int32", x, wrap(x, 31))
    bits = arithmetic.accumulator_bits
    return x if bits is None else reached.apply("accumulator", x, wrap(x, bits))


@dataclass(frozen=True)
class When:
    """Where, in one round, something that comes once a time step arrives, (n,) each.

    Attributes:
        due: bias and current arrive now.
        early: the current is still waited for.
        keeps: the current is kept; elsewhere u ends at 0.
    """

    due: Bits
    early: Bits
    keeps: Bits

    @staticmethod
    def of_round(layout: Layout, k: int) -> When:
        """Forward step ``k`` of the asynchronous schedule, all neurons."""
        keeps = layout.has_current
        return When(layout.due & (layout.depth == k), keeps & (layout.depth > k), keeps)

    @staticmethod
    def always(n: int) -> When:
        """The layered schedule, where everything arrives at once."""
        return When(np.ones(n, bool), np.zeros(n, bool), np.ones(n, bool))


def receive(
    layout: Layout, state: Registers, x: Ints, when: When, reached: LimitCounts, part: slice = slice(None)
) -> None:
    """Add a drive to current and membrane of the neurons in ``part``; changes ``state``.

    ``u <- edge_u(u + x)``. What reaches v is u where it is due or not kept, nothing before that, x alone after it: a
    current arrives once a time step with all that came before, and so does the bias. ``v <- edge_v(v + that + bias)``.

    Args:
        x: the drive in register units.
    """
    arithmetic = layout.arithmetic
    total = state.u[part] + x
    total = reached.apply("int32", total, wrap(total, 31))
    u = reached.apply("u", total, wrap_current(total, arithmetic))
    due, keeps = when.due, when.keeps
    arriving: Ints = np.where(due | ~keeps, u, np.where(when.early, 0, x))
    bias: Ints = np.where(due, layout.bias[part], 0)
    if arithmetic.bias_in_u:
        s: Ints = np.where(due, arriving + bias, arriving)
        arriving = reached.apply("u", s, np.where(due, wrap_current(s, arithmetic), s))
        bias = np.zeros_like(bias)
    v = state.v[part] + arriving + bias
    v = reached.apply("int32", v, wrap(v, 31))
    state.u[part] = np.where(keeps, u, 0)
    state.v[part] = reached.apply("v", v, np.clip(v, layout.v_min[part], arithmetic.v_max))


def begin_time_step(layout: Layout, state: Registers, t: int) -> None:
    """Reset what is due to be reset, then leak once; changes ``state``."""
    reset = layout.resets_at(t)
    state.u[reset] = 0
    state.v[reset] = 0
    state.u[:] = leak(state.u, layout.decay_u)
    state.v[:] = leak(state.v, layout.decay_v)
