"""A spike with a surrogate gradient: a step forward, a smooth slope backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Shape(NamedTuple):
    """A surrogate's slope, ``peak * shape(steep * |x|)``, the shape being 1 at 0.

    Attributes:
        number: by which kernels know it; their code is a case each.
        steepness: ``steep`` of an alpha.
        peak: the slope's own peak of an alpha, where none is asked for.
        shape: on ``steep * |x|``, at least 0.
    """

    number: int
    steepness: Callable[[float], float]
    peak: Callable[[float], float]
    shape: Callable[[Tensor], Tensor]


def arctan(y: Tensor) -> Tensor:
    """``1 / (1 + y^2)``."""
    return y.square().add_(1).reciprocal_()


def fast_sigmoid(y: Tensor) -> Tensor:
    """``1 / (1 + y)^2``."""
    return y.add(1).square_().reciprocal_()


def sigmoid(y: Tensor) -> Tensor:
    """``4 e^-y / (1 + e^-y)^2``."""
    e = torch.exp(-y)
    return e.mul(4).div_(e.add(1).square_())


def triangular(y: Tensor) -> Tensor:
    """``max(0, 1 - y)``."""
    return y.neg().add_(1).clamp_(min=0)


SURROGATES: dict[str, Shape] = {
    "arctan": Shape(0, lambda alpha: math.pi / 2 * alpha, lambda alpha: alpha / 2, arctan),
    "fast_sigmoid": Shape(1, lambda alpha: alpha, lambda alpha: 1.0, fast_sigmoid),
    "sigmoid": Shape(2, lambda alpha: alpha, lambda alpha: alpha / 4, sigmoid),
    "triangular": Shape(3, lambda alpha: alpha, lambda alpha: 1.0, triangular),
}
"""``arctan``: ``(alpha/2) / (1 + (pi/2 alpha x)^2)`` (Fang et al. 2021; snnTorch's ``atan``). ``fast_sigmoid``:
``1 / (1 + alpha |x|)^2`` (Zenke and Ganguli 2018; snnTorch's, with its slope as alpha). ``sigmoid``: the derivative of
``1 / (1 + e^(-alpha x))`` (snnTorch's likewise). ``triangular``: ``max(0, 1 - alpha |x|)`` (Bellec et al. 2018)."""

Own = Callable[[Tensor], Tensor]
"""A slope of one's own: of the membrane above its threshold, (B, N) in trained units."""


@dataclass(frozen=True)
class Slope:
    """The gradient of a spike by the membrane above its threshold, in trained units.

    Attributes:
        name: of ``SURROGATES``, or a function of one's own, to which the numbers do not matter.
        alpha: sharpness.
        peak: of the slope; 0 = the surrogate's own.
    """

    name: str | Own = "arctan"
    alpha: float = 2.0
    peak: float = 0.0

    def numbers(self) -> tuple[int, float, float]:
        """Number of the shape, steepness, peak: what kernels compute with."""
        assert isinstance(self.name, str), "the plain engine alone runs functions of one's own"
        shape = SURROGATES[self.name]
        return shape.number, shape.steepness(self.alpha), self.peak or shape.peak(self.alpha)

    def at(self, x: Tensor) -> Tensor:
        """The slope at ``x``."""
        if not isinstance(self.name, str):
            return self.name(x).to(x.dtype)
        _, steep, peak = self.numbers()
        return SURROGATES[self.name].shape((x * steep).abs_()).mul_(peak)


ARCTAN = Slope()
"""With alpha 2: its peak is 1."""


class Spike(torch.autograd.Function):
    """``s = x > 0``; the gradient is the slope where ``gate`` is open and 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, slope: Slope) -> Tensor:
        ctx.save_for_backward(x, gate)
        ctx.slope = slope
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        x, gate = ctx.saved_tensors
        return ctx.slope.at(x) * grad_outputs[0] * gate, None, None


def spike(x: Tensor, gate: Tensor, slope: Slope = ARCTAN) -> Tensor:
    """Fire where ``x > 0`` (strictly).

    Args:
        x: (B, N) membrane minus threshold, in trained units.
        gate: (B, N) bool, where the surrogate acts.

    Returns:
        (B, N) zeros and ones with a gradient.
    """
    return Spike.apply(x, gate, slope)  # type: ignore[no-any-return]
