"""Where a run of a compiled engine ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.neurons import RESETS
from ir.state import state_names
from trainer.engines.call import Call
from trainer.engines.live import LiveState
from trainer.engines.neurons.lif_params import lif_facts

NO_GRADIENT = (
    "a synaptic current carries no gradient from one call of a compiled engine into the next; give "
    "result.state.detach(), or use engine 'reference'"
)


class Ends(torch.autograd.Function):
    """A value that hangs on ``anchor``; a gradient that is asked of it is refused, not 0."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, anchor: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        raise ValueError(NO_GRADIENT)


def end_of(call: Call, counts: Tensor, v: Tensor, last_u: np.ndarray | None = None) -> LiveState:
    """The state after a run of LIF neurons; membranes carry their gradient, currents refuse theirs.

    Args:
        counts, v: (T, B, N) of every time step.
        last_u: (B, N) currents after the last one; None where none is kept.
    """
    none = v.new_zeros(v.shape[1:])
    u = none if last_u is None else torch.from_numpy(last_u)
    if last_u is not None and v.requires_grad:
        u = Ends.apply(u, v)
    others = dict.fromkeys(state_names(call.plan.network), none)
    if "late" in others and len(v):
        late = torch.zeros_like(none)
        for at in [p.at for p in call.plan.parts if RESETS[lif_facts(p).reset].late]:
            late[:, at] = (counts[-1][:, at].detach() > 0).to(none.dtype)
        others["late"] = late
    states = {**others, "v": v[-1].clone() if len(v) else none, "u": u}
    return call.ended(states, counts, counts[len(counts) - min(len(counts), call.look_back) :])
