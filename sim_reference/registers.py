"""Edges of registers in plain integers, and how often each was reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ir.arithmetic import DECAY_ALL, DECAY_BITS, Arithmetic
from ir.arrays import Ints


class LimitCounts(dict[str, int]):
    """How often each register limit was reached; grows during a run."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names, 0))

    def apply(self, name: str, raw: Ints, limited: Ints) -> Ints:
        """Count where the limit ``name`` changed a value and return the limited values."""
        self[name] += int(np.count_nonzero(raw != limited))
        return limited


def wrap(x: Any, bits: int) -> Any:
    """Two's complement in ``bits`` bits beside the sign.

    >>> wrap(128, 7), wrap(-129, 7), wrap(5, 7)
    (-128, 127, 5)
    """
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


def wrap_current(u: Ints, arithmetic: Arithmetic) -> Ints:
    """The current at its edge: into the register (``two_sided``), held, or one addition at most (``lava``)."""
    if arithmetic.u_wrap == "two_sided":
        return wrap(u, arithmetic.u_bits)
    edge = 1 << arithmetic.u_bits
    if arithmetic.u_wrap == "saturate":
        return np.clip(u, 1 - edge, edge - 1)
    return np.where(u > edge, u - 2 * edge, np.where(u <= -edge, u + 2 * edge, u))


def leak(x: Ints, decay: Ints) -> Ints:
    """``sign(x) * ((|x| * (4096 - decay)) >> 12)``: toward zero (lava-nc 0.10.0, ``PyLifModelBitAcc``)."""
    return np.sign(x) * ((np.abs(x) * (DECAY_ALL - decay)) >> DECAY_BITS)
