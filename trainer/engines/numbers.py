"""Two kinds of numbers for one engine: floats as trained, and a chip's integers carried exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic


@dataclass(frozen=True)
class FloatNumbers:
    """Plain floats: nothing rounds, wraps or clips."""

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

    def drive(self, drive: Tensor) -> Tensor:
        """A summed drive in membrane units."""
        return drive

    def add_to_membrane(self, v: Tensor, u: Tensor, bias: Tensor | float, v_min: Tensor | None) -> Tensor:
        """``v + u + bias``, held above ``v_min``."""
        v = v + u + bias
        return v if v_min is None else torch.where(v < v_min, v_min, v)


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of ``exact`` with the gradient of ``smooth`` (Bengio et al. 2013)."""
    return smooth + (exact - smooth).detach()


@dataclass(frozen=True)
class FixedNumbers:
    """A chip's integers in float64 (exact to 2^53), straight-through gradients; ``ir.arithmetic`` says the rules."""

    arithmetic: Arithmetic = ARITHMETICS["lava"]

    def leak(self, x: Tensor, leak: Tensor) -> Tensor:
        """``sign(x) * ((|x| * (4096 - decay)) >> 12)``; ``leak`` holds the decay."""
        smooth = x * ((DECAY_ALL - leak) / DECAY_ALL)
        return straight_through(torch.trunc(smooth), smooth)

    def shift(self, drive: Tensor, weight_exp: int) -> Tensor:
        """Shift a projection's sum; right shifts floor. Then int32."""
        smooth = drive * 2.0**weight_exp
        return self._wrap(torch.floor(smooth) if weight_exp < 0 else smooth, smooth, 31)

    def _wrap(self, exact: Tensor, smooth: Tensor, bits: int) -> Tensor:
        size = 2.0 ** (bits + 1)
        return straight_through(exact - size * torch.floor((exact + size / 2) / size), smooth)

    def drive(self, drive: Tensor) -> Tensor:
        """A summed drive (weight units) in register units: int32, shift, accumulator, all wrapping."""
        a = self.arithmetic
        x = self._wrap(drive, drive, 31) * 2.0**a.weight_shift
        x = self._wrap(x, x, 31)
        return x if a.accumulator_bits is None else self._wrap(x, x, a.accumulator_bits)

    def _wrap_u(self, u: Tensor) -> Tensor:
        a, top = self.arithmetic, 2.0**self.arithmetic.u_bits
        if a.u_wrap == "two_sided":
            return self._wrap(u, u, a.u_bits)
        exact = torch.where(u > top, u - 2 * top, torch.where(u <= -top, u + 2 * top, u))
        return straight_through(exact, u)

    def add_to_current(self, u: Tensor, drive: Tensor) -> Tensor:
        """``wrap(u + drive)``."""
        return self._wrap_u(self._wrap(u + drive, u + drive, 31))

    def pass_current(self, drive: Tensor) -> Tensor:
        """``wrap(drive)``: of neurons without current memory."""
        return self._wrap_u(self._wrap(drive, drive, 31))

    def add_to_membrane(self, v: Tensor, u: Tensor, bias: Tensor | float, v_min: Tensor | None) -> Tensor:
        """``clip(v + u + bias)``; with ``bias_in_u`` the wrap covers u + bias."""
        x = self._wrap_u(u + bias) if self.arithmetic.bias_in_u else u + bias
        low = torch.full_like(v, -self.arithmetic.v_max)
        low = low if v_min is None else torch.maximum(low, v_min)
        v = v + x
        return torch.where(v < low, low, torch.where(v > self.arithmetic.v_max, float(self.arithmetic.v_max), v))


Numbers = FloatNumbers | FixedNumbers
