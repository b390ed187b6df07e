"""A network that spikes and remembers, and samples for it."""

from __future__ import annotations

import numpy as np
import pytest

from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus


@pytest.fixture
def busy() -> QuantizedNetwork:
    """30 inputs, 16, 12 and 5 neurons, the second feeding itself; momentum, F = 3."""
    rng = np.random.default_rng(5)

    def edge(pre: str, post: str, n_pre: int, n_post: int, mean: float) -> FixedProjection:
        weight = np.rint(rng.normal(mean, 18, (n_post, n_pre))).astype(np.int32) * 2
        return FixedProjection(pre, post, Dense(np.where(weight == 0, 4, weight)))

    neuron = FixedLIF(decay_v=60, v_threshold=300)
    populations = tuple(FixedPopulation(name, (n,), neuron) for name, n in (("a", 16), ("b", 12), ("c", 5)))
    ends = ("in", "a", 30, 16, 8), ("a", "b", 16, 12, 10), ("b", "b", 12, 12, -4), ("b", "c", 12, 5, 14)
    edges = tuple(edge(*end) for end in ends)
    schedule = Schedule(F=3, order="momentum")
    return QuantizedNetwork((Input("in", (30,)),), populations, edges, "c", 1e-3, "loihi2", schedule)


@pytest.fixture
def samples() -> Stimulus:
    """60 samples of 16 time steps."""
    rng = np.random.default_rng(6)
    return Stimulus((rng.random((16, 60, 30)) < 0.3).astype(np.int8), labels=rng.integers(0, 5, 60))
