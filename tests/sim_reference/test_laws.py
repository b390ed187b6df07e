"""Laws of execution, on drawn networks."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from exchange import npz
from ir.connection import Dense
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from tests.strategies import LAYERED, WIDE, Draw, cases, networks, partitions, runs, schedules, stimuli

N_CHAINS = int(os.environ.get("UNLAYERED_DRAWS", "0"))
"""Chains drawn for each law of the two schedules; 60 at least."""

laws = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

WIDE_CASES = cases(WIDE).filter(runs) | cases(replace(WIDE, asynchronous=False), layered=True).filter(runs)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("late", [False, True], ids=["", "late resets"])
def test_a_chain_without_a_group_size_does_the_same_asynchronously_as_layered(late, capsys):
    seen: Counter[str] = Counter()

    @settings(laws, max_examples=max(60, N_CHAINS))
    @given(st.data(), st.booleans())
    def hold(data, wide):
        same_as_layered(data, Draw(chain=True, extremes=wide, wide=wide, late=late), seen)

    hold()
    with capsys.disabled():
        print("\n" + ", ".join(f"{n} {name}" for name, n in seen.items()) + "; 0 differ")
    assert seen["spikes"] >= 0.5 * seen["chains"]
    assert not late or seen["a late reset"] >= 0.2 * seen["chains"]


def same_as_layered(data: st.DataObject, options: Draw, seen: Counter[str]) -> None:
    """Spikes, their k and membranes, but for a current that one correction leaves outside its register."""
    network = data.draw(networks(options))
    stimulus = data.draw(stimuli(network, extremes=options.extremes, wide=options.wide))
    assume(runs((network, stimulus, LAYERED)))
    order = data.draw(st.sampled_from(["random", "momentum", "fifo"]))
    a = simulate.run(network, stimulus, Schedule(F=None, order=order), record=("v", "u", "late"))
    b = simulate.run(network, stimulus, LAYERED, record=("v", "u", "late"))
    assume(bool((np.abs(b.states["u"]) <= 1 << 23).all()))
    seen.update(tell(network, b))
    assert (a.v == b.v).all() and (a.states["late"] == b.states["late"]).all()
    for column in ("sample", "t", "k", "neuron", "m"):
        assert (getattr(a.spikes, column) == getattr(b.spikes, column)).all()


def tell(network: QuantizedNetwork, trace: Trace) -> list[str]:
    """What a chain was about."""
    neurons, limits = [p.neuron for p in network.populations], trace.limits_reached
    heights = [0 if n.v_threshold is None else n.v_threshold for n in neurons]
    threshold = np.concatenate([np.broadcast_to(x, p.n) for x, p in zip(heights, network.populations)])
    subtracts = np.repeat([n.reset == "subtract" for n in neurons], [p.n for p in network.populations])
    words = {
        "spikes": len(trace.spikes) > 0,
        "a reset by subtraction": subtracts.any(),
        "a late reset": trace.states["late"].any(),
        "a current": any(n.has_current for n in neurons),
        "a bias of the current": any(n.bias_u is not None for n in neurons),
        "a v_min": any(n.v_min is not None for n in neurons),
        "a residual above the threshold": ((trace.v > threshold << 6) & subtracts).any(),
        "a limit of u": limits["u"],
        "a limit of v": limits["v"],
    }
    return ["chains", *(word for word, holds in words.items() if holds)]


def test_a_current_left_outside_its_register_is_where_the_two_schedules_part():
    """One correction leaves 3 * 2^23 + 1 outside; asynchronously the round before the current is due corrects again."""
    first, second = FixedLIF(v_threshold=0), FixedLIF(decay_u=0, v_threshold=None)
    edges = (
        FixedProjection("in", "a", Dense(np.ones((1, 1), np.int32))),
        FixedProjection("a", "b", Dense(np.full((1, 1), (3 << 17) + 1, np.int32))),
    )
    populations = FixedPopulation("a", (1,), first), FixedPopulation("b", (1,), second)
    network = QuantizedNetwork((Input("in", (1,)),), populations, edges, "b")
    stimulus = Stimulus(np.ones((2, 1, 1), np.int32))
    a, b = (simulate.run(network, stimulus, x, record=("v", "u")) for x in (Schedule(F=None), LAYERED))
    assert b.u[0, 0, 1] > 1 << 23 and a.u[0, 0, 1] == b.u[0, 0, 1] and a.v[1, 0, 1] != b.v[1, 0, 1]


@laws
@given(st.data())
def test_with_one_queue_for_the_network_partitioning_never_changes_a_spike(data):
    network = data.draw(networks(Draw(extremes=data.draw(st.booleans()))))
    stimulus = data.draw(stimuli(network))
    schedule = data.draw(st.one_of(schedules(), st.just(LAYERED)))
    whole = simulate.run(one_large_core(network), stimulus, schedule)
    assert first_divergence(whole, simulate.run(data.draw(partitions(network)), stimulus, schedule)) is None


@laws
@given(WIDE_CASES)
def test_partitioning_never_changes_a_spike_of_anything_that_may_be_drawn(case):
    mapped, stimulus, schedule = case[0], case[1], replace(case[2], scope="network")
    whole = simulate.run(mapped.network, stimulus, schedule)
    assert first_divergence(whole, simulate.run(mapped, stimulus, schedule)) is None


@laws
@given(st.data())
def test_with_a_queue_for_each_core_partitioning_never_changes_a_spike_that_does_not_wait(data):
    network = data.draw(networks(Draw(extremes=data.draw(st.booleans()))))
    stimulus = data.draw(stimuli(network))
    schedule = replace(data.draw(schedules(scope="core")), F=None)
    whole = simulate.run(one_large_core(network), stimulus, schedule)
    assert first_divergence(whole, simulate.run(data.draw(partitions(network)), stimulus, schedule)) is None


def test_with_a_queue_for_each_core_the_partition_decides_how_long_a_spike_waits():
    """Two neurons fire at once and drive a third: on one core they leave one after the other, on two together."""
    lif = FixedLIF(v_threshold=1)
    network = QuantizedNetwork(
        (Input("in", (2,)),),
        (FixedPopulation("a", (2,), lif), FixedPopulation("b", (1,), FixedLIF(v_threshold=7))),
        (
            FixedProjection("in", "a", Dense(np.eye(2, dtype=np.int32) * 2)),
            FixedProjection("a", "b", Dense(np.full((1, 2), 4, np.int32))),
        ),
        "b",
    )
    stimulus, schedule = Stimulus(np.ones((1, 1, 2), np.int32)), Schedule(F=1, order="fifo", scope="core")
    fired = {}
    for cores in ((0, 0, 0), (0, 1, 1)):
        mapped = MappedNetwork(network, None, np.array(cores), tuple(Core(i, x=i) for i in range(max(cores) + 1)))
        trace = simulate.run(mapped, stimulus, schedule)
        fired[cores] = trace.spikes.k[trace.spikes.neuron == 2].tolist()
    assert fired == {(0, 0, 0): [2], (0, 1, 1): [1]}


@laws
@given(st.data())
def test_a_sample_does_not_know_its_batch(data):
    mapped, stimulus, schedule = data.draw(cases() | WIDE_CASES)
    assume(stimulus.n_samples > 0)
    together = simulate.run(mapped, stimulus, schedule)
    b = data.draw(st.integers(0, stimulus.n_samples - 1))
    alone = simulate.run(mapped, stimulus.select([b]), schedule)
    assert (together.v[:, [b]] == alone.v).all()
    assert (together.forward_steps[:, [b]] == alone.forward_steps).all()
    assert (together.counts[[b]] == alone.counts).all()


@laws
@given(data=st.data())
def test_a_saved_network_runs_as_before(data, tmp_path_factory):
    mapped, stimulus, schedule = data.draw(cases(Draw(extremes=True)) | WIDE_CASES)
    path = tmp_path_factory.getbasetemp() / "mapped.npz"
    npz.save(mapped, path)
    again = simulate.run(npz.load(path), stimulus, schedule)
    assert first_divergence(simulate.run(mapped, stimulus, schedule), again) is None


@laws
@given(cases() | WIDE_CASES)
def test_every_spike_is_served_once_after_it_fired_unless_the_run_was_stopped(case):
    mapped, stimulus, schedule = case
    trace = simulate.run(mapped, stimulus, schedule)
    served, fired = trace.spikes.k_served, trace.spikes.k
    assert ((served >= fired) | (served == -1)).all()
    if schedule.stop_after is None and schedule.stop_after_output is None:
        senders = {p.pre for p in mapped.network.projections}
        goes_on = np.repeat([name in senders for name, _ in trace.populations], [n for _, n in trace.populations])
        assert (served[goes_on[trace.spikes.neuron]] >= 0).all()
    if schedule.F is not None and schedule.scope == "network" and schedule.kind == "asynchronous":
        entries = np.stack([trace.spikes.sample, trace.spikes.t, served, trace.spikes.neuron], 1)[served >= 0]
        rounds = np.unique(entries, axis=0)[:, :3]
        assert np.unique(rounds, axis=0, return_counts=True)[1].max(initial=0) <= schedule.F


@laws
@given(cases() | WIDE_CASES)
def test_a_neuron_with_refractoriness_spikes_once_a_time_step(case):
    mapped, stimulus, schedule = case
    spikes = simulate.run(mapped, stimulus, schedule).spikes
    once = np.concatenate([np.full(p.n, p.neuron.refractory) for p in mapped.network.populations])[spikes.neuron]
    address = np.stack([spikes.sample, spikes.t, spikes.neuron], 1)[once]
    assert len(np.unique(address, axis=0)) == len(address)


def test_most_drawn_networks_spike_inhibit_and_let_spikes_wait(capsys):
    seen: Counter[str] = Counter()

    @settings(laws, max_examples=150)
    @given(cases(Draw(extremes=True)) | cases())
    def draw_some(case):
        mapped, stimulus, schedule = case
        trace = simulate.run(mapped, stimulus, schedule)
        seen["drawn"] += 1
        seen["spike"] += len(trace.spikes) > 0
        seen["inhibit"] += any((p.connection.weight < 0).any() for p in mapped.network.projections)
        seen["queue longer than F"] += bool((trace.spikes.k_served > trace.spikes.k).any())
        seen["reach a register limit"] += any(trace.limits_reached.values())

    draw_some()
    with capsys.disabled():
        print("\n" + ", ".join(f"{name}: {n / seen['drawn']:.0%}" for name, n in seen.items()), "of", seen["drawn"])
    assert seen["spike"] >= 0.8 * seen["drawn"]
    assert seen["queue longer than F"] >= 0.1 * seen["drawn"]
