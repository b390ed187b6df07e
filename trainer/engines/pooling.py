"""Max pooling of spikes in the plain engines: a window's gradient goes to the first of its spikes that was served."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.connection import Connection, synapses


class FirstServed(torch.autograd.Function):
    """The spikes of each window, counted; backward to that of the smallest index alone, as it stands.

    A pooling neuron fires in the round that brings it its first spikes and is then refractory, so the first of that
    round is the first of all. A window without spikes has no gradient, as nothing of it was served.
    """

    @staticmethod
    def forward(ctx: Any, s: Tensor, sums: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        ctx.save_for_backward(s > 0, pre, post)
        ctx.n_post = sums.shape[1]
        return sums.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        fired, pre, post = ctx.saved_tensors
        g = grad_outputs[0]
        n_pre = fired.shape[1]
        index = torch.where(fired[:, pre], pre, n_pre)
        first = torch.full((g.shape[0], ctx.n_post), n_pre, dtype=pre.dtype, device=g.device)
        first = first.scatter_reduce(1, post.expand_as(index), index, "amin")
        out = torch.zeros(g.shape[0], n_pre + 1, dtype=g.dtype, device=g.device).scatter_add(1, first, g)
        return out[:, :n_pre], None, None, None


def first_served(s: Tensor, sums: Tensor, connection: Connection) -> Tensor:
    """``sums`` (B, n_post) of the spikes ``s`` (B, n_pre) with the gradient of a max pooling behind them."""
    pre, post, weight = synapses(connection)
    seen = np.asarray(weight) != 0
    device = s.device
    where = (torch.as_tensor(np.ascontiguousarray(x[seen]), device=device) for x in (pre, post))
    return FirstServed.apply(s, sums.detach(), *where)  # type: ignore[no-any-return]


class FirstSpike(torch.autograd.Function):
    """``s = v > 0``; where it fires the gradient passes on as it stands, in trained units."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, unit: Tensor | None) -> Tensor:
        s = (v > 0).to(v.dtype)
        ctx.save_for_backward(s if unit is None else s / unit)
        return s

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0] * ctx.saved_tensors[0], None
