"""A network in time steps of another length keeps its time constants in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.connection import Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, SpikingGamma
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.time_step import at_time_step
from trainer.execute import run

LAYERED = Schedule("layered")
SECONDS = st.floats(1e-4, 2e-2)


def network(dt_s: float, taus: tuple[float, ...], tau_threshold_s: float = 0.05) -> Network:
    """2-3-2: SpikingGamma whose thresholds adapt, and a readout."""
    rng = np.random.default_rng(0)
    rest = {"adaptation": 0.001, "keep_threshold": float(np.exp(-dt_s / tau_threshold_s))}
    weight = rng.normal(1, 1, (2, len(taus)))
    neurons = (
        SpikingGamma.of_taus(taus, dt_s, weight[0], v_threshold=0.25, **rest),
        SpikingGamma.of_taus(taus, dt_s, weight[1], v_threshold=None),
    )
    edges = Projection("in", "a", Dense(rng.normal(0, 1, (3, 2)))), Projection("a", "b", Dense(np.ones((2, 3))))
    populations = Population("a", (3,), neurons[0]), Population("b", (2,), neurons[1])
    return Network((Input("in", (2,)),), populations, edges, "b", dt_s, LAYERED)


def decays(net: Network) -> np.ndarray:
    return np.array([[*p.neuron.decay_factors, p.neuron.keep_threshold] for p in net.populations])


@given(SECONDS, SECONDS, st.lists(st.floats(2e-3, 1.0), min_size=1, max_size=6))
def test_it_is_the_network_of_the_same_taus_made_at_that_time_step(before: float, after: float, taus: list[float]):
    moved = at_time_step(network(before, tuple(taus)), after)
    assert moved.dt_s == after
    assert np.allclose(decays(moved), decays(network(after, tuple(taus))), rtol=1e-9, atol=0)
    back = at_time_step(moved, before)
    assert np.allclose(decays(back), decays(network(before, tuple(taus))), rtol=1e-9, atol=0)
    for a, b in zip(moved.projections, network(before, tuple(taus)).projections):
        assert np.array_equal(a.connection.weight, b.connection.weight)


def test_the_lags_of_buckets_are_kept_where_asked_for():
    before = network(1e-2, (0.04, 0.04, 0.3))
    for p, q in zip(before.populations, at_time_step(before, 1e-3, lags=True).populations):
        assert np.allclose(1e-2 * p.neuron.lags, 1e-3 * q.neuron.lags)
        assert np.isclose(1e-3 / (1 - q.neuron.decay_factors[0]), 1e-2 / (1 - p.neuron.decay_factors[0]))
    with pytest.raises(ValueError, match="each must lie between 0 and 1"):
        at_time_step(network(1e-3, (0.04, 0.002)), 1e-2, lags=True)


def test_finer_time_steps_let_a_neuron_code_no_more_than_a_spike_in_each_of_its_own_told():
    """Driven to ten times that, it spikes in every coarse step, and as often a second in fine ones."""
    before, n = 5e-3, 60
    neuron = SpikingGamma.of_taus((0.05,), before, (1.0,), v_threshold=0.25)
    edge = Projection("in", "a", Dense(np.full((1, 1), 5.0)))
    net = Network((Input("in", (1,)),), (Population("a", (1,), neuron),), (edge,), "a", before, LAYERED)
    moved = at_time_step(net, 1e-3)
    told = 0.5 / (1 - np.exp(-0.1))
    assert np.isclose(moved.populations[0].neuron.ceiling, told)
    assert at_time_step(net, 1e-2).populations[0].neuron.ceiling is None
    assert np.isclose(at_time_step(moved, 5e-4).populations[0].neuron.ceiling, told)
    fine = np.zeros((5 * n, 1, 1), np.int32)
    fine[::5] = 1
    counts = [
        int(run(x, Stimulus(f)).counts.sum())
        for x, f in ((net, fine[::5]), (moved, fine), (at_time_step(net, 1e-3, lags=True), fine))
    ]
    unbound = replace(moved.populations[0], neuron=replace(moved.populations[0].neuron, ceiling=None))
    counts.append(int(run(replace(moved, populations=(unbound,)), Stimulus(fine)).counts.sum()))
    assert counts[0] == n and all(n <= x <= 1.25 * n for x in counts[1:3]) and counts[3] > 4 * n


@given(st.sampled_from([2.5e-3, 1e-3, 5e-4]), st.integers(0, 20))
def test_what_a_neuron_codes_and_its_rate_stay(after: float, seed: int):
    """The same input spikes in finer time steps: the first bucket is what it was, and as many spikes leave."""
    rng, before, n = np.random.default_rng(seed), 5e-3, 100
    neuron = SpikingGamma.of_taus((0.05,), before, (1.0,), v_threshold=0.25)
    edge = Projection("in", "a", Dense(rng.uniform(0.1, 0.2, (1, 2))))
    net = Network((Input("in", (2,)),), (Population("a", (1,), neuron),), (edge,), "a", before, LAYERED)
    frames = (rng.random((n, 1, 2)) < 0.5).astype(np.int32)
    finer = round(before / after)
    spread = np.zeros((n * finer, 1, 2), np.int32)
    spread[finer - 1 :: finer] = frames
    coarse = run(net, Stimulus(frames), record=("x0",))
    fine = run(at_time_step(net, after), Stimulus(spread), record=("x0",))
    ends = fine.states["x0"][finer - 1 :: finer].astype(float)
    assert np.allclose(ends, coarse.states["x0"].astype(float), rtol=1e-4, atol=1e-5)
    assert abs(int(fine.counts.sum()) - int(coarse.counts.sum())) <= 2 + 0.1 * int(coarse.counts.sum())


def test_lif_keep_their_taus_and_whole_time_steps_are_refused():
    lif = LIF(0.02, 0.3)
    edge = Projection("in", "a", Dense(np.ones((1, 2))))
    net = Network((Input("in", (2,)),), (Population("a", (1,), lif),), (edge,), "a", 1e-3, LAYERED)
    assert at_time_step(net, 5e-3).populations[0].neuron.tau_mem_s == lif.tau_mem_s
    back = Projection("a", "a", Dense(np.ones((1, 1))))
    with pytest.raises(ValueError, match="projection a -> a is recurrent: it is one time step late, which is another"):
        at_time_step(replace(net, projections=(edge, back)), 5e-3)
    late = Projection("in", "a", Dense(np.ones((1, 2))), 2)
    with pytest.raises(ValueError, match="projection in -> a has delays of whole time steps; remove them, or retrain"):
        at_time_step(replace(net, projections=(late,)), 5e-3)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a time step lasts more than 0 s and not for ever"):
            at_time_step(net, wrong)
