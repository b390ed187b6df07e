"""Compiled engines know a part of what the plain ones know: what of a call is in none of their tables."""

from __future__ import annotations

from collections.abc import Collection

from trainer.engines.call import Call


def unknown(call: Call, models: Collection[str], orders: Collection[str]) -> str | None:
    """The neuron model or order rule of a call that an engine with these tables does not know, in words."""
    for part in call.plan.parts:
        if part.model not in models:
            return f"neuron model {part.model!r}"
    return None if call.schedule.order in orders else f"order rule {call.schedule.order!r}"
