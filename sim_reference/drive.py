"""What spikes bring: weights summed projection by projection, then the sum in register units."""

from __future__ import annotations

from ir.arithmetic import Arithmetic
from ir.arrays import Ints
from ir.connection import apply
from sim_reference.layout import Link
from sim_reference.registers import LimitCounts, wrap


def projected(link: Link, q: Ints, reached: LimitCounts) -> Ints:
    """``in_weights`` of the sum that sources bring which deliver their weights q (n_pre,) times."""
    return in_weights(link, apply(link.connection, q), reached)


def in_weights(link: Link, a: Ints, reached: LimitCounts) -> Ints:
    """One projection's share of a drive: its shift (right floors), then int32.

    Args:
        a: (n_post,) the sum of what its sources deliver.

    Returns:
        (n_post,) in weight units.
    """
    a = a << link.weight_exp if link.weight_exp >= 0 else a >> -link.weight_exp
    return reached.apply("int32", a, wrap(a, 31))


def register_drive(a: Ints, arithmetic: Arithmetic, reached: LimitCounts, shift: int | None = None) -> Ints:
    """Summed drives of all projections in register units: ``a << shift`` in int32, then the accumulator.

    Args:
        shift: of the neuron model; None = the arithmetic's ``weight_shift``.
    """
    a = reached.apply("int32", a, wrap(a, 31))
    x = a << (arithmetic.weight_shift if shift is None else shift)
    x = reached.apply("int32", x, wrap(x, 31))
    bits = arithmetic.accumulator_bits
    return x if bits is None else reached.apply("accumulator", x, wrap(x, bits))
