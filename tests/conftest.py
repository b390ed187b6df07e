"""What every test may ask for: a small network that spikes, its integers on cores, something to feed it."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch and numba count cores: tests already run side by side

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from exchange.chip_toml import CHIPS, load_chip
from ir.connection import Dense
from ir.mapped import Core, MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus

# A busy machine is no failure. Draws are the same every time; `--hypothesis-profile new` makes new ones.
settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("new"), derandomize=True)
settings.load_profile("same")

ASYNCHRONOUS = Schedule(F=2, order="momentum")


@pytest.fixture
def network() -> Network:
    """12 inputs, 8 and 4 neurons of floats; asynchronous with F = 2."""
    rng = np.random.default_rng(0)
    neuron = LIF(tau_mem_s=5e-3, v_threshold=0.5)
    return Network(
        (Input("in", (12,)),),
        (Population("hidden", (8,), neuron), Population("out", (4,), neuron)),
        (
            Projection("in", "hidden", Dense(rng.normal(0.2, 0.3, (8, 12)))),
            Projection("hidden", "out", Dense(rng.normal(0.2, 0.4, (4, 8)))),
        ),
        "out",
        schedule=ASYNCHRONOUS,
    )


@pytest.fixture
def mapped() -> MappedNetwork:
    """The same shape in integers on three cores of Loihi 2."""
    rng = np.random.default_rng(1)
    neuron = FixedLIF(decay_v=400, v_threshold=250)
    integers = QuantizedNetwork(
        (Input("in", (12,)),),
        (FixedPopulation("hidden", (8,), neuron), FixedPopulation("out", (4,), neuron)),
        (
            FixedProjection("in", "hidden", Dense(rng.integers(-20, 60, (8, 12)).astype(np.int32) * 2)),
            FixedProjection("hidden", "out", Dense(rng.integers(-20, 60, (4, 8)).astype(np.int32) * 2)),
        ),
        "out",
        arithmetic="loihi2",
        schedule=ASYNCHRONOUS,
    )
    cores = (Core(0), Core(1, slot=1), Core(2, slot=2))
    return MappedNetwork(integers, load_chip(CHIPS / "loihi2.toml"), np.repeat([0, 1, 2], 4), cores)


@pytest.fixture
def stimulus() -> Stimulus:
    """Three samples of five time steps, with labels."""
    rng = np.random.default_rng(2)
    return Stimulus(rng.integers(0, 2, (5, 3, 12)), labels=np.array([0, 1, 2]))
