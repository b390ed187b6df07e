"""The picture of docs/spikes.md, run: three neurons, layered and with a queue of F = 1 that serves either first."""

from __future__ import annotations

import numpy as np
import pytest

from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import simulate

A, B, C = range(3)
LAYERED = [(A, 0), (B, 1)]


@pytest.mark.parametrize(
    ("to_a", "to_b", "queued"),
    [(80, 96, [(A, 0), (B, 0), (C, 1)]), (96, 80, [(A, 0), (B, 0)])],
    ids=["b served first", "a served first"],
)
def test_who_is_served_first_decides_whether_c_fires(to_a: int, to_b: int, queued: list[tuple[int, int]]) -> None:
    weights = {("in", "a"): to_a, ("in", "b"): to_b, ("a", "b"): 8, ("b", "c"): 128, ("a", "c"): -128}
    network = QuantizedNetwork(
        (Input("in", (1,)),),
        tuple(FixedPopulation(name, (1,), FixedLIF(v_threshold=64)) for name in "abc"),
        tuple(FixedProjection(*ends, Dense(np.array([[w]], np.int32))) for ends, w in weights.items()),
        "c",
    )
    for schedule, fired in ((Schedule("layered", None), LAYERED), (Schedule(F=1, order="momentum"), queued)):
        spikes = simulate.run(network, Stimulus(np.ones((1, 1, 1), np.int32)), schedule).spikes
        assert list(zip(spikes.neuron.tolist(), spikes.k.tolist())) == fired
