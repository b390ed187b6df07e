"""What the compared runs were about, and in what words a run is refused."""

from __future__ import annotations

from collections import Counter

from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.simulator import Verdict

Case = tuple[MappedNetwork, Stimulus, Schedule]

WORDS = {
    "inexact": "not every executor is exact",
    "reset": "without refractoriness",
    "delay": "has delays",
    "endless": "set stop_after",
    "negative counts": "negative counts",
    "events": "one by one",
}
"""What the one sentence says, by the judge's rule."""


def count(seen: Counter[str], case: Case, found: Verdict | str) -> None:
    """Note what a case was about."""
    seen["drawn"] += 1
    if isinstance(found, str):
        seen[f"refused: {found}"] += 1
        return
    mapped, stimulus, _ = case
    seen["spikes"] += len(found.spikes)
    seen["values"] += 6 * len(found.spikes) + stimulus.n_steps * stimulus.n_samples * (mapped.network.n_neurons + 1)
    seen["spike"] += bool(found.spikes)
    seen["wait in a queue"] += any(row[5] > row[2] for row in found.spikes)
    seen["reach an edge"] += any(found.limits.values())
    seen["nothing to run"] += stimulus.n_steps * stimulus.n_samples == 0


def said(seen: Counter[str]) -> str:
    """All of it in one line."""
    return "\n" + ", ".join(f"{n} {name}" for name, n in seen.items()) + "; 0 differ"
