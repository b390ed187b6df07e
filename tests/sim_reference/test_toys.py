"""A neuron model and an order rule that only tests know, put into the simulator's tables: every step by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import ir.neurons
from exchange import npz
from ir.check import SlowerWarning
from ir.connection import Dense
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import ORDERS, Schedule
from ir.stimulus import Stimulus
from sim_reference import fast, serve, simulate
from sim_reference import neurons as simulated
from sim_reference.compare.divergence import first_divergence
from sim_reference.pieces import run_to_disk
from tests.strategies import LAYERED, Draw
from tests.toys import lifo
from tests.toys.mixed import mixed_cases
from tests.toys.tired import TIRED, FixedTired
from tests.toys.tired_simulator import TiredDynamics

BOTH = [LAYERED, Schedule(F=None), Schedule(F=2, order="fifo")]

laws = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    monkeypatch.setitem(ir.neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(simulated.MODELS, "tired", TiredDynamics)
    monkeypatch.setitem(ORDERS, "lifo", lifo.LIFO)
    monkeypatch.setitem(serve.ORDERS, "lifo", lifo.in_simulator)


def chain(neurons, *weights):
    """Populations a, b, c, ... one after the other."""
    weights = [np.atleast_2d(w) for w in weights]
    names = "abcdef"[: len(weights)]
    return QuantizedNetwork(
        (Input("in", (weights[0].shape[1],)),),
        tuple(FixedPopulation(n, (len(w),), neuron) for n, w, neuron in zip(names, weights, neurons)),
        tuple(FixedProjection(a, b, Dense(w)) for a, b, w in zip(("in", *names), names, weights)),
        names[-1],
    )


def frames(*counts):
    """One sample of one input."""
    return Stimulus(np.array(counts, np.int32).reshape(-1, 1, 1))


def fired(trace):
    """(t, k, neuron, membrane) of every spike."""
    return list(zip(*(x.tolist() for x in (trace.spikes.t, trace.spikes.k, trace.spikes.neuron, trace.spikes.m))))


@pytest.mark.parametrize("schedule", BOTH, ids=lambda s: f"{s.kind}-{s.order}")
def test_a_tired_neuron_by_hand(schedule):
    """Each frame brings 11, the threshold is 10, a spike tires by 4: times 64 that is 704, 640 and 256."""
    network = chain([FixedTired(10, 4)], 11)
    trace = simulate.run(network, frames(1, 1, 1, 1, 1, 0), schedule, record=("v", "fatigue"))
    #  t  fatigue  v before the reset   threshold   fatigue at the end
    #  0     0      704 fires               640      256
    #  1   128      704                     768      128
    #  2    64     1408 fires               704       64 + 256
    #  3   160      704                     800      160
    #  4    80     1408 fires               720       80 + 256
    #  5   168        0                     808      168
    assert fired(trace) == [(0, 0, 0, 704), (2, 0, 0, 1408), (4, 0, 0, 1408)]
    assert trace.states["v"][:, 0, 0].tolist() == [0, 704, 0, 704, 0, 0]
    assert trace.states["fatigue"][:, 0, 0].tolist() == [256, 128, 320, 160, 336, 168]
    assert trace.forward_steps.tolist() == [[1]] * 6
    assert not any(trace.limits_reached.values())


def test_charge_that_reaches_a_resting_tired_neuron_is_lost():
    network = chain([FixedTired(10, 4)], 6)
    trace = simulate.run(network, frames(4), Schedule(input="paced", R=1), record=("v", "fatigue"))
    assert fired(trace) == [(0, 1, 0, 768)]
    assert trace.forward_steps.tolist() == [[4]]
    assert (trace.v.item(), trace.states["fatigue"].item()) == (0, 256)


def test_its_membrane_is_clipped_and_the_crossing_counted_its_fatigue_uncounted():
    network = chain([FixedTired(1 << 16, 1 << 17)], 1 << 17)
    trace = simulate.run(network, frames(2), LAYERED, record=("v", "fatigue"))
    most = (1 << 23) - 1
    assert fired(trace) == [(0, 0, 0, most)]
    assert trace.states["fatigue"].item() == most
    assert trace.limits_reached == {"int32": 0, "accumulator": 0, "u": 0, "v": 1, "fatigue": 0}


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=None)], ids=lambda s: s.kind)
def test_a_tired_population_between_two_of_lif_by_hand(schedule):
    """The first fires in every frame, the tired one in every second, and the last, which keeps a current, behind it."""
    lif = FixedLIF(decay_v=0, v_threshold=10)
    network = chain([lif, FixedTired(10, 4), replace(lif, decay_u=2048)], 11, 11, 11)
    trace = simulate.run(network, frames(1, 1, 1), schedule, record=("v", "u", "fatigue"))
    assert fired(trace) == [
        *((0, 0, 0, 704), (0, 1, 1, 704), (0, 2, 2, 704)),
        *((1, 0, 0, 704),),
        *((2, 0, 0, 704), (2, 1, 1, 1408), (2, 2, 2, 352 + 176 + 704)),
    ]
    assert trace.states["fatigue"][:, 0].tolist() == [[0, 256, 0], [0, 128, 0], [0, 320, 0]]
    assert trace.u[:, 0, 1:].tolist() == [[0, 704], [0, 352], [0, 176 + 704]]
    assert trace.v[:, 0].tolist() == [[0, 0, 0], [0, 704, 352], [0, 0, 0]]


@laws
@given(mixed_cases() | mixed_cases(Draw(asynchronous=False), layered=True))
def test_what_never_tires_is_a_lif_without_leak(case):
    """Swap every tired population for the LIF that does the same when a spike tires by nothing."""
    mapped, stimulus, schedule = case
    lif, tired = [], []
    for p in mapped.network.populations:
        swaps = isinstance(p.neuron, FixedTired)
        lif.append(replace(p, neuron=FixedLIF(0, p.neuron.v_threshold)) if swaps else p)
        tired.append(replace(p, neuron=FixedTired(p.neuron.v_threshold, 0)) if swaps else p)
    assume(any(a is not b for a, b in zip(lif, tired)))
    plain, toy = (
        simulate.run(replace(mapped, network=replace(mapped.network, populations=tuple(x))), stimulus, schedule)
        for x in (lif, tired)
    )
    assume(not plain.limits_reached["u"])  # a current has an edge that the toy lacks
    divergence = first_divergence(plain, toy)
    assert divergence is None, str(divergence)
    assert plain.limits_reached.items() <= toy.limits_reached.items()


@pytest.mark.parametrize(("schedule", "k"), [(LAYERED, 1), (Schedule(F=None), 0)], ids=["layered", "asynchronous"])
def test_a_neuron_that_recovers_fires_in_an_empty_frame_as_soon_as_it_is_looked_at(schedule, k):
    """Its threshold sinks to 640 + 32 below the 704 that it holds; asynchronously no neuron waits for its depth."""
    network = chain([FixedLIF(0, 10), FixedTired(10, 8)], 11, 11)
    trace = simulate.run(network, frames(1, 1, 0, 0, 0, 0), schedule, record=("v", "fatigue"))
    assert fired(trace) == [(0, 0, 0, 704), (0, 1, 1, 704), (1, 0, 0, 704), (4, k, 1, 704)]
    assert trace.states["fatigue"][:, 0, 1].tolist() == [512, 256, 128, 64, 32 + 512, 272]
    assert trace.v[:, 0, 1].tolist() == [0, 704, 704, 704, 0, 0]


def test_every_sample_begins_rested():
    network = chain([FixedTired(10, 4)], 11)
    trace = simulate.run(network, Stimulus(np.ones((2, 3, 1), np.int32)), LAYERED, record=("v", "fatigue"))
    assert trace.states["fatigue"][:, :, 0].tolist() == [[256] * 3, [128] * 3]
    assert trace.v[:, :, 0].tolist() == [[0] * 3, [704] * 3]


class Twice(TiredDynamics):
    """A toy whose every spike carries 2."""

    def fire(self, spikes):
        return 2 * super().fire(spikes)


@pytest.mark.parametrize(
    ("schedule", "served", "heard"),
    [
        (LAYERED, [(0, 0), (1, 0)], 2 * (1 + 10)),
        (Schedule(F=1, input="paced", R=1), [(0, 0), (0, 1), (1, 2), (1, 2)], 2 * (2 * 1 + 2 * 10)),
    ],
    ids=["layered", "asynchronous"],
)
def test_an_entry_delivers_what_its_spikes_carry(monkeypatch, schedule, served, heard):
    """Two neurons that do not rest hear two events; the second one's entry waits until it holds both its spikes."""
    monkeypatch.setitem(simulated.MODELS, "tired", Twice)
    restless = FixedTired(10, 0, refractory=False)
    network = chain([restless, FixedLIF(0, v_threshold=None)], [[20], [11]], [[1, 10]])
    trace = simulate.run(network, frames(2), schedule)
    assert sorted(zip(trace.spikes.neuron.tolist(), trace.spikes.k_served.tolist())) == served
    assert trace.v[0, 0, 2] == heard << 6


