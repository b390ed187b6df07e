"""Two kinds of numbers for one engine: floats as trained, and a chip's integers carried exactly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic


@dataclass(frozen=True)
class FloatNumbers:
    """Plain floats: nothing rounds, wraps or clips."""

    def counting(self, reached: dict[str, int]) -> FloatNumbers:
        """Floats have no limits to count."""
        return self

    def leak(self, x: Tensor, leak: Tensor) -> Tensor:
        """``leak * x``."""
        return x * leak

    def shift(self, drive: Tensor, weight_exp: int) -> Tensor:
        """Floats have no exponent."""
        return drive

    def add_to_current(self, u: Tensor, drive: Tensor) -> Tensor:
        """``u + drive``."""
        return u + drive

    def pass_current(self, drive: Tensor) -> Tensor:
        """``add_to_current(0, drive)``: of neurons without current memory."""
        return drive

    def approach(self, x: Tensor, target: Tensor, leak: Tensor) -> Tensor:
        """``leak x + (1 - leak) target``."""
        return x + (target - x) * (1 - leak)

    def share(self, x: Tensor, share: Tensor) -> Tensor:
        """``share * x``."""
        return x * share

    def held(self, x: Tensor, state: str) -> Tensor:
        """Floats have no edge."""
        return x

    def add_to_state(self, x: Tensor, drive: Tensor, state: str) -> Tensor:
        """``x + drive``."""
        return x + drive

    def shift_state(self, total: Tensor, bits: Tensor, state: str) -> Tensor:
        """Floats are not shifted."""
        return total

    def drive(self, drive: Tensor) -> Tensor:
        """A summed drive in membrane units."""
        return drive

    def add_to_membrane(self, v: Tensor, i: Tensor, bias: Tensor | float, v_min: Tensor | None) -> Tensor:
        """``v + i + bias``, held above ``v_min``; ``i``: what reaches the membrane."""
        return self.add(v + i, bias, v_min)

    def add(self, v: Tensor, x: Tensor | float, v_min: Tensor | None = None) -> Tensor:
        """``v + x``, held above ``v_min``."""
        v = v + x
        return v if v_min is None else torch.where(v < v_min, v_min, v)


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of ``exact``, to the last bit, with the gradient of ``smooth`` (Bengio et al. 2013)."""
    return exact.detach() + (smooth - smooth.detach())


