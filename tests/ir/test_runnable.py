"""What the asynchronous schedule does not define is refused; the layered one takes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Dense
from ir.network import Input, Network, Projection
from ir.neurons import LIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.runnable import check_run, check_schedule
from ir.schedule import Schedule
from ir.stimulus import Stimulus

LAYERED, ASYNCHRONOUS = Schedule(kind="layered"), Schedule()


def with_neuron(network: Network, neuron: LIF) -> Network:
    return replace(network, populations=tuple(replace(p, neuron=neuron) for p in network.populations))


def refused(network: Network) -> str:
    check_schedule(network, LAYERED)
    with pytest.raises(ValueError) as caught:
        check_schedule(network, ASYNCHRONOUS)
    return str(caught.value)


def test_delays_are_refused(network: Network):
    first, *others = network.projections
    assert "has delays" in refused(replace(network, projections=(replace(first, delay_steps=1), *others)))


def test_a_reset_by_subtraction_without_refractoriness_is_refused(network: Network):
    assert "resets by subtraction without refractoriness" in refused(
        with_neuron(network, LIF(reset="subtract", refractory=False))
    )


def test_neurons_that_may_fire_for_ever_are_refused(network: Network):
    free = with_neuron(network, LIF(refractory=False))
    check_schedule(free, ASYNCHRONOUS)
    loop = replace(free, projections=(*free.projections, Projection("out", "hidden", Dense(np.ones((8, 4))))))
    assert "set stop_after" in refused(loop)
    check_schedule(loop, Schedule(stop_after=5))


def integers() -> QuantizedNetwork:
    edge = FixedProjection("in", "out", Dense(np.ones((1, 2), np.int64)))
    return QuantizedNetwork((Input("in", (2,)),), (FixedPopulation("out", (1,)),), (edge,), "out")


@pytest.mark.parametrize("rule", ["paced", "queued"])
def test_more_events_than_can_be_taken_one_by_one_are_refused(rule: str):
    schedule = Schedule(input=rule, R=1)  # type: ignore[arg-type]
    many = Stimulus(np.full((2, 1, 2), 1 << 23))
    check_run(integers(), many, schedule)
    more = Stimulus(np.array([[[0, 0]], [[1 << 23, (1 << 23) + 1]]]))
    with pytest.raises(ValueError, match="16777217 events in one time step"):
        check_run(integers(), more, schedule)
    check_run(integers(), more, Schedule())
    check_run(integers(), more, LAYERED)
