"""How much of two traces agrees."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ir.arrays import Ints
from ir.check import require
from ir.contract import check_same_contract
from ir.trace import Spikes, Trace
from ir.words import counted


@dataclass(frozen=True)
class Equality:
    """Two runs of the same samples, value by value.

    Attributes:
        samples: of the runs.
        spikes_compared: spike addresses (sample, t, k, neuron) that at least one of the traces holds.
        values_compared: membranes and currents at the end of time steps, forward steps.
        differing: spikes that only one trace holds or that differ in membrane or serving round, and differing values.
    """

    samples: int
    spikes_compared: int
    values_compared: int
    differing: int


def equality(a: Trace, b: Trace) -> Equality:
    """Count on how much two traces agree; exactly, without tolerance."""
    check_same_contract(a.contract, b.contract)
    require(
        a.populations == b.populations and a.forward_steps.shape == b.forward_steps.shape,
        f"the traces are of different runs: {a.forward_steps.shape} and {b.forward_steps.shape} (time steps, samples), "
        f"{a.n_neurons} and {counted(b.n_neurons, 'neuron')}; compare runs of the same network on the same samples",
    )
    require(
        bool((a.sample_ids == b.sample_ids).all()), "the traces hold different samples; compare runs of the same data"
    )
    union, parted = _spikes(_recorded(a), _recorded(b))
    pairs = [(a.forward_steps, b.forward_steps), (a.v, b.v), (a.u, b.u)]
    both = [(x, y) for x, y in pairs if x is not None and y is not None]
    unequal = sum(int((x != y).sum()) for x, y in both)
    return Equality(len(a.sample_ids), union, sum(x.size for x, _ in both), parted + unequal)


def _recorded(trace: Trace) -> Spikes:
    if trace.spikes is None:
        raise ValueError("a trace that only counted cannot be compared spike for spike; record spikes")
    return trace.spikes


def _spikes(a: Spikes, b: Spikes) -> tuple[int, int]:
    """How many spikes there are in either trace, and on how many they disagree."""
    rows_a, rows_b = _addresses(a), _addresses(b)
    both, in_a, in_b = np.intersect1d(rows_a, rows_b, assume_unique=True, return_indices=True)
    changed = (a.m[in_a] != b.m[in_b]) | (a.k_served[in_a] != b.k_served[in_b])
    union = len(rows_a) + len(rows_b) - len(both)
    return union, union - len(both) + int(changed.sum())


def _addresses(s: Spikes) -> Ints:
    """(n,) one value a spike address; the rows of one trace are distinct."""
    columns = np.stack([s.sample, s.t, s.k, s.neuron], 1).astype(np.int64)
    return np.ascontiguousarray(columns).view([("", np.int64)] * 4).reshape(-1)


def first_samples(trace: Trace, n: int) -> Trace:
    """The first ``n`` samples of a trace."""
    if n >= len(trace.sample_ids):
        return trace
    ids = trace.sample_ids[:n]
    kept: dict[str, Any] = {}
    if trace.spikes is not None:
        inside = np.isin(trace.spikes.sample, ids)
        kept["spikes"] = Spikes(*(getattr(trace.spikes, f.name)[inside] for f in fields(Spikes)))
    kept["states"] = {name: state[:, :n] for name, state in trace.states.items()}
    if trace.labels is not None:
        kept["labels"] = trace.labels[:n]
    return replace(trace, counts=trace.counts[:n], forward_steps=trace.forward_steps[:, :n], sample_ids=ids, **kept)
