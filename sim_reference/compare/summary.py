"""A run in a few numbers, named as everywhere else."""

from __future__ import annotations

from typing import Any

from ir.schedule import group_word
from ir.trace import Trace
from sim_reference.compare.statistics import Statistics

MOST_DECISIONS = 20


def summary(trace: Trace, numbers: Statistics) -> dict[str, Any]:
    """The numbers of docs/semantics.md, "Numbers every executor reports", one value each.

    ``latency`` is the mean number of forward steps until the first output spike, over the samples that have one.
    """
    schedule, timed = trace.schedule, trace.timing is not None
    # the layered schedule serves no queue: no group size, no order; without a barrier time decides
    queued = not timed and schedule.kind == "asynchronous"
    latency = float("nan") if timed or numbers.first_output is None else numbers.first_output.mean()[0]
    correct = float("nan") if timed or numbers.first_correct is None else numbers.first_correct.mean()[0]
    return {
        "executor": trace.executor,
        "schedule": "by time" if timed else schedule.kind,
        "F": None if not queued else group_word(schedule.F),
        "order": schedule.order if queued else None,
        "samples": int(trace.counts.shape[0]),
        "time_steps": int(trace.forward_steps.shape[0]),
        "accuracy": numbers.accuracy,
        "decision": numbers.decision.tolist(),
        "spikes": numbers.spikes,
        "spikes_per_sample": float(numbers.spikes_per_sample.mean()) if numbers.spikes_per_sample.size else 0.0,
        "density": numbers.density,
        "forward_steps": None if timed else numbers.forward_steps_per_time_step,
        "latency": latency,
        "latency_correct": correct,
        "spikes_per_population": {name: int(n.sum()) for name, n in numbers.spikes_per_population.items()},
        "limits_reached": dict(numbers.limits_reached),
    }


def readable(numbers: dict[str, Any]) -> list[tuple[str, Any]]:
    """The numbers that a person reads on one line each: those there are, decisions only of a few samples."""
    few = {**numbers, "decision": " ".join(map(str, numbers["decision"]))}
    if len(numbers["decision"]) > MOST_DECISIONS:
        del few["decision"]
    return [(name, value) for name, value in few.items() if not isinstance(value, dict) and is_there(value)]


def is_there(value: Any) -> bool:
    """Whether there is something to say: no label, no accuracy; no output spike, no latency."""
    return value is not None and value == value
