"""Compiled engines know a part of what the plain ones know: what of a call is in none of their tables."""

from __future__ import annotations

from collections.abc import Collection

import torch

from trainer.engines.call import Call
from trainer.engines.neurons.lif import LIFFacts, LIFParams

SCOPES = ("network", "core")
"""The scopes of a queue that compiled engines know."""


def unknown(
    call: Call, models: Collection[str], orders: Collection[str], resets: Collection[str], currents: bool = False
) -> str | None:
    """What of a call an engine with these tables does not know, in words: a model, a reset, a surrogate; or None.

    Args:
        currents: whether it knows biases of currents.
    """
    for part in call.plan.parts:
        if part.model not in models:
            return f"neuron model {part.model!r}"
        if isinstance(part.facts, LIFFacts) and part.facts.reset not in resets:
            return f"reset {part.facts.reset!r}"
    biased = any(isinstance(own, LIFParams) and own.bias_u is not None for own in call.params.neurons.values())
    if biased and not currents:
        return "a bias of the current (bias_u)"
    if learns(call) and not isinstance(call.options.surrogate, str):
        return "a surrogate of your own"
    if call.monitor is not None:
        return "monitors"
    if call.schedule.scope not in SCOPES:
        return f"scope {call.schedule.scope!r}"
    return None if call.schedule.order in orders else f"order rule {call.schedule.order!r}"


def learns(call: Call) -> bool:
    """Whether a gradient is asked for."""
    return torch.is_grad_enabled() and any(x.requires_grad for x in (call.frames, *call.params.tensors()))