def test_lifo_serves_the_newest_spike_first_and_the_smaller_index_of_two():
    """Two of six neurons fire in each of the first rounds, and one entry leaves in each."""
    network = chain([FixedLIF(0, 10), FixedLIF(v_threshold=None)], np.eye(6, dtype=int) * 11, np.zeros((1, 6), int))
    stimulus = Stimulus(np.ones((1, 1, 6), np.int32))
    served = {}
    for order in ("lifo", "fifo"):
        trace = simulate.run(network, stimulus, Schedule(F=1, order=order, input="paced", R=2))
        assert trace.spikes.k.tolist() == [0, 0, 1, 1, 2, 2]
        served[order] = dict(zip(trace.spikes.neuron.tolist(), trace.spikes.k_served.tolist()))
    assert served["lifo"] == {0: 0, 1: 5, 2: 1, 3: 4, 4: 2, 5: 3}
    assert served["fifo"] == {i: i for i in range(6)}


def test_lifo_serves_queued_input_before_all_neurons_in_time_stamp_order():
    network = chain([FixedLIF(0, 10), FixedLIF(v_threshold=None)], np.eye(3, dtype=int) * 11, np.zeros((1, 3), int))
    events = np.array([[0, 0, stamp, i] for stamp, i in ((1, 2), (2, 0), (3, 1))])
    stimulus = Stimulus(np.ones((1, 1, 3), np.int32), events=events)
    trace = simulate.run(network, stimulus, Schedule(F=1, order="lifo", input="queued"))
    rows = zip(trace.spikes.neuron.tolist(), trace.spikes.k.tolist(), trace.spikes.k_served.tolist())
    assert sorted(rows) == [(0, 1, 3), (1, 2, 2), (2, 0, 4)]


