"""Parts of a trace: some of its samples, and successive batches as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ir.check import require
from ir.trace import Spikes, Trace


def select(trace: Trace, which: Any) -> Trace:
    """The samples ``which`` (a slice or indices of the batch), ids kept.

    Register limits were counted over the whole run; a part of it keeps those numbers.
    """
    chosen = np.arange(len(trace.sample_ids))[which]
    if np.array_equal(chosen, np.arange(len(trace.sample_ids))):
        return trace
    ids = trace.sample_ids[chosen]
    kept: dict[str, Any] = {}
    if trace.spikes is not None:
        inside = np.isin(trace.spikes.sample, ids)
        kept["spikes"] = Spikes(*(getattr(trace.spikes, f.name)[inside] for f in fields(Spikes)))
    kept["states"] = {name: state[:, chosen] for name, state in trace.states.items()}
    if trace.labels is not None:
        kept["labels"] = trace.labels[chosen]
    return replace(
        trace, counts=trace.counts[chosen], forward_steps=trace.forward_steps[:, chosen], sample_ids=ids, **kept
    )


def join(parts: Sequence[Trace]) -> Trace:
    """Traces of successive batches as one; what a part did not record or does not know, the whole lacks too.

    Raises:
        ValueError: there is no part, or they are runs of different networks or under different schedules.
    """
    require(len(parts) > 0, "no traces to join; a run has one at least")
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        differing = [
            name
            for name in ("executor", "populations", "output", "schedule", "contract")
            if getattr(other, name) != getattr(first, name)
        ]
        require(not differing, f"traces differ in {', '.join(differing)}; join batches of one run")

    def along(axis: int, name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays, axis)

    spikes = [part.spikes for part in parts if part.spikes is not None]
    states = [name for name in first.states if all(name in part.states for part in parts)]
    limits = dict.fromkeys(name for part in parts for name in part.limits_reached)
    columns = (np.concatenate([getattr(s, f.name) for s in spikes]) for f in fields(Spikes))
    return replace(
        first,
        spikes=Spikes(*columns) if len(spikes) == len(parts) else None,
        counts=along(0, "counts"),
        states={name: np.concatenate([part.states[name] for part in parts], 1) for name in states},
        forward_steps=along(1, "forward_steps"),
        sample_ids=along(0, "sample_ids"),
        labels=along(0, "labels"),
        limits_reached={name: sum(part.limits_reached.get(name, 0) for part in parts) for name in limits},
    )
