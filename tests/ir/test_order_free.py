"""Networks that no order changes: in drawn ones the same neurons fire in the same time steps under every schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given

from ir.connection import with_weight
from ir.order_free import why_order_matters
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.trace import Trace
from sim_reference.fast import run
from tests.strategies.options import LAYERED, WIDE
from tests.strategies.runs import cases


def without_inhibition(network: QuantizedNetwork) -> QuantizedNetwork:
    """The same with what makes the order matter gone, cycles apart."""
    names = {p.name for p in network.populations}
    populations = tuple(replace(p, neuron=replace(p.neuron, refractory=True, v_min=None)) for p in network.populations)
    projections = tuple(
        replace(
            e,
            connection=with_weight(e.connection, np.abs(e.connection.weight)),
            delay_steps=0,
            weight_exp=max(e.weight_exp, 0),
        )
        if e.pre in names
        else replace(e, delay_steps=0)
        for e in network.projections
    )
    return replace(network, populations=populations, projections=projections)


def fired(trace: Trace) -> set[tuple[int, int, int]]:
    assert trace.spikes is not None
    s = trace.spikes
    return set(zip(s.sample.tolist(), s.t.tolist(), s.neuron.tolist()))


@given(cases(WIDE))
def test_the_same_neurons_fire_under_every_schedule(case):
    mapped, stimulus, schedule = case
    network = without_inhibition(mapped.network)
    assume(not why_order_matters(network))
    mapped = replace(mapped, network=network)
    schedule = replace(schedule, input="first", R=None, stop_after=None, stop_after_output=None)
    try:
        asynchronous, layered = run(mapped, stimulus, schedule), run(mapped, stimulus, LAYERED)
    except ValueError:  # sums that are not exact everywhere
        assume(False)
        return
    assume(not any(asynchronous.limits_reached.values()) and not any(layered.limits_reached.values()))
    assert fired(asynchronous) == fired(layered)
    np.testing.assert_array_equal(asynchronous.states["v"], layered.states["v"])


@given(cases(WIDE))
def test_where_nothing_matters_nothing_matters(case):
    mapped, stimulus, schedule = case
    assume(not why_order_matters(mapped))
    schedule = replace(schedule, input="first", R=None, stop_after=None, stop_after_output=None)
    try:
        asynchronous, layered = run(mapped, stimulus, schedule), run(mapped, stimulus, Schedule("layered"))
    except ValueError:
        assume(False)
        return
    assume(not any(asynchronous.limits_reached.values()) and not any(layered.limits_reached.values()))
    assert fired(asynchronous) == fired(layered)
