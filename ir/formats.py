"""The numbers a chip's registers hold, what a trained network is rounded to, and how a number outside is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import Array
from ir.check import whole
from ir.chip import Chip, IntFormat

FORMATS = ("weight", "threshold", "decay", "bias", "exponents")
"""The tables of a chip that say which numbers it stores."""


@dataclass(frozen=True)
class Formats:
    """The number formats a network is quantized to.

    Attributes:
        bias_exp: exponent that biases are stored with; at the arithmetic's ``weight_shift`` a bias counts like a
            weight.
    """

    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    arithmetic: str
    bias_exp: int

    @staticmethod
    def of(chip: Chip, weight_bits: int = 8) -> Formats:
        """Formats of a chip with weights of at most ``weight_bits``: fewer bits keep the range and coarsen the step."""
        chip.need("a network's rounding", *FORMATS)
        own = chip.weight
        weight_bits = whole("weight_bits", weight_bits, 2, 32)
        step = own.step << max(0, (own.n_values - 1).bit_length() - weight_bits)
        weight = IntFormat(-(-own.lo // step) * step, own.hi // step * step, step)
        bias_exp = min(ARITHMETICS[chip.arithmetic].weight_shift, chip.bias_exp_max)
        return Formats(weight, chip.threshold, chip.decay, chip.bias, chip.arithmetic, bias_exp)

    @property
    def weight_shift(self) -> int:
        """A weight of 1 adds ``1 << weight_shift`` to a register."""
        return ARITHMETICS[self.arithmetic].weight_shift

    @property
    def bias_unit(self) -> int:
        """Bias mantissa units a weight mantissa unit."""
        return 1 << (self.weight_shift - self.bias_exp)


def to_grid(values: Array, scale: Array | float, grid: IntFormat) -> Array:
    """``round(values * scale / step) * step``, half to even, clipped into ``grid``; int32."""
    steps = np.rint(np.asarray(values, np.float64) * (scale / grid.step)) * grid.step
    return np.clip(steps, grid.lo, grid.hi).astype(np.int32)


def nearest(values: Array, form: IntFormat, offset: int = 0) -> Array:
    """The nearest numbers of a format whose registers hold ``value - offset``; int64."""
    held = np.rint((np.rint(values) - offset) / form.step) * form.step
    top = form.hi // form.step * form.step
    return np.clip(held, form.lo, top).astype(np.int64) + offset


@dataclass(frozen=True)
class RegisterFormats:
    """What a chip's registers hold.

    Attributes:
        weight: of mixed sign. A step of 2 where there are two signs is the sign's bit: weights of one sign have it
            for themselves.
    """

    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    weight_exp_max: int
    bias_exp_max: int

    @staticmethod
    def of(chip: Chip) -> RegisterFormats:
        """Those of ``chip``."""
        chip.need("a network's check", *FORMATS)
        formats = chip.weight, chip.threshold, chip.decay, chip.bias
        return RegisterFormats(*formats, chip.weight_exp[1], chip.bias_exp_max)

    def weights(self, low: int, high: int) -> IntFormat:
        """The format of weights that reach from ``low`` to ``high``."""
        own = self.weight
        sign = int(own.step == 2 and own.lo < 0 < own.hi)
        if low < 0 < high or not sign:
            return own
        return IntFormat(own.lo + sign, 0) if low < 0 else IntFormat(0, own.hi + sign)


LOIHI = RegisterFormats(
    IntFormat(-256, 254, 2),
    IntFormat(0, (1 << 17) - 1),
    IntFormat(0, DECAY_ALL - 1),
    IntFormat(-(1 << 12) + 1, (1 << 12) - 1),
    weight_exp_max=7,
    bias_exp_max=7,
)
"""Weights as lava-nc 0.10.0's ``Dense`` has them; the rest as Davies et al. 2018 and nengo-loihi 1.1.0 have it."""


@dataclass(frozen=True)
class Excess:
    """Something outside the safe envelope.

    Attributes:
        layer: a population, or a projection as ``pre -> post``.
        what: what is outside.
        number: how far.
        remedy: the way out.
    """

    layer: str
    what: str
    number: int
    remedy: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what} ({self.number}); {self.remedy}"


def off_step(who: str, what: str, values: Array, form: IntFormat) -> list[Excess]:
    """Numbers between those that a register can hold."""
    n = int((values % form.step != 0).sum())
    remedy = "quantize the trained network for this chip"
    return [Excess(who, f"{what} that {form.step} does not divide", n, remedy)] if n else []
