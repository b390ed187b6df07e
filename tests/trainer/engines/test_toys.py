"""A neuron model and an order rule that the trainer learns through its tables alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

from ir import (
    Dense,
    FixedProjection,
    Input,
    Network,
    Population,
    Projection,
    QuantizedNetwork,
    Schedule,
    Stimulus,
    Trace,
)
from ir import neurons as ir_neurons
from ir import schedule as ir_schedule
from ir.check import SlowerWarning
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation
from sim_reference import neurons as simulator_neurons
from sim_reference import serve
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_meaning
from tests.strategies import Draw, cases
from tests.toys import lifo
from tests.toys.lifo_trainer import LIFO_IN_TRAINING
from tests.toys.mixed import mixed_cases
from tests.toys.tired import MOST, TIRED, FixedTired, Tired
from tests.toys.tired_simulator import TiredDynamics
from tests.toys.tired_trainer import TiredDynamics as TiredInTraining
from tests.toys.tired_trainer import TiredModel
from tests.trainer.engines.agreement import Case
from trainer.engines import cpu
from trainer.engines import neurons as trainer_neurons
from trainer.engines import queue as trainer_queue
from trainer.engines.call import Call
from trainer.engines.gpu import run as gpu
from trainer.engines.neurons.model import Fired
from trainer.engines.plan import float_params, plan_of
from trainer.execute import run

LAYERED = Schedule(kind="layered", F=None)
ONE_BY_ONE = Schedule(F=1, order="fifo")


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toys, in the tables and nowhere else."""
    monkeypatch.setitem(ir_neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(trainer_neurons.MODELS, "tired", TiredModel())
    monkeypatch.setitem(ir_schedule.ORDERS, "lifo", lifo.LIFO)
    monkeypatch.setitem(trainer_queue.ORDERS, "lifo", LIFO_IN_TRAINING)
    monkeypatch.setitem(simulator_neurons.MODELS, "tired", TiredDynamics)
    monkeypatch.setitem(serve.ORDERS, "lifo", lifo.in_simulator)


def chain(*weights: list[list[int]], neurons: list[FixedLIF | FixedTired], order: str = "momentum") -> QuantizedNetwork:
    """Populations one after the other."""
    names = ["in", *(f"p{i}" for i in range(len(weights)))]
    return QuantizedNetwork(
        (Input("in", (len(weights[0][0]),)),),
        tuple(FixedPopulation(name, (len(w),), neuron) for name, w, neuron in zip(names[1:], weights, neurons)),
        tuple(FixedProjection(a, b, Dense(np.array(w))) for a, b, w in zip(names, names[1:], weights)),
        names[-1],
        schedule=Schedule(F=1, order=order),
    )


def counts(*of_each_step: int) -> Stimulus:
    """One sample of one input."""
    return Stimulus(np.array(of_each_step, np.int32).reshape(-1, 1, 1))


def served(trace: Trace) -> list[tuple[int, int, int]]:
    """(k, neuron, k_served) of every spike."""
    assert trace.spikes is not None
    s = trace.spikes
    return sorted(zip(s.k.tolist(), s.neuron.tolist(), s.k_served.tolist()))


def tiring() -> QuantizedNetwork:
    """One neuron; a count brings half its threshold, a spike adds 40 % to that."""
    return chain([[5]], neurons=[FixedTired(v_threshold=10, tiring=4)])


@pytest.mark.parametrize("schedule", [ONE_BY_ONE, LAYERED, Schedule(F=None)], ids=["one by one", "layered", "all"])
def test_a_neuron_tires_as_counted_by_hand(schedule: Schedule) -> None:
    """Drives 10 15 15 5 5 5, thresholds 10 10 12 13 11.5 10.75; all in units of 64."""
    trace = run(tiring(), counts(2, 3, 3, 1, 1, 1), schedule, record=("v", "fatigue"), engine="reference")
    assert trace.spikes is not None and trace.spikes.t.tolist() == [1, 2, 5]
    assert trace.spikes.m.tolist() == [25 * 64, 15 * 64, 15 * 64]
    assert (trace.states["v"].ravel() / 64).tolist() == [10, 0, 0, 5, 10, 0]
    assert (trace.states["fatigue"].ravel() / 64).tolist() == [0, 4, 6, 3, 1.5, 4.75]
    assert set(trace.limits_reached.values()) == {0}


def test_floats_tire_likewise() -> None:
    neuron = Tired(v_threshold=10.0, tiring=4.0)
    network = Network(
        (Input("in", (1,)),),
        (Population("p0", (1,), neuron),),
        (Projection("in", "p0", Dense(np.array([[5.0]]))),),
        "p0",
    )
    for schedule in (ONE_BY_ONE, LAYERED):
        trace = run(network, counts(2, 3, 3, 1, 1, 1), schedule, record=("v", "fatigue"), engine="reference")
        assert trace.states["v"].ravel().tolist() == [10, 0, 0, 5, 10, 0]
        assert trace.states["fatigue"].ravel().tolist() == [0, 4, 6, 3, 1.5, 4.75]


def test_what_reaches_a_tired_neuron_after_its_spike_is_lost() -> None:
    network = chain([[11]], neurons=[FixedTired(v_threshold=10, tiring=4)])
    trace = run(network, counts(4, 0), Schedule(F=1, input="paced", R=1), record=("v", "fatigue"), engine="reference")
    assert trace.counts.tolist() == [[1]] and trace.forward_steps.tolist() == [[4], [1]]
    assert trace.states["v"].ravel().tolist() == [0, 0]
    assert trace.states["fatigue"].ravel().tolist() == [256, 128]


def test_a_tired_membrane_is_clipped_at_its_register() -> None:
    network = chain([[-255]], neurons=[FixedTired(v_threshold=10, tiring=4)])
    trace = run(network, counts(400, 400), LAYERED, engine="reference")
    assert trace.states["v"].ravel().tolist() == [-400 * 255 * 64, -(1 << 23) + 1]
    assert trace.limits_reached == {"int32": 0, "accumulator": 0, "u": 0, "v": 1, "fatigue": 0}


def test_states_that_a_model_lacks_are_zero_in_the_trace() -> None:
    """The LIF between two tired populations keeps half its current; nothing is mixed up."""
    lif = FixedLIF(decay_v=0, v_threshold=10, decay_u=2048)
    tired = FixedTired(v_threshold=10, tiring=4)
    network = chain([[11], [12]], [[11, 0], [0, 11], [5, 0]], [[0, 20, 0]], neurons=[tired, lif, tired])
    for schedule in (ONE_BY_ONE, LAYERED):
        trace = run(network, counts(1, 0), schedule, record=("v", "u", "fatigue"), engine="reference")
        assert trace.counts.tolist() == [[1, 1, 1, 1, 0, 1]]
        assert (trace.states["fatigue"][:, 0] / 64).tolist() == [[4, 4, 0, 0, 0, 4], [2, 2, 0, 0, 0, 2]]
        # what the second tired neuron brings arrives after the current has passed, and in the layered schedule with it
        u = trace.states["u"][:, 0] / 64
        assert u[0].tolist() == [0, 0, 11, 11, 5, 0] and u[1].tolist() == [0, 0, 5.5, 5.5, 2.5, 0]


@settings(max_examples=60)
@given(cases(Draw(current=False, resets=False)) | cases(Draw(current=False, resets=False), layered=True))
def test_a_neuron_that_never_tires_is_a_lif_without_a_leak_in_any_mixture(case: Case) -> None:
    mapped, stimulus, schedule = case
    heights = [np.minimum(64 if (h := p.neuron.v_threshold) is None else h, MOST) for p in mapped.network.populations]

    def with_tired(every: int) -> Trace:
        populations = tuple(
            replace(p, neuron=FixedTired(h, 0) if every and i % every == 0 else FixedLIF(decay_v=0, v_threshold=h))
            for i, (p, h) in enumerate(zip(mapped.network.populations, heights))
        )
        network = replace(mapped, network=replace(mapped.network, populations=populations))
        return run(network, stimulus, schedule, engine="reference")

    plain = with_tired(0)
    assume(plain.limits_reached["u"] == 0)
    for every in (1, 2):
        assert first_divergence(with_tired(every), plain) is None


class Twice(TiredInTraining):
    """A toy whose every spike carries 2."""

    def advance(self, drive: torch.Tensor, k: int, active: torch.Tensor, resting: torch.Tensor) -> Fired:
        fired = super().advance(drive, k, active, resting)
        return fired._replace(carried=2 * fired.s)

    def fire(self, drive: torch.Tensor) -> Fired:
        fired = super().fire(drive)
        return fired._replace(carried=2 * fired.s)


@pytest.mark.parametrize(
    ("schedule", "entries", "heard"),
    [
        (LAYERED, [(0, 0), (1, 0)], 2 * (1 + 10)),
        (Schedule(F=1, input="paced", R=1), [(0, 0), (0, 1), (1, 2), (1, 2)], 2 * (2 * 1 + 2 * 10)),
    ],
    ids=["layered", "asynchronous"],
)
def test_an_entry_delivers_what_its_spikes_carry(
    monkeypatch: pytest.MonkeyPatch, schedule: Schedule, entries: list[tuple[int, int]], heard: int
) -> None:
    """Two neurons that do not rest hear two events; the second one's entry waits until it holds both its spikes."""
    monkeypatch.setattr(TiredModel, "dynamics", lambda self, members: Twice(members))
    restless = FixedTired(10, 0, refractory=False)
    network = chain([[20], [11]], [[1, 10]], neurons=[restless, FixedLIF(0, v_threshold=None)])
    trace = run(network, counts(2), schedule, engine="reference")
    assert sorted((neuron, k) for _, neuron, k in served(trace)) == entries
    assert trace.counts.tolist() == [[len(entries) // 2, len(entries) // 2, 0]]
    assert trace.v is not None and trace.v[0, 0, 2] == heard << 6


LAYERED_DRAW = Draw(asynchronous=False)


@settings(max_examples=100)
@given(mixed_cases() | mixed_cases(Draw(repeated=True), "lifo") | mixed_cases(LAYERED_DRAW, layered=True))
def test_training_time_integers_are_the_meaning_in_any_mixture(case: Case) -> None:
    mapped, stimulus, schedule = case
    record = [
        name for name in ("v", "u", "fatigue") if any(name in p.neuron.STATES for p in mapped.network.populations)
    ]
    ours = run(mapped, stimulus, schedule, record=record, engine="reference")
    meaning = run_meaning(mapped, stimulus, schedule, record=record)
    assert first_divergence(ours, meaning) is None
    assert ours.limits_reached == meaning.limits_reached
    for name in record:
        np.testing.assert_array_equal(ours.states[name], meaning.states[name])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("lifo", [(0, 0, 0), (0, 1, 2), (1, 2, 1), (3, 3, 3)]),
        ("fifo", [(0, 0, 0), (0, 1, 1), (1, 2, 2), (2, 3, -1)]),
    ],
)
def test_the_newest_spike_is_served_first(order: str, expected: list[tuple[int, int, int]]) -> None:
    """Two neurons fire at k = 0; the answer to the first of them overtakes the second."""
    lif = FixedLIF(v_threshold=10)
    network = chain([[20], [20]], [[20, 0], [0, 20]], neurons=[lif, lif], order=order)
    assert served(run(network, counts(1), engine="reference")) == expected


def test_queued_input_goes_before_the_newest_spike() -> None:
    lif = FixedLIF(v_threshold=10)
    network = chain([[20], [20]], [[20, 0], [0, 20]], neurons=[lif, lif])
    trace = run(network, counts(3), Schedule(F=1, order="lifo", input="queued"), engine="reference")
    assert served(trace) == [(0, 0, 2), (0, 1, 4), (3, 2, 3), (5, 3, 5)]


def call_of(neuron: LIF | Tired, order: str = "momentum") -> Call:
    weights = Dense(np.ones((3, 2)))
    network = Network((Input("in", (2,)),), (Population("p", (3,), neuron),), (Projection("in", "p", weights),), "p")
    return Call(
        plan_of(network), float_params(network), torch.ones(2, 2, 2), torch.arange(2), Schedule(F=1, order=order)
    )


@pytest.mark.parametrize(
    ("call", "what"), [((Tired(), "fifo"), "neuron model 'tired'"), ((LIF(), "lifo"), "order rule 'lifo'")]
)
def test_compiled_engines_name_what_they_do_not_know(call: tuple[LIF | Tired, str], what: str) -> None:
    for engine, name in ((cpu, "cpu"), (gpu, "gpu")):
        with pytest.raises(ValueError, match=f"^engine '{name}' does not know {what}; use engine 'reference'$"):
            engine.run(call_of(*call))


@pytest.mark.parametrize("what", ["neuron model 'tired'", "order rule 'lifo'"])
def test_the_plain_engine_takes_over_and_says_so_once(what: str) -> None:
    many = Stimulus(np.ones((2, 5, 1), np.int32))
    network = tiring() if "tired" in what else chain([[20]], neurons=[FixedLIF(v_threshold=10)], order="lifo")
    with pytest.warns(SlowerWarning) as warned:
        trace = run(network, many, batch_size=2)
    assert [str(w.message) for w in warned] == [f"engine 'cpu' does not know {what}; the plain engine runs it, slower"]
    assert first_divergence(trace, run(network, many, engine="reference")) is None
    with pytest.raises(ValueError, match=f"engine 'cpu' does not know {what}; use engine 'reference'"):
        run(network, many, engine="cpu")


def test_a_model_that_only_ir_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(trainer_neurons.MODELS, "tired")
    with pytest.raises(ValueError, match="population 'p0' has neurons of model 'tired'; the trainer knows 'lif'"):
        run(tiring(), counts(1))


def test_an_order_rule_that_only_ir_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(trainer_queue.ORDERS, "lifo")
    with pytest.raises(ValueError, match="schedule order is 'lifo'"):
        run(chain([[20]], neurons=[FixedLIF()], order="lifo"), counts(1), engine="reference")
