"""Registers in Python's own whole numbers, which never overflow: every wrap is one that is written here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

ALL = 1 << 64
SHIFTS = {"lava": 6, "loihi2": 6, "loihi1": 6, "seneca": 0}
"""By how much a weight is shifted into a register, by arithmetic."""
V_EDGES = {"lava": (1 << 23) - 1, "loihi2": (1 << 23) - 1, "loihi1": (1 << 23) - 1, "seneca": (1 << 15) - 1}
"""The largest membrane."""
EXACT = 1 << 53


def mix(x: int) -> int:
    """One step of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) % ALL
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) % ALL
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) % ALL
    return x ^ x >> 31


def key(seed: int, sample: int, t: int, k: int, neuron: int) -> int:
    """The random number of one queue entry; negative numbers in two's complement."""
    h = mix(seed % ALL)
    for x in (sample, t, k, neuron):
        h = mix((h + x) % ALL)
    return h


def shift(x: int, by: int) -> int:
    """``x << by``, or a right shift that floors."""
    return x * 2**by if by >= 0 else x // 2**-by


def leak(x: int, decay: int) -> int:
    """What a time step leaves of a register, toward zero."""
    left = abs(x) * (4096 - decay) // 4096
    return left if x >= 0 else -left


def into(x: int, bits: int) -> int:
    """``x`` wrapped into [-2^bits, 2^bits)."""
    return (x + 2**bits) % 2 ** (bits + 1) - 2**bits


@dataclass
class Edges:
    """The edges of one arithmetic; each counts how often it changed a value.

    Attributes:
        arithmetic: ``lava``, ``loihi2``, ``loihi1`` or ``seneca``.
        reached: changes by name.
        places: the same for ``int32``, by place: p, a, x, u, v.
    """

    arithmetic: str
    reached: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)

    def _changed(self, name: str, before: int, after: int) -> int:
        self.reached[name] += before != after
        return after

    def int32(self, x: int, place: str) -> int:
        self.places[place] += x != into(x, 31)
        return self._changed("int32", x, into(x, 31))

    def accumulator(self, x: int) -> int:
        return self._changed("accumulator", x, into(x, 21)) if self.arithmetic == "loihi1" else x

    def u(self, x: int) -> int:
        """Two-sided on ``loihi1``, held on ``seneca``; else one correction, which may leave u outside."""
        if self.arithmetic == "seneca":
            return self._changed("u", x, min(max(x, 1 - 2**15), 2**15 - 1))
        if self.arithmetic == "loihi1":
            return self._changed("u", x, into(x, 23))
        if x > 1 << 23:
            return self._changed("u", x, x - (1 << 24))
        if x <= -(1 << 23):
            return self._changed("u", x, x + (1 << 24))
        return x

    def v(self, x: int, v_min: int | None) -> int:
        top = V_EDGES[self.arithmetic]
        low = -top if v_min is None else max(v_min, -top)
        return self._changed("v", x, min(max(x, low), top))
