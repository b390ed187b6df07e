"""The compiled twin leaves the same trace as the definition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import npz
from ir.connection import Conv2d, Dense
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from sim_reference.compiled.asynchronous import run_asynchronous
from sim_reference.compiled.layered import run_layered
from sim_reference.pieces import run_to_disk
from tests.in_python import run_by_python
from tests.strategies import LAYERED, WIDE, Draw, cases, runs

twin_laws = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def drawn(options, layered=False):
    """Cases of some options, half of them with late resets, none, and biases of currents too."""
    either = (replace(options, asynchronous=not layered, late=late) for late in (False, True))
    return st.one_of(cases(x, layered=layered) for x in either)


def assert_same(mapped, stimulus, schedule):
    slow = simulate.run(mapped, stimulus, schedule, record=("v", "u", "late"))
    quick = fast.run(mapped, stimulus, schedule, record=("v", "u", "late"))
    divergence = first_divergence(slow, quick)
    assert divergence is None, str(divergence)
    assert slow.limits_reached == quick.limits_reached
    assert (slow.counts == quick.counts).all()
    assert_the_checks_change_nothing(quick)


def assert_the_checks_change_nothing(trace):
    """A trace made without them is what they would leave: the same arrays, frozen and of their types."""
    spikes = replace(trace.spikes)
    for made, checked in ((trace.spikes, spikes), (trace, replace(trace, spikes=spikes))):
        for f in fields(made):
            kept, found = getattr(made, f.name), getattr(checked, f.name)
            if f.name == "states":
                assert kept.keys() == found.keys() and all(kept[x] is found[x] for x in kept)
            elif f.name != "spikes":
                assert kept is found or (not isinstance(kept, np.ndarray) and kept == found), f.name


@pytest.mark.parametrize("schedule", [LAYERED, Schedule()], ids=lambda s: s.kind)
def test_a_network_without_projections_lives_on_its_bias(schedule):
    population = FixedPopulation("a", (3,), FixedLIF(bias=np.array([0, 40, 100]), bias_exp=6, v_threshold=50))
    network = QuantizedNetwork((Input("in", (2,)),), (population,), (), "a")
    assert_same(one_large_core(network), Stimulus(np.ones((4, 2, 2), np.int32)), schedule)


@twin_laws
@given(drawn(Draw()))
def test_asynchronous_runs_are_equal(case):
    assert_same(*case)


@twin_laws
@given(drawn(Draw(extremes=True)))
def test_asynchronous_runs_are_equal_at_every_edge(case):
    assert_same(*case)


@twin_laws
@given(drawn(Draw(repeated=True)))
def test_asynchronous_runs_of_neurons_that_fire_repeatedly_are_equal(case):
    assert_same(*case)


@twin_laws
@given(drawn(Draw(), layered=True))
def test_layered_runs_are_equal(case):
    assert_same(*case)


@twin_laws
@given(drawn(Draw(extremes=True), layered=True))
def test_layered_runs_are_equal_at_every_edge(case):
    assert_same(*case)


@twin_laws
@given(st.one_of(drawn(WIDE, layered).filter(runs) for layered in (False, True)))
def test_runs_of_anything_that_may_be_drawn_are_equal(case):
    assert_same(*case)


def convolutional(seed=0):
    """8,192 neurons behind a convolution whose synapses, written out, would be half a million."""
    rng = np.random.default_rng(seed)
    conv = Conv2d(rng.integers(-40, 60, (8, 2, 5, 5)) * 2, (2, 32, 32), padding=(2, 2))
    pool = Conv2d(np.full((8, 1, 2, 2), 120), (8, 32, 32), stride=(2, 2), groups=8)
    readout = Dense(rng.integers(-10, 12, (10, 2048)) * 2)
    sizes = {"conv": (8, 32, 32), "pool": (8, 16, 16), "out": (10,)}
    lifs = {"conv": FixedLIF(400, 300), "pool": FixedLIF(400, 100), "out": FixedLIF(400, 200)}
    return QuantizedNetwork(
        (Input("in", (2, 32, 32)),),
        tuple(FixedPopulation(n, s, lifs[n]) for n, s in sizes.items()),
        (
            FixedProjection("in", "conv", conv),
            FixedProjection("conv", "pool", pool),
            FixedProjection("pool", "out", readout),
        ),
        "out",
    )


def noise(network, n_steps=4, n_samples=3, rate=0.1):
    rng = np.random.default_rng(1)
    return Stimulus((rng.random((n_steps, n_samples, network.n_inputs)) < rate).astype(np.int32), [30, 10, 20])


@pytest.mark.parametrize(("schedule", "entry"), [(LAYERED, run_layered), (Schedule(F=8), run_asynchronous)])
def test_frames_of_any_type_and_a_state_run_the_code_that_is_there(schedule, entry):
    neuron = FixedLIF(400, 30)
    network = QuantizedNetwork(
        (Input("in", (6,)),),
        (FixedPopulation("a", (4,), neuron),),
        (FixedProjection("in", "a", Dense(np.arange(24).reshape(4, 6))),),
        "a",
    )
    stimulus = noise(network, n_steps=6, rate=0.4)
    whole = fast.run(network, stimulus, schedule)
    compiled = len(entry.signatures)
    for kind in (np.int8, np.int16, np.int32):
        frames = stimulus.frames.astype(kind)
        got = fast.run(network, replace(stimulus, frames=frames), schedule)
        assert first_divergence(whole, got) is None
        state = fast.run(network, replace(stimulus, frames=frames[:2]), schedule, keep_state=True).state
        rest = fast.run(network, replace(stimulus, frames=frames[2:]), schedule, state=state)
        assert (rest.states["v"][-1] == whole.states["v"][-1]).all()
    assert len(whole.spikes) > 0
    assert len(entry.signatures) == compiled


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=64, order="momentum"), Schedule(F=32, order="fifo")])
def test_convolutions_are_scattered_not_written_out(schedule):
    network = convolutional()
    stimulus = noise(network)
    assert_same(network, stimulus, schedule)
    assert len(fast.run(network, stimulus, schedule).spikes) > 1000


def test_neither_threads_nor_what_is_recorded_change_a_count():
    network = convolutional()
    stimulus = noise(network)
    one = fast.run(network, stimulus, Schedule(), n_threads=1)
    three = fast.run(network, stimulus, Schedule(), n_threads=3)
    counted = fast.run(network, stimulus, Schedule(), record_spikes=False, record=())
    assert first_divergence(one, three) is None
    assert counted.spikes is None and counted.v is None
    assert (counted.counts == one.counts).all()
    assert (counted.forward_steps == one.forward_steps).all()
    assert counted.limits_reached == one.limits_reached


@pytest.mark.parametrize("schedule", [LAYERED, Schedule()])
def test_room_for_spikes_grows(monkeypatch, schedule):
    network = convolutional()
    stimulus = noise(network)
    enough = fast.run(network, stimulus, schedule)
    monkeypatch.setattr(fast, "FIRST_CAPACITY", 16)
    grown = fast.run(network, stimulus, schedule)
    assert first_divergence(enough, grown) is None
    assert enough.limits_reached == grown.limits_reached
    assert (enough.counts == grown.counts).all()


def test_pieces_on_disk_are_the_whole(tmp_path):
    network = convolutional()
    stimulus = noise(network)
    whole = fast.run(network, stimulus, LAYERED)
    paths = run_to_disk(network, stimulus, tmp_path, LAYERED, samples_a_piece=2)
    pieces = [npz.load(path) for path in paths]
    assert [p.sample_ids.tolist() for p in pieces] == [[30, 10], [20]]
    assert (np.concatenate([p.v for p in pieces], 1) == whole.v).all()
    assert sum(len(p.spikes) for p in pieces) == len(whole.spikes)


def test_progress_reaches_the_end_and_an_empty_batch_is_no_error():
    network = convolutional()
    seen = []
    fast.run(network, noise(network), LAYERED, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (3, 3)
    nothing = fast.run(network, Stimulus(np.zeros((2, 0, network.n_inputs), np.int32)), LAYERED)
    assert nothing.counts.shape == (0, network.n_neurons)


@pytest.mark.parametrize("arithmetic", ["lava", "loihi1"])
@pytest.mark.parametrize("decay_u", [4096, 1000])
@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=100)])
def test_sums_far_over_the_edge_of_u_wrap_alike_in_vector_code(arithmetic, decay_u, schedule):
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 128, (30, 6000)) * 2 * rng.choice([-1, 1, 1], (30, 1))
    lif = FixedLIF(
        300, rng.integers(1000, 1 << 17, 30), decay_u=decay_u, bias=rng.integers(-4096, 4096, 30), bias_exp=6
    )
    network = QuantizedNetwork(
        (Input("in", (6000,)),),
        (FixedPopulation("a", (30,), lif),),
        (FixedProjection("in", "a", Dense(weight)),),
        "a",
        arithmetic=arithmetic,
    )
    frames = (rng.random((6, 2, 6000)) < rng.random((6, 2, 1))).astype(np.int32)
    reached = simulate.run(network, Stimulus(frames), schedule).limits_reached
    assert reached["u" if arithmetic == "lava" else "accumulator"] > 0
    assert_same(network, Stimulus(frames), schedule)


@pytest.mark.parametrize("schedule", [LAYERED, Schedule(F=2, order="momentum")])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("largest", [1, 100, -128])
def test_frames_of_any_integer_type_are_the_same_input(schedule, dtype, largest):
    rng = np.random.default_rng(3)
    weight = 2 * rng.integers(-64, 64, (5, 7)).astype(np.int32)
    network = QuantizedNetwork(
        (Input("in", (7,)),),
        (FixedPopulation("out", (5,), FixedLIF(decay_v=410, v_threshold=90)),),
        (FixedProjection("in", "out", Dense(weight)),),
        "out",
    )
    frames = (largest * (rng.random((10, 3, 7)) < 0.4)).astype(dtype)
    assert_same(network, Stimulus(frames), schedule)
    narrow, wide = (fast.run(network, Stimulus(frames.astype(t)), schedule) for t in (dtype, np.int32))
    assert first_divergence(narrow, wide) is None
    assert narrow.counts.sum() > 0


@pytest.mark.parametrize("schedule", [LAYERED, Schedule()])
@pytest.mark.parametrize("bits", [24, 57, 58, 62])
def test_a_threshold_that_no_membrane_reaches_is_not_reached_however_large(schedule, bits):
    lif = FixedLIF(decay_v=0, v_threshold=1 << bits)
    edge = FixedProjection("in", "a", Dense(np.full((2, 3), 1 << 16)))
    network = QuantizedNetwork((Input("in", (3,)),), (FixedPopulation("a", (2,), lif),), (edge,), "a")
    stimulus = Stimulus(np.ones((4, 1, 3), np.int32))
    assert_same(network, stimulus, schedule)
    assert not fast.run(network, stimulus, schedule).counts.any()


def test_frames_of_bytes_are_gone_through_only_where_the_largest_byte_would_leave_32_bits(monkeypatch):
    run_by_python(monkeypatch, "sim_reference", ("run_layered", "run_asynchronous"))  # which compiles nothing
    counted, seen = fast.largest_count, []
    monkeypatch.setattr(fast, "largest_count", lambda x: (seen.append(x.size), counted(x))[1])
    for weight, passes in ((100, 0), (20_000, 1)):
        lif = FixedLIF(decay_v=100, v_threshold=weight // 2)
        projection = FixedProjection("in", "p", Dense(np.full((3, 700), weight)))
        network = QuantizedNetwork((Input("in", (700,)),), (FixedPopulation("p", (3,), lif),), (projection,), "p")
        frames = np.random.default_rng(0).integers(0, 2, (5, 2, 700)).astype(np.int8)
        for schedule in (Schedule(kind="layered", F=None), Schedule()):
            seen.clear()
            assert_same(one_large_core(network), Stimulus(frames), schedule)
            assert seen.count(frames.size) == passes


@pytest.mark.parametrize("said", ["", "²", "-1", "0", "many"])
def test_a_number_of_threads_that_is_none_is_overlooked(said: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    there = fast.n_usable_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert fast.n_usable_cores() == there


def test_a_short_run_starts_no_threads_and_a_long_one_as_many_as_are_worth_it(monkeypatch):
    network, started = convolutional(), []
    monkeypatch.setattr(fast, "n_usable_cores", lambda: 3)
    monkeypatch.setattr(fast, "ThreadPoolExecutor", lambda n: started.append(n) or ThreadPoolExecutor(n))
    stimuli = noise(network, 4), noise(network, 40)
    short, long = (fast.run(network, s, LAYERED, record=()) for s in stimuli)
    assert started == [2] and stimuli[1].n_samples * 40 * (network.n_neurons + network.n_inputs) >> 20 == 1
    alone = fast.run(network, stimuli[1], LAYERED, record=(), n_threads=1)
    assert started == [2] and first_divergence(long, alone) is None and short.counts.any()
