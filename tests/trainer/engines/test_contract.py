"""Small integer networks with their right values, on every engine: what contract 2 decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ir import Schedule, Stimulus, Trace
from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_meaning
from tests.trainer.engines.test_small_cases import each_engine
from trainer import run

LAYERED = Schedule(kind="layered", F=None)
Edges = dict[tuple[str, str], Any]


def network(inputs: dict[str, int], neurons: dict[str, tuple[int, FixedLIF]], edges: Edges, output: str = "",
            arithmetic: str = "lava") -> QuantizedNetwork:  # fmt: skip
    """Blocks by name, weights (or weight and exponent) by their ends."""
    weights = {ends: w if isinstance(w, tuple) else (w, 0) for ends, w in edges.items()}
    return QuantizedNetwork(
        tuple(Input(name, (n,)) for name, n in inputs.items()),
        tuple(FixedPopulation(name, (n,), lif) for name, (n, lif) in neurons.items()),
        tuple(FixedProjection(a, b, Dense(np.array(w)), e) for (a, b), (w, e) in weights.items()),
        output or list(neurons)[-1],
        arithmetic=arithmetic,
    )


def frames(*rows: list[int], n_samples: int = 1) -> Stimulus:
    return Stimulus(np.repeat(np.array(rows, np.int32)[:, None], n_samples, 1))


def checked(engine: str, net: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, **more: Any) -> Trace:
    """The trace on an engine, which is the simulator's to the last number."""
    trace = run(net, stimulus, schedule, engine=engine, record=("v", "u"), **more)
    if not more:
        meaning = run_meaning(net, stimulus, schedule, record=("v", "u"))
        assert first_divergence(trace, meaning) is None
        assert trace.limits_reached == meaning.limits_reached
    return trace


def rows(trace: Trace) -> list[tuple[int, ...]]:
    """(k, neuron, k_served) of every spike."""
    s = trace.spikes
    assert s is not None
    return [tuple(int(x) for x in row) for row in zip(s.k, s.neuron, s.k_served)]


def v(trace: Trace) -> list[list[int]]:
    """(T, N) membranes of the first sample."""
    assert trace.v is not None
    return trace.v[:, 0].tolist()


FIRES, NEVER = FixedLIF(v_threshold=10), FixedLIF(v_threshold=None, decay_v=0)


# The last round.


@each_engine
def test_spikes_of_outputs_alone_end_the_time_step_with_the_round_that_serves_the_first_of_them(engine: str) -> None:
    net = network({"in": 1}, {"out": (3, FIRES)}, {("in", "out"): [[20], [40], [30]]})
    trace = checked(engine, net, frames([1]), Schedule(F=1))
    assert trace.forward_steps.tolist() == [[1]]
    assert rows(trace) == [(0, 0, -1), (0, 1, 0), (0, 2, -1)]


SKIP: Edges = {("in", "hidden"): [[0]], ("in", "out"): [[0]], ("hidden", "out"): [[5]]}


@each_engine
@pytest.mark.parametrize(
    ("hidden", "out", "steps", "found"),
    [(30, 60, 3, [(0, 0, 1), (0, 1, 0)]), (60, 30, 2, [(0, 0, 0), (0, 1, 1)])],
    ids=["the output's entry wins", "the hidden entry wins"],
)
def test_an_entry_that_still_waits_keeps_the_time_step_going_only_if_it_has_a_projection(
    engine: str, hidden: int, out: int, steps: int, found: list[tuple[int, ...]]
) -> None:
    edges = {**SKIP, ("in", "hidden"): [[hidden]], ("in", "out"): [[out]]}
    net = network({"in": 1}, {"hidden": (1, FIRES), "out": (1, FIRES)}, edges)
    trace = checked(engine, net, frames([1]), Schedule(F=1))
    assert trace.forward_steps.tolist() == [[steps]] and rows(trace) == found


