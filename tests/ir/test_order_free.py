"""Networks that no order changes: in drawn ones the same neurons fire in the same time steps under every schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.order_free import why_order_matters
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.strategies.options import LAYERED
from tests.strategies.order_free import order_free_cases
from tests.strategies.runs import schedules
from tests.strategies.sigma_delta import sigma_delta_networks
from tests.strategies.spiking_gamma import gamma_networks
from unlayered.description import describe


def told(mapped: MappedNetwork | QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> tuple[Any, ...]:
    """Who fires in which time step, the membranes at the ends of time steps, whether a register reached its limit."""
    trace = run(mapped, stimulus, schedule)
    assert trace.spikes is not None
    fired = set(zip(trace.spikes.sample.tolist(), trace.spikes.t.tolist(), trace.spikes.neuron.tolist()))
    return fired, trace.states["v"].tolist(), any(trace.limits_reached.values())


@given(order_free_cases(), st.sampled_from(["network", "core", "receiver"]), st.data())
def test_the_same_neurons_fire_under_every_schedule(case, scope, data):
    mapped, stimulus = case
    if any(p.neuron.pools for p in mapped.network.populations):
        stimulus = replace(stimulus, frames=np.clip(stimulus.frames, 0, 1))
    schedule = replace(data.draw(schedules(first_only=True, scope=scope)), stop_after=None, stop_after_output=None)
    *layered, limit = told(mapped, stimulus, LAYERED)
    *ours, ours_limit = told(mapped, stimulus, schedule)
    free = not why_order_matters(mapped)
    event(f"free {free}, limit {limit or ours_limit}, spikes {bool(layered[0])}")
    held = any(p.neuron.v_min is not None for p in mapped.network.populations)  # v_min counts as a limit of v
    if free and (held or not (limit or ours_limit)):
        assert ours == layered


def chain(*, weight: Any = 1, exponent: int = 0, **neuron: Any) -> QuantizedNetwork:
    """Two inputs into a pair, the pair into one neuron by ``weight``."""
    populations = FixedPopulation("a", (2,), FixedLIF(v_threshold=0)), FixedPopulation("b", (1,), FixedLIF(**neuron))
    first = FixedProjection("in", "a", Dense(np.array([[2, -1], [-1, 2]], np.int32)))
    second = FixedProjection("a", "b", Dense(np.atleast_2d(np.array(weight, np.int32))), exponent)
    return QuantizedNetwork((Input("in", (2,)),), populations, (first, second), "b")


@pytest.mark.parametrize(
    "network, why",
    [
        (chain(weight=[3, 4], v_threshold=0), ""),
        (chain(weight=[3, -4], v_threshold=0), "1 of 2 weights from 'a' into 'b' is negative"),
        (chain(weight=[3, 4], exponent=-1, v_threshold=0), "sums from 'a' into 'b' are shifted right"),
        (chain(weight=[2, 4], exponent=-1, v_threshold=0), ""),
        (chain(weight=[3, 4], v_threshold=0, refractory=False), "neurons of population 'b' fire more than once"),
        (chain(weight=[3, 4], v_threshold=0, v_min=-5, bias=-9), "population 'b' holds membranes at v_min"),
    ],
)
def test_what_makes_the_order_matter_is_named(network, why):
    assert why_order_matters(network).startswith(why) and bool(why_order_matters(network)) == bool(why)


def test_the_order_matters_where_it_is_said_to():
    """A spike of weight 3 alone is above the threshold, with the other of -4 it is not."""
    network, stimulus = chain(weight=[3, -4], v_threshold=1), Stimulus(np.ones((1, 1, 2), np.int32))
    assert told(network, stimulus, LAYERED)[0] != told(network, stimulus, Schedule(F=1, order="fifo"))[0]


def test_a_population_that_no_input_reaches_may_send_before_a_bias_arrives():
    """b fires from its own bias at k = 0 and reaches p at k = 1; p's own negative bias comes at k = 2."""
    pops = {"a": {"v_threshold": 0}, "c": {"v_threshold": 0}, "b": {"v_threshold": 0, "bias": 6400},
            "p": {"v_threshold": 0, "bias": -6400}}  # fmt: skip
    ends = ("in", "a", -1), ("a", "c", 1), ("c", "p", 1), ("b", "p", 100)
    network = QuantizedNetwork(
        (Input("in", (1,)),),
        tuple(FixedPopulation(name, (1,), FixedLIF(**own)) for name, own in pops.items()),
        tuple(FixedProjection(pre, post, Dense(np.array([[w]], np.int32))) for pre, post, w in ends),
        "p",
    )
    stimulus = Stimulus(np.ones((1, 1, 1), np.int32))
    assert told(network, stimulus, LAYERED)[0] != told(network, stimulus, Schedule(F=1, order="fifo"))[0]
    assert "before its bias" in why_order_matters(network)
    plain = tuple(replace(p, neuron=replace(p.neuron, bias=None)) if p.name == "p" else p for p in network.populations)
    assert why_order_matters(replace(network, populations=plain)) == ""


@given(st.one_of(sigma_delta_networks(), gamma_networks()))
def test_of_neurons_that_send_numbers_it_is_told_too(network):
    assert "carry numbers of their own" in describe(network)["order_matters"]