@laws
@given(mixed_cases(order="lifo"))
def test_lifo_never_serves_an_older_spike_while_a_newer_one_waits(case):
    mapped, stimulus, schedule = case
    trace = simulate.run(mapped, stimulus, schedule)
    s, core = trace.spikes, mapped.core_of_neuron
    place = core[s.neuron] if schedule.scope == "core" else np.zeros(len(s), int)
    for i in range(len(s)):
        same = (s.sample == s.sample[i]) & (s.t == s.t[i]) & (place == place[i])
        waits = same & (s.k <= s.k_served[i]) & ((s.k_served > s.k_served[i]) | (s.k_served < 0))
        if s.k_served[i] >= 0 and not repeats(s, i):
            assert not (s.k[waits] > s.k[i]).any()


def repeats(s, i):
    """Whether the entry of spike i was refreshed by a newer spike of its neuron."""
    return int(((s.sample == s.sample[i]) & (s.t == s.t[i]) & (s.neuron == s.neuron[i])).sum()) > 1


def test_the_compiled_twin_hands_over_what_it_does_not_know_in_one_sentence():
    network, stimulus = chain([FixedTired(10, 4)], 11), frames(1, 1, 1)
    plain = simulate.run(network, stimulus, Schedule(), record=("v", "fatigue"))
    sentence = "^the compiled simulator does not know neuron model 'tired'; the plain one runs it, slower$"
    seen = []
    with pytest.warns(SlowerWarning, match=sentence):
        quick = fast.run(network, stimulus, Schedule(), record=("v", "fatigue"), progress=lambda *n: seen.append(n))
    assert first_divergence(plain, quick) is None
    assert list(quick.states) == ["v", "fatigue"] and seen == [(1, 1)]
    with pytest.warns(SlowerWarning, match=sentence):
        counted = fast.run(network, stimulus, LAYERED, record_spikes=False, record=())
    assert counted.spikes is None and counted.states == {}
    assert counted.counts.tolist() == plain.counts.tolist()


def test_the_compiled_twin_hands_over_an_order_rule_only_where_a_queue_is_served():
    network, stimulus = chain([FixedLIF(0, 10)], 11), frames(1, 1)
    rule = Schedule(order="lifo")
    with pytest.warns(SlowerWarning, match="^the compiled simulator does not know order rule 'lifo'; the plain one"):
        quick = fast.run(network, stimulus, rule)
    assert first_divergence(simulate.run(network, stimulus, rule), quick) is None
    layered = replace(LAYERED, order="lifo")
    assert first_divergence(simulate.run(network, stimulus, layered), fast.run(network, stimulus, layered)) is None


@pytest.mark.parametrize("run", [simulate.run, fast.run], ids=["plain", "compiled"])
def test_what_is_in_no_table_of_the_simulator_is_refused(run, monkeypatch):
    network, stimulus = chain([FixedTired(10, 4)], 11), frames(1)
    monkeypatch.delitem(serve.ORDERS, "lifo")
    with pytest.raises(ValueError, match="the simulator does not know order rule 'lifo'; use one of random, momentum"):
        run(chain([FixedLIF()], 11), stimulus, Schedule(order="lifo"))
    monkeypatch.delitem(simulated.MODELS, "tired")
    with pytest.raises(ValueError, match="population 'a' has neurons of model 'tired'; the simulator knows lif"):
        run(network, stimulus, Schedule())


def test_states_of_any_name_are_compared_and_kept_on_disk(tmp_path):
    network, stimulus = chain([FixedTired(10, 4)], 11), frames(1, 1, 1)
    whole = simulate.run(network, stimulus, LAYERED, record=("v", "fatigue"))
    with pytest.warns(SlowerWarning):
        (path,) = run_to_disk(one_large_core(network), stimulus, tmp_path, LAYERED, record=("v", "fatigue"))
    again = npz.load(path)
    assert first_divergence(whole, again) is None
    tampered = {**whole.states, "fatigue": whole.states["fatigue"] + np.array([0, 0, 7])[:, None, None]}
    divergence = first_divergence(whole, replace(whole, states=tampered))
    assert (divergence.what, divergence.t, divergence.a, divergence.b) == ("fatigue", 2, 320, 327)