@each_engine
def test_a_projection_of_zeros_is_a_projection(engine: str) -> None:
    edges = {**SKIP, ("in", "hidden"): [[20]], ("hidden", "out"): [[0]]}
    net = network({"in": 1}, {"hidden": (1, FIRES), "out": (1, FIRES)}, edges)
    assert checked(engine, net, frames([1]), Schedule(F=1)).forward_steps.tolist() == [[2]]


@each_engine
def test_outputs_alone_on_a_core_wait_for_no_one_and_nobody_for_them(engine: str) -> None:
    edges = {**SKIP, ("in", "hidden"): [[20]], ("in", "out"): [[20], [40], [30]], ("hidden", "out"): [[5]] * 3}
    net = network({"in": 1}, {"hidden": (1, FIRES), "out": (3, FIRES)}, edges)
    cores = np.array([0, 1, 1, 1])
    trace = checked(engine, net, frames([1]), Schedule(F=1, scope="core"), core_of_neuron=cores)
    assert trace.forward_steps.tolist() == [[2]]
    assert rows(trace) == [(0, 0, 0), (0, 1, -1), (0, 2, 0), (0, 3, 1)]


@each_engine
@pytest.mark.parametrize("rule", ["paced", "queued"])
@pytest.mark.parametrize(("order", "steps"), [([0, 1, 1], 1), ([1, 0, 1], 2), ([1, 1, 0], 3)])
def test_events_of_an_input_without_projection_take_places_and_keep_nothing_going(
    engine: str, rule: str, order: list[int], steps: int
) -> None:
    """``order``: 0 the event that somebody reads, 1 one that nobody does."""
    net = network({"in": 1, "loose": 1}, {"out": (1, FIRES)}, {("in", "out"): [[20]]})
    events = np.array([[0, 0, stamp, source] for stamp, source in enumerate(order)])
    stimulus = Stimulus(np.array([[[1, 2]]], np.int32), events=events)
    schedule = Schedule(F=1, input=rule, R=1 if rule == "paced" else None)  # type: ignore[arg-type]
    trace = checked(engine, net, stimulus, schedule)
    assert trace.forward_steps.tolist() == [[steps]]
    # queued events come before the output's entry, which the last round has a place for where no event is left
    last = -1 if rule == "queued" and steps < 3 else steps - 1
    assert rows(trace) == [(steps - 1, 0, last)]


@each_engine
@pytest.mark.parametrize(("stop", "steps"), [({"stop_after": 3}, 3), ({"stop_after_output": 1}, 2), ({}, 5)])
def test_a_forced_stop_serves_nothing_in_its_round(engine: str, stop: dict[str, int], steps: int) -> None:
    edges = {**SKIP, ("in", "hidden"): [[20]] * 4, ("in", "out"): [[15]], ("hidden", "out"): [[5] * 4]}
    net = network({"in": 1}, {"hidden": (4, FIRES), "out": (1, FIRES)}, edges)
    trace = checked(engine, net, frames([1]), Schedule(F=1, **stop))  # type: ignore[arg-type]
    assert trace.forward_steps.tolist() == [[steps]]
    assert trace.spikes is not None and int((trace.spikes.k_served >= 0).sum()) == (5 if steps == 5 else steps - 1)


@each_engine
@pytest.mark.parametrize("stop", [{"stop_after": 7}, {"stop_after_output": 7}])
def test_a_time_step_that_drains_first_is_not_made_longer_by_a_stop_rule(engine: str, stop: dict[str, int]) -> None:
    net = network({"in": 1}, {"out": (1, FIRES)}, {("in", "out"): [[20]]})
    assert checked(engine, net, frames([1]), Schedule(F=1, **stop)).forward_steps.tolist() == [[1]]  # type: ignore[arg-type]


# Charge before k = depth.


