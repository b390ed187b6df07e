"""Where a trace leaves what the judge found."""

from __future__ import annotations

import itertools

import numpy as np

from ir.quantized import QuantizedNetwork
from ir.trace import Trace
from tests.judge.simulator import Verdict

SEEN_IN_STOCK_LAVA = ("x", "u", "v")
"""Where stock connections end: what wraps inside them cannot be seen."""


def difference(verdict: Verdict, trace: Trace, network: QuantizedNetwork) -> str | None:
    """The first difference in words; None where the trace is right.

    Currents are compared where the trace holds them, in populations that keep any.
    """
    s = trace.spikes
    assert s is not None and trace.v is not None
    rows = [tuple(int(x) for x in row) for row in zip(s.sample, s.t, s.k, s.neuron, s.m, s.k_served)]
    for ours, theirs in itertools.zip_longest(verdict.spikes, rows):
        if ours != theirs:
            return f"spike (sample, t, k, neuron, m, k_served): {ours}, {trace.executor} has {theirs}"
    if verdict.forward_steps != trace.forward_steps.tolist():
        return f"forward steps {verdict.forward_steps}, {trace.executor} has {trace.forward_steps.tolist()}"
    at = _first(verdict.v, trace.v.tolist(), None)
    if at is not None:
        return f"v at (t, sample, neuron) {at}, {trace.executor}"
    if trace.u is not None:
        at = _first(verdict.u, trace.u.tolist(), _keeping(network))
        if at is not None:
            return f"u at (t, sample, neuron) {at}, {trace.executor}"
    theirs = {name: int(n) for name, n in trace.limits_reached.items() if n}
    ours = {name: n for name, n in verdict.limits.items() if n}
    if trace.executor == "E3" and trace.schedule.kind == "layered":
        ours["int32"] = sum(verdict.places[place] for place in SEEN_IN_STOCK_LAVA)
        ours = {name: n for name, n in ours.items() if n}
    return None if ours == theirs else f"limits {ours}, {trace.executor} has {theirs}"


def _keeping(network: QuantizedNetwork) -> list[range]:
    """The neurons of populations with a current memory."""
    found: list[range] = []
    at = 0
    for population in network.populations:
        if (np.asarray(population.neuron.decay_u) < 4096).any():
            found.append(range(at, at + population.n))
        at += population.n
    return found


def _first(ours: list[list[list[int]]], theirs: list[list[list[int]]], where: list[range] | None) -> str | None:
    for t, (a, b) in enumerate(itertools.zip_longest(ours, theirs)):
        for sample, (x, y) in enumerate(itertools.zip_longest(a, b)):
            for neuron, (p, q) in enumerate(itertools.zip_longest(x, y)):
                if p != q and (where is None or any(neuron in block for block in where)):
                    return f"({t}, {sample}, {neuron}): {p} and {q}"
    return None
