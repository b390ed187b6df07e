"""A queue at each receiving core: integers in training are the meaning, and the gradient is that of one queue where
both serve the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ir import MappedNetwork, Schedule, Stimulus
from ir.check import SlowerWarning
from ir.connection import Dense, Sparse
from ir.graph import slices
from ir.mapped import Core, one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.receivers import cores_reached
from sim_reference.compare.divergence import first_divergence
from sim_reference.fast import run as run_fast
from sim_reference.simulate import run as run_meaning
from tests.strategies import WIDE, Draw, at_receivers, cases, runs
from tests.trainer.engines.agreement import backward, dyadic, trained
from trainer import run as run_network
from trainer.engines import reference
from trainer.engines.call import Call
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import Params, plan_of
from trainer.engines.result import Result

EXAMPLES = settings(max_examples=100, deadline=None)
Case = tuple[MappedNetwork, Stimulus, Schedule]


AT_RECEIVERS = at_receivers(cases() | cases(Draw(extremes=True)) | cases(WIDE).filter(runs))


@EXAMPLES
@given(AT_RECEIVERS)
def test_training_time_integers_are_the_meaning(case: Case) -> None:
    mapped, stimulus, schedule = case
    ours = run_network(mapped, stimulus, schedule, engine="reference")
    assert first_divergence(ours, run_meaning(mapped, stimulus, schedule)) is None


@EXAMPLES
@given(AT_RECEIVERS)
def test_one_group_of_all_is_one_queue_that_serves_all(case: Case) -> None:
    mapped, stimulus, schedule = case
    assume(all_heard(mapped, of=[e.pre for e in mapped.network.projections]))
    schedule = replace(schedule, F=None)
    many, one = (run_meaning(mapped, stimulus, replace(schedule, scope=s)) for s in ("receiver", "network"))
    assert first_divergence(many, one) is None


@EXAMPLES
@given(AT_RECEIVERS)
def test_on_one_core_where_everybody_is_heard_it_is_the_networks_queue(case: Case) -> None:
    mapped, stimulus, schedule = case
    alone = one_large_core(with_a_listener(mapped.network))
    schedule = replace(schedule, stop_after=schedule.stop_after or 12)
    many, one = (run_meaning(alone, stimulus, replace(schedule, scope=s)) for s in ("receiver", "network"))
    assert first_divergence(many, one) is None


def with_a_listener(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with a synapse of no weight from every neuron and input to every neuron of the first population."""
    first = network.populations[0]
    more = tuple(
        FixedProjection(b.name, first.name, Dense(np.zeros((first.n, b.n), np.int32)))
        for b in (*network.populations, *network.inputs)
        if (b.name, first.name) not in {(e.pre, e.post) for e in network.projections}
    )
    dense = tuple(e for e in network.projections if e.post != first.name or isinstance(e.connection, Dense))
    kept = {(e.pre, e.post) for e in dense}
    again = tuple(
        FixedProjection(e.pre, first.name, Dense(np.zeros((first.n, e.connection.n_pre), np.int32)))
        for e in network.projections
        if (e.pre, e.post) not in kept
    )
    return replace(network, projections=(*dense, *again, *more))


def all_heard(mapped: MappedNetwork, of: list[str]) -> bool:
    """Whether every neuron and input of these blocks has a synapse."""
    network, (_, reach) = mapped.network, cores_reached(mapped.network, mapped.core_of_neuron)
    blocks = slices((*network.populations, *network.inputs))
    return all(reach[:, blocks[name]].any(0).all() for name in of)


def test_a_slow_core_holds_no_other_core_up() -> None:
    """Worked by hand: two events for core 0 and one for core 1, F = 1; neuron 2, on core 1, fires at k = 0."""
    mapped, stimulus = two_cores()
    schedule = Schedule(F=1, order="fifo", input="queued", scope="receiver")
    found = run_meaning(mapped, stimulus, schedule).spikes
    assert found is not None
    assert list(zip(found.neuron.tolist(), found.k.tolist())) == [(0, 0), (2, 0), (1, 1)]
    one = run_meaning(mapped, stimulus, replace(schedule, scope="network")).spikes
    assert one is not None and list(zip(one.neuron.tolist(), one.k.tolist())) == [(0, 0), (1, 1), (2, 2)]


def two_cores() -> tuple[MappedNetwork, Stimulus]:
    """Three inputs, each to a neuron of its own, which fires at the first event; the third alone on the second core."""
    none = FixedLIF(decay_v=0, v_threshold=1)
    weights = Sparse(np.array([0, 1, 2, 3]), np.array([0, 1, 2]), np.array([2, 2, 2]), 3)
    network = QuantizedNetwork(
        inputs=(Input("x", (3,)),),
        populations=(FixedPopulation("a", (3,), none),),
        projections=(FixedProjection("x", "a", weights),),
        output="a",
        dt_s=1e-3,
    )
    mapped = MappedNetwork(network, None, np.array([0, 0, 1]), (Core(0), Core(1, x=1)))
    stimulus = Stimulus(np.ones((1, 1, 3), np.int32))
    return mapped, stimulus


def result(case: Case, params: Params, options: TrainingOptions) -> Result:
    """A run of the plain engine on floats."""
    mapped, stimulus, schedule = case
    frames, ids = torch.as_tensor(stimulus.frames.copy()), torch.as_tensor(np.array(stimulus.sample_ids))
    events = None if stimulus.events is None else np.array(stimulus.events)
    return reference.run(
        Call(
            plan_of(mapped.network),
            params,
            frames,
            ids,
            schedule,
            options,
            core_of_neuron=mapped.core_of_neuron,
            events=events,
        )
    )


@settings(max_examples=40, deadline=None)
@given(AT_RECEIVERS, st.sampled_from(["slots", "all", "none"]))
def test_the_gradient_is_that_of_one_queue_that_serves_all(case: Case, silent: str) -> None:
    mapped, stimulus, schedule = case
    assume(all_heard(mapped, of=[e.pre for e in mapped.network.projections]))
    found = []
    for scope in ("receiver", "network"):
        params = trained(dyadic(mapped))
        made = result(
            (mapped, stimulus, replace(schedule, F=None, scope=scope)), params, TrainingOptions(silent_gradient=silent)
        )
        found.append(backward(made, params))
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


def test_the_compiled_simulator_hands_it_to_the_plain_one() -> None:
    mapped, stimulus = two_cores()
    schedule = Schedule(F=1, order="fifo", input="queued", scope="receiver")
    with pytest.warns(SlowerWarning, match="does not know scope 'receiver'"):
        trace = run_fast(mapped, stimulus, schedule)
    assert first_divergence(trace, run_meaning(mapped, stimulus, schedule)) is None