def early(decay_u: int, **neuron: Any) -> QuantizedNetwork:
    """A population that its bias fires at k = 0, onto one of depth 2 with a current."""
    late = FixedLIF(decay_u=decay_u, **neuron)
    neurons = {
        "a": (1, FIRES),
        "b": (1, FIRES),
        "late": (1, late),
        "spontaneous": (1, FixedLIF(v_threshold=1, bias=99)),
    }
    edges: Edges = {("in", "a"): [[20]], ("a", "b"): [[20]], ("b", "late"): [[1000]], ("spontaneous", "late"): [[7]]}
    return network({"in": 1}, neurons, edges, "late")


@each_engine
def test_charge_that_comes_before_k_is_depth_enters_the_membrane_once_with_the_current(engine: str) -> None:
    trace = checked(engine, early(2048, v_threshold=None), frames([0], [0]), Schedule(F=None))
    assert [x[2] for x in v(trace)] == [7 << 6, (7 << 6) + (7 << 5)]
    assert trace.u is not None and trace.u[:, 0, 2].tolist() == [7 << 6, (7 << 6) + (7 << 5)]
    assert trace.forward_steps.tolist() == [[3], [3]]
    without = checked(engine, early(4096, v_threshold=None), frames([0]), Schedule(F=None))
    assert v(without)[0][2] == 7 << 6 and without.forward_steps.tolist() == [[2]]


@each_engine
def test_a_neuron_with_a_current_cannot_fire_before_k_is_depth(engine: str) -> None:
    trace = checked(engine, early(2048, v_threshold=5), frames([0]), Schedule(F=None))
    assert rows(trace) == [(0, 3, 0), (2, 2, 2)]


# Widths, biases, what a sample shares with its batch.


@each_engine
@pytest.mark.parametrize(("bias", "steps"), [(1, 1), (2, 2)])
def test_a_bias_that_shifts_to_nothing_is_none(engine: str, bias: int, steps: int) -> None:
    late = FixedLIF(v_threshold=10, bias=bias, bias_exp=-1)
    net = network({"in": 1}, {"a": (1, FIRES), "b": (1, late)}, {("in", "a"): [[1]], ("a", "b"): [[1]]})
    assert checked(engine, net, frames([1]), Schedule(F=1)).forward_steps.tolist() == [[steps]]


@each_engine
def test_the_current_of_a_drained_sample_stands_still_while_others_run(engine: str) -> None:
    far = FixedLIF(decay_u=0, v_threshold=None)
    net = network({"in": 1}, {"p": (1, far)}, {("in", "p"): [[786431]]})
    stimulus, schedule = Stimulus(np.array([[[1], [5]]], np.int32)), Schedule(input="paced", R=1)
    trace = checked(engine, net, stimulus, schedule)
    assert trace.forward_steps.tolist() == [[1, 5]] and trace.u is not None
    assert trace.u[0, :, 0].tolist() == [(786431 << 6) - (1 << 24), 167771840]
    for b in range(2):
        alone = checked(engine, net, stimulus.select([b]), schedule)
        assert alone.u is not None and np.array_equal(alone.u[:, 0], trace.u[:, b])


@each_engine
def test_a_membrane_wraps_at_32_bits_before_its_edge(engine: str) -> None:
    biased = FixedLIF(v_threshold=1, bias=-(1 << 30))
    net = network({"in": 1}, {"p": (1, biased)}, {("in", "p"): [[-(1 << 25)]]})
    trace = checked(engine, net, frames([1]), Schedule())
    assert rows(trace) == [(0, 0, 0)], "-2^31 + 2^24 - 2^30 comes out far above 0"
    assert trace.spikes is not None and trace.spikes.m.tolist() == [(1 << 23) - 1]
    assert trace.limits_reached == {"int32": 1, "accumulator": 0, "u": 1, "v": 1}


