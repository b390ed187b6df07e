"""A spike with a surrogate gradient: a step forward, an arctan's slope backward."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def arctan_slope(x: Tensor, alpha: float) -> Tensor:
    """``(alpha/2) / (1 + (pi/2 alpha x)^2)``, peak alpha/2 (Fang et al. 2021, snnTorch's ``atan``)."""
    return (x * (math.pi / 2 * alpha)).square_().add_(1).reciprocal_().mul_(alpha / 2)


class ArctanSpike(torch.autograd.Function):
    """``s = x > 0``; the gradient is the arctan's slope where ``gate`` is open and 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(x, gate)
        ctx.alpha = alpha
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        x, gate = ctx.saved_tensors
        return arctan_slope(x, ctx.alpha).mul_(grad_outputs[0]).mul_(gate), None, None


def spike(x: Tensor, gate: Tensor, alpha: float = 2.0) -> Tensor:
    """Fire where ``x > 0`` (strictly).

    Args:
        x: (B, N) membrane minus threshold, in trained units.
        gate: (B, N) bool, where the surrogate acts.

    Returns:
        (B, N) zeros and ones with a gradient.
    """
    return ArctanSpike.apply(x, gate, alpha)  # type: ignore[no-any-return]
