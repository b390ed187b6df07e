"""A replay of a run by its own network misfits nowhere; by another one only at the neurons that differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ir.connection import Dense
from ir.schedule import Schedule
from sim_reference.misfits import END, misserved, most_served, replay
from sim_reference.simulate import run
from tests.strategies.networks import networks
from tests.strategies.options import Draw
from tests.strategies.runs import stimuli


@given(st.data(), st.booleans(), st.booleans())
@settings(max_examples=80)
def test_a_run_is_what_its_own_network_does(data, layered, with_states):
    network = data.draw(networks(Draw(asynchronous=not layered)))
    stimulus = data.draw(stimuli(network))
    schedule = Schedule("layered") if layered else Schedule(F=data.draw(st.sampled_from([1, 3, None])), order="fifo")
    states = tuple({name: 0 for p in network.populations for name in p.neuron.STATES}) if with_states else ()
    try:
        trace = run(network, stimulus, schedule, record=states)
    except ValueError:
        assume(False)
        raise
    everything = range(stimulus.n_samples)
    assert replay(network, stimulus, trace, schedule, everything) == []
    assert layered or misserved(network, trace, schedule, everything) == 0


@pytest.mark.parametrize("schedule", [Schedule(F=2, order="momentum"), Schedule("layered")], ids=lambda s: s.kind)
def test_one_changed_weight_misfits_at_its_own_neuron_alone(mapped, stimulus, schedule):
    network = mapped.network
    weight = np.array(network.projections[0].connection.weight)
    weight[5, 3] += 40
    changed = replace(
        network, projections=(replace(network.projections[0], connection=Dense(weight)), network.projections[1])
    )
    trace = run(changed, stimulus, schedule)
    assert (trace.counts != run(network, stimulus, schedule).counts).any()
    found = replay(network, stimulus, trace, schedule, range(3))
    assert {x.neuron for x in found} == {5}
    first = next(x for x in found if x.k == END)
    assert first.found is not None and first.found - first.expected == 40 << 6
    assert replay(network, stimulus, trace, schedule, range(3), only=["out"]) == []


def test_who_was_served_tells_group_size_and_order(mapped, stimulus):
    trace = run(mapped, stimulus, Schedule(F=1, order="fifo"))
    assert most_served(trace) == 1 and misserved(mapped, trace, Schedule(F=1, order="fifo"), range(3)) == 0
    assert misserved(mapped, trace, Schedule(F=1, order="momentum"), range(3)) > 0
    assert misserved(mapped, trace, Schedule(F=2, order="fifo"), range(3)) > 0
    assert replay(mapped, stimulus, trace, Schedule(F=8), range(3)) == []


def test_what_a_trace_does_not_tell_is_refused(mapped, stimulus):
    trace = run(mapped, stimulus)
    with pytest.raises(ValueError, match="only 'first' is replayed"):
        replay(mapped, stimulus, trace, Schedule(input="queued"), range(3))
    with pytest.raises(ValueError, match="only counted"):
        replay(mapped, stimulus, replace(trace, spikes=None), Schedule(), range(3))
