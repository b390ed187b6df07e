"""The registers of a batch between the rounds of the reference engine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.engines.call import Call


@dataclass
class BatchState:
    """Registers of the batch, (B, N) each: membrane, current, refractory, fired, queue, momentum, round of firing."""

    v: Tensor
    u: Tensor | None
    r: Tensor
    fired: Tensor
    q: Tensor
    waiting: Tensor
    m: Tensor
    k_fired: Tensor


def fresh_state(call: Call) -> BatchState:
    """All registers zero."""
    shape = (call.frames.shape[1], call.plan.n_neurons)
    zeros = torch.zeros(shape, dtype=call.params.leak_v.dtype, device=call.frames.device)
    none = torch.zeros(shape, dtype=torch.bool, device=call.frames.device)
    u = zeros if call.params.leak_u is not None else None
    return BatchState(
        zeros, u, none, none, zeros, none, zeros, torch.zeros(shape, dtype=torch.int64, device=call.frames.device)
    )
