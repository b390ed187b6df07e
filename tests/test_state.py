"""A run that is cut in time and goes on from its state is the run that was never cut, on every executor."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import npz
from ir import Core, MappedNetwork, Schedule, State, Stimulus, Trace
from ir.check import SlowerWarning
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.trace_parts import join_in_time
from sim_reference.fast import run as run_twin
from sim_reference.simulate import run as run_plain
from tests.strategies import LATE, WIDE, cases, runs
from tests.targets.lava_cases import chain, counts
from trainer.execute import run as run_trainer

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "0"))

ASYNCHRONOUS = (cases(WIDE) | cases(LATE)).filter(runs)
LAYERED = st.one_of(cases(replace(x, asynchronous=False), layered=True) for x in (WIDE, LATE)).filter(runs)
"""The latter have delays; both have recurrence, resets by the clock, every order rule and time stamps."""

Run = Callable[..., Trace]


def law(n: int) -> Any:
    """Hold for so many drawn cases, or as many as UNLAYERED_DRAWS says."""
    return settings(max_examples=DRAWS or n, deadline=None, suppress_health_check=list(HealthCheck))


def same_states(a: State | None, b: State | None) -> None:
    """Two states are equal, value by value."""
    assert a is not None and b is not None
    assert (a.network, a.t, set(a.states)) == (b.network, b.t, set(b.states))
    for name in ("sample_ids", "fired", "sent", "inputs"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    for name, values in a.states.items():
        np.testing.assert_array_equal(values, b.states[name], name)


def same_traces(a: Trace, b: Trace) -> None:
    """Two traces are equal, value by value, register limits and the states at the end included."""
    assert a.spikes is not None and b.spikes is not None
    for field in fields(a.spikes):
        np.testing.assert_array_equal(getattr(a.spikes, field.name), getattr(b.spikes, field.name), field.name)
    for name in ("counts", "forward_steps", "sample_ids"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    assert set(a.states) == set(b.states)
    for name, values in a.states.items():
        np.testing.assert_array_equal(values, b.states[name], name)
    assert a.limits_reached == b.limits_reached
    same_states(a.state, b.state)


def cut_at(case: tuple[Any, Stimulus, Any], at: int, first: Run, then: Run) -> Trace:
    """Run the first time steps on one executor, the others on another, or the same."""
    network, stimulus, schedule = case
    begin = first(network, stimulus.steps(0, at), schedule, record=("v", "u", "late"), keep_state=True)
    rest = stimulus.steps(at, stimulus.n_steps)
    end = then(network, rest, schedule, record=("v", "u", "late"), state=begin.state, keep_state=True)
    return join_in_time([replace(begin, executor=end.executor), end])


def whole(case: tuple[Any, Stimulus, Any], run: Run) -> Trace:
    """The run that is not cut."""
    return run(*case, record=("v", "u", "late"), keep_state=True)


@law(200)
@given(st.one_of(ASYNCHRONOUS, LAYERED), st.data())
def test_a_cut_run_of_the_plain_simulator_is_the_whole_run(case: Any, data: st.DataObject):
    at = data.draw(st.integers(0, case[1].n_steps))
    same_traces(whole(case, run_plain), cut_at(case, at, run_plain, run_plain))


def on_trainer(*args: Any, **options: Any) -> Trace:
    """E1 in the plain engine."""
    return run_trainer(*args, engine="reference", **options)


@law(60)
@given(st.one_of(ASYNCHRONOUS, LAYERED), st.data())
def test_a_cut_run_of_the_plain_engine_is_the_whole_run(case: Any, data: st.DataObject):
    at = data.draw(st.integers(0, case[1].n_steps))
    same_traces(whole(case, on_trainer), cut_at(case, at, on_trainer, on_trainer))


def on_compiled(*args: Any, **options: Any) -> Trace:
    """E1 in the compiled engine, where it runs the case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowerWarning)
        return run_trainer(*args, engine="auto", **options)


@law(60)
@given(ASYNCHRONOUS, st.data())
def test_a_cut_run_of_the_compiled_engine_is_the_whole_run(case: Any, data: st.DataObject):
    at = data.draw(st.integers(0, case[1].n_steps))
    expected = whole(case, run_plain)
    same_traces(expected, cut_at(case, at, on_compiled, on_compiled))
    same_traces(expected, cut_at(case, at, on_compiled, run_plain))


@law(60)
@given(st.one_of(ASYNCHRONOUS, LAYERED), st.data())
def test_one_executor_goes_on_where_another_ended(case: Any, data: st.DataObject):
    at = data.draw(st.integers(0, case[1].n_steps))
    there, back = cut_at(case, at, run_plain, on_trainer), cut_at(case, at, on_trainer, run_plain)
    same_traces(whole(case, run_plain), there)
    same_traces(there, back)


