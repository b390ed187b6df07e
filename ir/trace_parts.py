"""Parts of a trace: some of its samples; successive batches, and successive time steps, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.quantized import QuantizedNetwork
from ir.state import State, fingerprint, initial_state, latest, look_back
from ir.stimulus import Stimulus
from ir.timing import join_timings
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
        inside = _of_samples(trace.spikes.sample, ids)
        columns = (getattr(trace.spikes, f.name) for f in fields(Spikes))
        some: list[Any] = [None if column is None else column[inside] for column in columns]
        kept["spikes"] = Spikes(*some)
    kept["states"] = {name: state[:, chosen] for name, state in trace.states.items()}
    if trace.timing is not None:
        kept["timing"] = trace.timing.select(chosen)
    if trace.labels is not None:
        kept["labels"] = trace.labels[chosen]
    kept["state"] = None if trace.state is None else trace.state.of(ids)
    if trace.host is not None:
        kept["host"] = trace.host[:, chosen]
    return replace(
        trace, counts=trace.counts[chosen], forward_steps=trace.forward_steps[:, chosen], sample_ids=ids, **kept
    )


def _of_samples(sample: Array, ids: Array) -> Array:
    """Which spikes are of the samples ``ids``, of spikes sorted by sample; those of the others are not looked at."""
    ordered = np.sort(ids)
    begins, ends = (np.searchsorted(sample, ordered, side) for side in ("left", "right"))
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(a, z) for a, z in zip(begins, ends))])


def join(parts: Sequence[Trace]) -> Trace:
    """Traces of successive batches as one; what a part did not record or does not know, the whole lacks too.

    Raises:
        ValueError: there is no part, or they are runs of different networks or under different schedules.
    """
    require(len(parts) > 0, "no traces to join; a run has one at least")
    first = parts[0]
    if len(parts) == 1:
        return first
    check_alike(parts)

    def along(axis: int, name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays, axis)

    ends = [part.state for part in parts if part.state is not None]
    return replace(
        first,
        spikes=_all_spikes([part.spikes for part in parts]),
        counts=along(0, "counts"),
        states=_all_states(parts, 1),
        forward_steps=along(1, "forward_steps"),
        sample_ids=along(0, "sample_ids"),
        labels=along(0, "labels"),
        host=along(1, "host"),
        output_fires=_one_word([part.output_fires for part in parts]),
        limits_reached=_all_limits(parts),
        timing=join_timings([part.timing for part in parts]),
        state=joined_states(ends) if len(ends) == len(parts) else None,
    )


def join_in_time(parts: Sequence[Trace]) -> Trace:
    """Runs of the same samples, each going on from where the one before it ended, as one.

    Raises:
        ValueError: there is no part, or they are runs of different networks, samples, or under different schedules.
    """
    require(len(parts) > 0, "no traces to join; a run has one at least")
    first, last = parts[0], parts[-1]
    check_alike(parts)
    same = all(np.array_equal(part.sample_ids, first.sample_ids) for part in parts)
    require(same, "traces are of different samples; join runs of the same ones")
    begins = np.cumsum([0, *(len(part.forward_steps) for part in parts)]).tolist()
    later = [
        None if part.spikes is None else replace(part.spikes, t=part.spikes.t + begin)
        for part, begin in zip(parts, begins)
    ]
    return replace(
        first,
        spikes=_all_spikes(later),
        counts=np.sum([part.counts for part in parts], 0),
        states=_all_states(parts, 0),
        forward_steps=np.concatenate([part.forward_steps for part in parts]),
        limits_reached=_all_limits(parts),
        host=None
        if any(p.host is None for p in parts)
        else np.concatenate([p.host for p in parts if p.host is not None]),
        output_fires=_one_word([part.output_fires for part in parts]),
        state=last.state,
    )


def ended(
    network: QuantizedNetwork, stimulus: Stimulus, trace: Trace, states: Mapping[str, Array], before: State | None
) -> State:
    """Where a run ended in which every spike delivered its weights as often as its payload says, or once.

    Args:
        states: (B, N) each, at the end.
        before: where it began; None = at the samples' start.
    """
    assert trace.spikes is not None
    start = initial_state(network, trace.sample_ids) if before is None else before
    n_steps, most, spikes = stimulus.n_steps, look_back(network), trace.spikes
    if n_steps == 0:
        return start
    kept = min(most, n_steps)
    late = spikes.t >= n_steps - kept
    order = np.argsort(trace.sample_ids)
    rows = order[np.searchsorted(trace.sample_ids, spikes.sample[late], sorter=order)]
    sent = np.zeros((kept, *trace.counts.shape), np.int64)
    carried = 1 if spikes.payload is None else spikes.payload[late].astype(np.int64)
    np.add.at(sent, (spikes.t[late] - (n_steps - kept), rows, spikes.neuron[late]), carried)
    return State(
        fingerprint(network),
        start.t + n_steps,
        trace.sample_ids,
        dict(states),
        sent[-1] != 0,
        latest(start.sent, sent, most),
        latest(start.inputs, stimulus.frames, most),
    )


def joined_states(parts: Sequence[State]) -> State:
    """States of successive batches as one.

    Raises:
        ValueError: they are of different networks, or after different numbers of time steps.
    """
    first = parts[0]
    alike = all((p.network, p.t, set(p.states)) == (first.network, first.t, set(first.states)) for p in parts)
    require(alike, "states differ in network or time; join batches of one run")
    hosts = [p.host for p in parts if p.host is not None]
    return replace(
        first,
        sample_ids=np.concatenate([p.sample_ids for p in parts]),
        states={name: np.concatenate([p.states[name] for p in parts]) for name in first.states},
        fired=np.concatenate([p.fired for p in parts]),
        sent=np.concatenate([p.sent for p in parts], 1),
        inputs=np.concatenate([p.inputs for p in parts], 1),
        host=joined_states(hosts) if len(hosts) == len(parts) else None,
    )


def check_alike(parts: Sequence[Trace]) -> None:
    """Raise unless traces are of one network on one executor under one schedule."""
    for other in parts[1:]:
        differing = [
            name
            for name in ("executor", "populations", "output", "schedule", "contract")
            if getattr(other, name) != getattr(parts[0], name)
        ]
        require(not differing, f"traces differ in {', '.join(differing)}; join batches of one run")


def _one_word(said: Sequence[bool | None]) -> bool | None:
    """What all say; None where they differ, as they do where some do not know."""
    return said[0] if len(set(said)) == 1 else None


def _all_spikes(parts: Sequence[Spikes | None]) -> Spikes | None:
    """Everyone's spikes; None where somebody only counted."""
    there = [part for part in parts if part is not None]
    if len(there) < len(parts):
        return None
    columns = ([getattr(part, f.name) for part in there] for f in fields(Spikes))
    joined: list[Any] = [None if any(x is None for x in column) else np.concatenate(column) for column in columns]
    return Spikes(*joined)


def _all_states(parts: Sequence[Trace], axis: int) -> dict[str, Any]:
    names = [name for name in parts[0].states if all(name in part.states for part in parts)]
    return {name: np.concatenate([part.states[name] for part in parts], axis) for name in names}


def _all_limits(parts: Sequence[Trace]) -> dict[str, int]:
    names = dict.fromkeys(name for part in parts for name in part.limits_reached)
    return {name: sum(part.limits_reached.get(name, 0) for part in parts) for name in names}
