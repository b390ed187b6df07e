"""Runs to report on: a small network's, and one of 10,000 neurons and a million spikes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exchange.chip_toml import CHIPS, load_chip
from ir.connection import Sparse
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace
from sim_reference.simulate import run

LAYERED = Schedule(kind="layered")


@pytest.fixture
def asynchronous(mapped: MappedNetwork, stimulus: Stimulus) -> Trace:
    """The small network's own run."""
    return run(mapped, stimulus, mapped.network.schedule)


@pytest.fixture
def layered(mapped: MappedNetwork, stimulus: Stimulus) -> Trace:
    """The same under the other schedule."""
    return run(mapped, stimulus, LAYERED)


def one_more(trace: Trace) -> Trace:
    """The same run with a spike that it did not have."""
    s = trace.spikes
    assert s is not None
    there = {tuple(row) for row in np.stack([s.sample, s.t, s.k, s.neuron], 1).tolist()}
    at = next((1, t, 0, n) for t in range(3, 5) for n in range(8) if (1, t, 0, n) not in there)
    columns = {name: np.append(getattr(s, name), x) for name, x in zip(("sample", "t", "k", "neuron"), at)}
    counts = trace.counts.copy()
    counts[1, at[3]] += 1
    spikes = Spikes(**columns, m=np.append(s.m, 999), k_served=np.append(s.k_served, 0))
    return replace(trace, spikes=spikes, counts=counts)


def large() -> tuple[MappedNetwork, Trace]:
    """10,000 neurons on 100 cores, each of which fires in each of 100 time steps of one sample."""
    rng = np.random.default_rng(0)
    n, fan, steps = 5000, 8, 100
    start = np.arange(0, n * fan + 1, fan)

    def wires() -> Sparse:
        return Sparse(start, rng.integers(0, n, n * fan).astype(np.int32), np.full(n * fan, 2, np.int32), n)

    neuron = FixedLIF(decay_v=400, v_threshold=250)
    network = QuantizedNetwork(
        (Input("in", (n,)),),
        (FixedPopulation("hidden", (n,), neuron), FixedPopulation("out", (n,), neuron)),
        (FixedProjection("in", "hidden", wires()), FixedProjection("hidden", "out", wires())),
        "out",
        arithmetic="loihi2",
    )
    cores = tuple(Core(i, x=i // 4 % 8, y=i // 32, slot=i % 4) for i in range(100))
    mapped = MappedNetwork(network, load_chip(CHIPS / "loihi2.toml"), np.arange(2 * n) // 100, cores)
    t, neurons = (x.reshape(-1) for x in np.indices((steps, 2 * n)))
    k = rng.integers(0, 20, t.size)
    spikes = Spikes(np.zeros(t.size, np.int64), t, k, neurons, rng.integers(250, 900, t.size), np.minimum(k + 3, 24))
    counts = np.full((1, 2 * n), steps)
    one = np.zeros(1, np.int64)
    names = (("hidden", n), ("out", n))
    core = mapped.core_of_neuron
    rounds = np.full((steps, 1), 25)
    trace = Trace("E2", spikes, counts, {}, rounds, one, names, "out", core_of_neuron=core, labels=one)
    return mapped, trace