@each_engine
@pytest.mark.parametrize(
    ("weight", "exponent", "v_end", "limits"),
    [
        ([[1 << 20]], 12, 0, {"int32": 1}),  # p = 2^32
        ([[1 << 26]], 0, 0, {"int32": 1}),  # x = 2^32
        ([[3 << 24]], 0, 1 - (1 << 23), {"int32": 1, "u": 1, "v": 1}),  # x = 3 * 2^30, which wraps to -2^30
        ([[-5]], -1, -3 << 6, {}),  # the sum floors
    ],
)
def test_each_sum_has_its_width(engine: str, weight: list[list[int]], exponent: int, v_end: int,
                                limits: dict[str, int]) -> None:  # fmt: skip
    net = network({"in": 1}, {"p": (1, NEVER)}, {("in", "p"): (weight, exponent)})
    trace = checked(engine, net, frames([1]), Schedule())
    assert {name: n for name, n in trace.limits_reached.items() if n} == limits
    assert v(trace) == [[v_end]]


@each_engine
def test_limits_are_counted_for_refractory_neurons_and_in_every_round(engine: str) -> None:
    paced = Schedule(input="paced", R=1)
    for arithmetic, weight, limit in (("loihi1", (1 << 18) + (1 << 14), "accumulator"), ("lava", 1 << 17, "v")):
        neurons = {"p": (1, FixedLIF(v_threshold=1))}
        net = network({"in": 1}, neurons, {("in", "p"): [[weight]]}, arithmetic=arithmetic)
        trace = checked(engine, net, frames([3]), paced)
        assert rows(trace) == [(0, 0, 0)] and trace.forward_steps.tolist() == [[3]]
        assert {name: n for name, n in trace.limits_reached.items() if n} == {limit: 3}
    for schedule in (Schedule(), LAYERED):
        checked("auto" if schedule is LAYERED else engine, early(100, v_threshold=1, bias=1 << 22, bias_exp=5),
                frames([9], [1]), schedule)  # fmt: skip


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(input="paced", R=1), LAYERED], ids=str)
def test_what_is_not_exact_is_refused_in_the_simulators_words(schedule: Schedule) -> None:
    top = (1 << 31) - 1
    net = network({"in": 1}, {"p": (1, FIRES)}, {("in", "p"): [[top]]})
    why = r"one by one, at most" if schedule.input == "paced" else r"2\^53"
    with pytest.raises(ValueError, match=why) as ours:
        run(net, frames([top]), schedule)
    with pytest.raises(ValueError, match=why) as meaning:
        run_meaning(net, frames([top]), schedule)
    assert str(ours.value) == str(meaning.value)


# Nothing to do.


@each_engine
@pytest.mark.parametrize("schedule", [Schedule(F=1), Schedule(F=1, input="paced", R=1), LAYERED], ids=str)
@pytest.mark.parametrize(("n_steps", "n_samples"), [(0, 2), (3, 0), (0, 0)])
def test_a_run_without_time_steps_or_samples_is_empty(
    engine: str, schedule: Schedule, n_steps: int, n_samples: int
) -> None:
    trace = checked(engine, early(100), Stimulus(np.zeros((n_steps, n_samples, 1), np.int32)), schedule)
    assert trace.spikes is not None and len(trace.spikes) == 0
    assert trace.forward_steps.shape == (n_steps, n_samples) and trace.counts.shape == (n_samples, 4)


@each_engine
@pytest.mark.parametrize("schedule", [Schedule(F=1), Schedule(F=1, input="queued"), LAYERED], ids=str)
def test_a_network_without_projections_runs_on_its_biases(engine: str, schedule: Schedule) -> None:
    net = network({"in": 1}, {"p": (2, FixedLIF(v_threshold=1, decay_v=0, bias=np.array([70, 20])))}, {})
    trace = checked(engine, net, frames([2], [0], [0], [0]), schedule)
    assert trace.forward_steps.tolist() == [[1]] * 4
    assert trace.counts.tolist() == [[4, 1]] and v(trace)[-1] == [0, 0]
