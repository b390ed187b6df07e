"""Lava runs a neuron model and an order rule that only the tests know, through its tables alone."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

from ir import neurons, schedule
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import neurons as simulator_neurons
from sim_reference import serve
from sim_reference.compare.divergence import first_divergence
from sim_reference.simulate import run as run_reference
from targets.lava import Job, run, run_jobs
from targets.lava.checks import check_lava
from targets.lava.neurons import MODELS, Model
from targets.lava.neurons.lif import LIFDynamics
from targets.lava.spike_queue import ORDERS
from tests.strategies import Draw, cases, runs
from tests.targets.lava_cases import N_NETWORKS, SEED, chain, counts, drawn
from tests.targets.test_equal import is_accepted, limits
from tests.toys.forked_lava import fork_lava, needs_lava_here
from tests.toys.lifo import LIFO, in_simulator, on_lava
from tests.toys.mixed import mixed_cases
from tests.toys.tired import TIRED, FixedTired
from tests.toys.tired_lava import TIRED_ON_LAVA
from tests.toys.tired_simulator import TiredDynamics

LAYERED = Schedule(kind="layered", F=None)
STATES = ("v", "u", "fatigue")
Case = tuple[MappedNetwork, Stimulus, Schedule]

N = max(N_NETWORKS // 6, 2)
"""Networks a test."""


def has_both(case: Case) -> bool:
    """Whether there are LIF and tired neurons, and all of their states."""
    return {p.neuron.MODEL for p in case[0].network.populations} == {"lif", "tired"}


@pytest.fixture(autouse=True)
def start_method_left_open() -> None:
    """Importing Lava chooses how processes start, and fails where a test before has made this process choose."""
    multiprocessing.set_start_method(None, force=True)  # type: ignore[arg-type]


@pytest.fixture
def tired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lava, in a fork of this process, knows the toy."""
    monkeypatch.setitem(neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(simulator_neurons.MODELS, "tired", TiredDynamics)
    monkeypatch.setitem(MODELS, "tired", TIRED_ON_LAVA)
    fork_lava(monkeypatch)


@pytest.fixture
def lifo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lava, in a fork of this process, knows the toy order."""
    monkeypatch.setitem(schedule.ORDERS, "lifo", LIFO)
    monkeypatch.setitem(serve.ORDERS, "lifo", in_simulator)
    monkeypatch.setitem(ORDERS, "lifo", on_lava)
    fork_lava(monkeypatch)


def one_neuron() -> QuantizedNetwork:
    """An input whose spikes weigh 12 on a neuron with threshold 10 that a spike tires by 8."""
    population = FixedPopulation("p", (1,), FixedTired(v_threshold=10, tiring=8))
    return QuantizedNetwork(
        (Input("in", (1,)),), (population,), (FixedProjection("in", "p", Dense(np.array([[12]]))),), "p"
    )


@needs_lava_here[0]
@needs_lava_here[1]
@pytest.mark.parametrize("rules", [LAYERED, Schedule(F=1)], ids=["layered", "asynchronous"])
@pytest.mark.usefixtures("tired")
def test_one_tired_neuron_does_what_its_page_says(rules: Schedule) -> None:
    always = Stimulus(np.ones((5, 2, 1), np.int32))
    trace = run(one_neuron(), always, rules, record=("v", "fatigue"))
    for b in range(2):
        assert (trace.states["fatigue"][:, b, 0] / 64).tolist() == [8, 4, 2 + 8, 5, 2.5 + 8]
        assert (trace.states["v"][:, b, 0] / 64).tolist() == [0, 12, 0, 12, 0]
    spikes = trace.spikes
    assert list(zip(spikes.sample, spikes.t, spikes.m)) == [(b, t, m * 64) for b in (0, 1) for t, m in FIRINGS]


FIRINGS = [(0, 12), (2, 24), (4, 24)]


@needs_lava_here[0]
@needs_lava_here[1]
@pytest.mark.usefixtures("lifo")
def test_the_newest_spike_is_served_first() -> None:
    """a0 and a1 fire at k = 0; a0, served first, lets b fire at k = 1, when a1 still waits."""
    lif = FixedLIF(v_threshold=10)
    network = QuantizedNetwork(
        (Input("in", (1,)),),
        (FixedPopulation("a", (2,), lif), FixedPopulation("b", (1,), lif)),
        (
            FixedProjection("in", "a", Dense(np.array([[12], [14]]))),
            FixedProjection("a", "b", Dense(np.array([[12, 12]]))),
        ),
        "b",
    )
    jobs = [Job(network, Stimulus(np.ones((1, 1, 1), np.int32)), Schedule(F=1, order=o)) for o in ("lifo", "fifo")]
    newest, oldest = run_jobs(jobs)
    assert dict(zip(newest.spikes.neuron, newest.spikes.k_served)) == {0: 0, 2: 1, 1: 2}
    assert dict(zip(oldest.spikes.neuron, oldest.spikes.k_served)) == {0: 0, 1: 1, 2: 2}
    assert newest.forward_steps[0, 0] == 4 and oldest.forward_steps[0, 0] == 3


@needs_lava_here[0]
@needs_lava_here[1]
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("tired", "lifo")
@pytest.mark.parametrize("layered", [False, True], ids=["asynchronous", "layered"])
def test_lif_and_tired_neurons_in_one_network_run_equal(layered: bool) -> None:
    """Either scope, every second case under the toy's order: spikes, all states, limits."""
    chosen: list[Case] = []
    for extremes in (False, True):
        options = Draw(asynchronous=not layered, lava=layered and extremes, extremes=extremes)
        strategy = mixed_cases(options, layered=layered).filter(has_both)
        chosen += drawn(strategy.filter(is_accepted) if layered else strategy, N // 2, SEED + 4 + extremes)
    if not layered:
        chosen[::2] = [(mapped, stimulus, replace(rules, order="lifo")) for mapped, stimulus, rules in chosen[::2]]
    traces = run_jobs([Job(*case) for case in chosen], record=STATES)
    for case, trace in zip(chosen, traces):
        plain = run_reference(*case, record=STATES)
        assert first_divergence(plain, trace) is None
        assert limits(plain) == limits(trace)
        assert set(plain.limits_reached) == set(trace.limits_reached)
    assert sum(bool(trace.states["fatigue"].any()) for trace in traces) >= N // 4


@needs_lava_here[0]
@needs_lava_here[1]
@pytest.mark.usefixtures("tired", "lifo")
def test_models_that_share_a_process_move_as_in_processes_of_their_own() -> None:
    """A process for each core holds another mixture of models than one for all does."""
    jobs = [Job(*case) for case in drawn(mixed_cases(Draw()).filter(has_both), N, SEED + 2)]
    together, apart = (run_jobs(jobs, record=STATES, process_per_core=each) for each in (False, True))
    for a, b in zip(together, apart):
        assert first_divergence(a, b) is None
    tired_spikes = [np.isin(t.spikes.neuron, tired_neurons(job)).any() for t, job in zip(together, jobs)]
    assert sum(tired_spikes) > N / 2


def tired_neurons(job: Job) -> np.ndarray:
    """Global indices."""
    assert isinstance(job.mapped, MappedNetwork)
    populations = job.mapped.network.populations
    return np.flatnonzero(np.repeat([p.neuron.MODEL == "tired" for p in populations], [p.n for p in populations]))


@needs_lava_here[0]
@needs_lava_here[1]
def test_lif_in_our_process_is_lif_in_lavas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layered process of ours on a model that is well known: drawn networks, also what stock LIF cannot hold.

    Currents are not compared: our dynamics hold no u where none is kept, as the asynchronous schedule has it.
    """
    monkeypatch.setitem(MODELS, "lif", Model(LIFDynamics))
    fork_lava(monkeypatch)

    def is_routed(case) -> bool:
        try:
            check_lava(case[0].network, case[1], case[2], False)
        except ValueError:
            return False
        return runs(case)

    options = (Draw(asynchronous=False), Draw(asynchronous=False, lava=True, extremes=True))
    chosen = [c for i, o in enumerate(options) for c in drawn(cases(o, layered=True).filter(is_routed), N, SEED + i)]
    traces = run_jobs([Job(*case) for case in chosen])
    assert sum(len(trace.spikes) > 0 for trace in traces) > N
    for case, trace in zip(chosen, traces):
        assert first_divergence(run_reference(*case), trace) is None


def test_an_order_that_is_not_in_lavas_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedule.ORDERS, "lifo", LIFO)
    with pytest.raises(ValueError, match=r"order of Lava's spike queue is 'lifo'.*; use one of 'random', 'momentum'"):
        run(chain(4, 3), counts(2, 1, 4), Schedule(order="lifo"))


def test_a_model_that_is_not_in_lavas_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(neurons.MODELS, "tired", TIRED)
    with pytest.raises(ValueError, match="neuron model of population 'p' on Lava is 'tired'; use one of 'lif'"):
        run(one_neuron(), counts(2, 1, 1), Schedule())


class Double(FixedTired):
    """A toy whose spikes carry 2."""

    carries = 2


def test_spikes_that_carry_more_than_themselves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(MODELS, "tired", TIRED_ON_LAVA)
    plain = one_neuron()
    network = replace(plain, populations=(replace(plain.populations[0], neuron=Double(10, 8)),))
    with pytest.raises(ValueError, match="a spike of population 'p' may carry 2; on Lava spikes carry 1, use the ref"):
        run(network, counts(2, 1, 1), Schedule())


@pytest.mark.parametrize("name", ["fatigue", "w"])
def test_a_state_that_no_neuron_has_is_not_recorded(name: str) -> None:
    with pytest.raises(ValueError, match=f"no neuron of the network has a state '{name}' to record; there are v, u"):
        run(chain(4, 3), counts(2, 1, 4), Schedule(), record=("v", name))


@needs_lava_here[0]
@needs_lava_here[1]
def test_every_model_that_lava_has_a_process_for_gets_it() -> None:
    from targets.lava.layered import STOCK

    assert set(STOCK) == {name for name, model in MODELS.items() if model.stock_refusal is not None}