@dataclass(frozen=True)
class FixedNumbers:
    """A chip's integers in float64 (exact to 2^53), straight-through gradients; ``ir.arithmetic`` says the rules.

    Attributes:
        reached: where set, counts how often each limit changed a value.
    """

    arithmetic: Arithmetic = ARITHMETICS["lava"]
    reached: dict[str, int] | None = field(default=None, compare=False)

    def counting(self, reached: dict[str, int]) -> FixedNumbers:
        """The same numbers, which count the limits they reach."""
        return replace(self, reached=reached)

    def count(self, limit: str, raw: Tensor, limited: Tensor) -> None:
        """Count where a limit, by its name (``ir.quantized.limit_names``), changed a value."""
        if self.reached is not None:
            self.reached[limit] = self.reached.get(limit, 0) + int(torch.count_nonzero(raw != limited))

    def leak(self, x: Tensor, leak: Tensor) -> Tensor:
        """``sign(x) * ((|x| * (4096 - decay)) >> 12)``; ``leak`` holds the decay."""
        smooth = x * ((DECAY_ALL - leak) / DECAY_ALL)
        return straight_through(torch.trunc(smooth), smooth)

    def approach(self, x: Tensor, target: Tensor, leak: Tensor) -> Tensor:
        """``x + rtz((target - x) * decay)``, both of them (``share``); ``leak`` holds the decay."""
        return x + self.share(target - x, leak)

    def share(self, x: Tensor, decay: Tensor) -> Tensor:
        """``sign(x) * ((|x| * decay) >> 12)``."""
        smooth = x * (decay / DECAY_ALL)
        return straight_through(torch.trunc(smooth), smooth)

    def held(self, x: Tensor, state: str) -> Tensor:
        """A state at its edge, as wide as the membrane's."""
        most = float(self.arithmetic.v_max)
        held = x.detach().clamp(-most, most)
        self.count(state, x, held)
        return straight_through(held, x)

    def add_to_state(self, x: Tensor, drive: Tensor, state: str) -> Tensor:
        """``x + drive`` in int32, at the edge of a state."""
        return self.held(self._wrap("int32", x + drive, x + drive, 31), state)

    def shift_state(self, total: Tensor, bits: Tensor, state: str) -> Tensor:
        """A sum in int32, shifted right (floor), at the edge of a state."""
        wrapped = self._wrap("int32", total, total, 31)
        smooth = wrapped / 2**bits
        return self.held(straight_through(torch.floor(smooth), smooth), state)

    def shift(self, drive: Tensor, weight_exp: int) -> Tensor:
        """Shift a projection's sum; right shifts floor. Then int32."""
        smooth = drive * 2.0**weight_exp
        return self._wrap("int32", torch.floor(smooth) if weight_exp < 0 else smooth, smooth, 31)

    def _wrap(self, limit: str, exact: Tensor, smooth: Tensor, bits: int) -> Tensor:
        size = 2.0 ** (bits + 1)
        wrapped = exact - size * torch.floor((exact + size / 2) / size)
        self.count(limit, exact, wrapped)
        return straight_through(wrapped, smooth)

    def drive(self, drive: Tensor) -> Tensor:
        """A summed drive (weight units) in register units: int32, shift, accumulator, all wrapping."""
        a = self.arithmetic
        x = self._wrap("int32", drive, drive, 31) * 2.0**a.weight_shift
        x = self._wrap("int32", x, x, 31)
        return x if a.accumulator_bits is None else self._wrap("accumulator", x, x, a.accumulator_bits)

    def _wrap_u(self, u: Tensor) -> Tensor:
        a, top = self.arithmetic, 2.0**self.arithmetic.u_bits
        if a.u_wrap == "two_sided":
            return self._wrap("u", u, u, a.u_bits)
        if a.u_wrap == "saturate":
            held = u.clamp(1 - top, top - 1)
            self.count("u", u, held)
            return straight_through(held, u)
        exact = torch.where(u > top, u - 2 * top, torch.where(u <= -top, u + 2 * top, u))
        self.count("u", u, exact)
        return straight_through(exact, u)

    def add_to_current(self, u: Tensor, drive: Tensor) -> Tensor:
        """``edge_u(u + drive)``, u + drive in int32."""
        total = u + drive
        return self._wrap_u(self._wrap("int32", total, total, 31))

    def pass_current(self, drive: Tensor) -> Tensor:
        """``edge_u(drive)``: of neurons without current memory."""
        return self._wrap_u(drive)  # of int32 already

    def add_to_membrane(self, v: Tensor, i: Tensor, bias: Tensor | float, v_min: Tensor | None) -> Tensor:
        """``edge_v(v + i + bias)``, the whole sum in int32; with ``bias_in_u`` the wrap of u covers i + bias."""
        return self.add(v, self._wrap_u(i + bias) if self.arithmetic.bias_in_u else i + bias, v_min)

    def add(self, v: Tensor, x: Tensor, v_min: Tensor | None = None) -> Tensor:
        """``edge_v(v + x)``, the sum in int32."""
        low = torch.full_like(v, -self.arithmetic.v_max)
        low = low if v_min is None else torch.maximum(low, v_min)
        v = self._wrap("int32", v + x, v + x, 31)
        held = torch.where(v < low, low, torch.where(v > self.arithmetic.v_max, float(self.arithmetic.v_max), v))
        self.count("v", v, held)
        return held


Numbers = FloatNumbers | FixedNumbers