@law(100)
@given(st.one_of(ASYNCHRONOUS, LAYERED), st.data())
def test_a_cut_run_of_the_compiled_simulator_is_the_whole_run(case: Any, data: st.DataObject):
    at = data.draw(st.integers(0, case[1].n_steps))
    expected = whole(case, run_plain)
    same_traces(expected, whole(case, run_twin))
    same_traces(expected, cut_at(case, at, run_twin, run_twin))
    same_traces(expected, cut_at(case, at, run_twin, run_plain))


@law(60)
@given(cases(replace(WIDE, late=True)).filter(runs), st.data())
def test_a_layered_run_goes_on_from_an_asynchronous_one_alike(case: Any, data: st.DataObject):
    """Where neurons may have fired more than once in a time step."""
    network, stimulus, schedule = case
    at = data.draw(st.integers(0, stimulus.n_steps))
    state = run_twin(network, stimulus.steps(0, at), schedule, keep_state=True).state
    then = network, stimulus.steps(at, stimulus.n_steps), Schedule(kind="layered", F=None)
    options: dict[str, Any] = {"record": ("v", "u", "late"), "state": state, "keep_state": True}
    same_traces(run_plain(*then, **options), run_twin(*then, **options))


@pytest.mark.parametrize("run", [run_plain, run_twin])
def test_what_spiked_twice_in_a_time_step_arrives_twice_in_the_next(run: Run):
    """7 back from itself: 11, then 11 + 7 fire over a threshold of 10; a step later 2 x 7 do, and then 7 do not."""
    lif = FixedLIF(v_threshold=10, refractory=False)
    edges = FixedProjection("in", "a", Dense(np.array([[11]]))), FixedProjection("a", "a", Dense(np.array([[7]])))
    network = QuantizedNetwork((Input("in", (1,)),), (FixedPopulation("a", (1,), lif),), edges, "a")
    twice = run(network, Stimulus([[[2]]]), Schedule(input="paced", R=1, stop_after=5), keep_state=True)
    assert twice.counts.item() == 2
    rest = run(network, Stimulus([[[0]], [[0]]]), Schedule(kind="layered", F=None), state=twice.state)
    assert rest.spikes is not None
    assert [rest.spikes.t.tolist(), rest.spikes.m.tolist()] == [[0], [14 << 6]]


def test_a_count_still_on_its_way_may_be_larger_than_all_that_follow():
    """It arrives a step after the cut, and its sum leaves 32 bits."""
    edge = FixedProjection("in", "a", Dense(np.array([[1 << 12]])), delay_steps=1)
    network = QuantizedNetwork((Input("in", (1,)),), (FixedPopulation("a", (1,), FixedLIF()),), (edge,), "a")
    case = network, Stimulus([[[(1 << 20) - 1]], [[0]]]), Schedule(kind="layered", F=None)
    same_traces(whole(case, run_plain), cut_at(case, 1, run_twin, run_twin))


def test_a_state_is_kept_without_spikes_and_bounds_nothing_else():
    case = chain(6, 4, 3, decay_u=200), counts(5, 2, 6), Schedule(F=1)
    kept = run_twin(*case, record_spikes=False, record=(), keep_state=True)
    assert kept.spikes is None and run_twin(*case).state is None
    same_states(kept.state, run_plain(*case, keep_state=True).state)


def test_a_state_is_a_file_of_one_network(tmp_path: Path):
    case = chain(6, 4, 3), counts(5, 2, 6), Schedule(kind="layered", F=None)
    state = run_plain(*case, keep_state=True).state
    npz.save(state, tmp_path / "state.npz")
    same_states(npz.load(tmp_path / "state.npz", State), state)
    other = chain(6, 4, 3, rng_seed=1)
    for run in (run_plain, run_twin, run_trainer):
        with pytest.raises(ValueError, match=r"the state is of network \w{12}, this one is \w{12}; go on with the net"):
            run(other, *case[1:], state=state)
        with pytest.raises(ValueError, match="the state holds no sample 7; give the stimulus the sample_ids"):
            run(case[0], Stimulus(case[1].frames, [0, 7]), case[2], state=state)


def test_a_mapped_network_goes_on_from_its_own_state_whatever_its_cores():
    network, stimulus, schedule = chain(6, 4, 3), counts(5, 2, 6), Schedule(F=2)
    mapped = MappedNetwork(network, None, np.arange(7) % 2, (Core(0), Core(1, x=1)))
    same_traces(
        replace(whole((network, stimulus, schedule), run_plain), core_of_neuron=None),
        cut_at((mapped, stimulus, schedule), 2, run_plain, run_plain),
    )
