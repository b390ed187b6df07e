"""Sigma-delta neurons in the plain simulator: a table worked out by hand, and laws of what they tell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from ir.connection import Dense
from ir.graph import slices
from ir.network import Input
from ir.neurons import FixedLIF, FixedSigmaDelta, FixedSpikingGamma
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.state import state_names
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.strategies.sigma_delta import LAYERED, sigma_delta_cases

COUNTS = Stimulus(np.array([3, 0, -9, 1, 20], np.int32)[:, None, None])


def one(neuron: FixedSigmaDelta, *more: FixedPopulation, weight: int = 2) -> QuantizedNetwork:
    """A neuron that one input reaches, and whatever follows with weights of 1."""
    populations = (FixedPopulation("p", (1,), neuron), *more)
    edges = [FixedProjection("in", "p", Dense(np.array([[weight]], np.int32)))]
    edges += [
        FixedProjection(a.name, b.name, Dense(np.ones((1, 1), np.int32))) for a, b in itertools.pairwise(populations)
    ]
    return QuantizedNetwork(
        (Input("in", (1,)),), populations, tuple(edges), populations[-1].name, schedule=LAYERED
    )  # fmt: skip


def column(network: QuantizedNetwork, name: str, neuron: int = 0) -> list[int]:
    return run(network, COUNTS, record=state_names(network)).states[name][:, 0, neuron].tolist()


def test_a_table_by_hand():
    """Threshold 2 << 2 = 8, bias 1 << 2 = 4; sigma 6 6 -12 -10 30, v = max(sigma + 4, 0)."""
    network = one(FixedSigmaDelta(2, 1, spike_exp=1, state_exp=1))
    assert column(network, "sigma") == [6, 6, -12, -10, 30]
    assert column(network, "v") == [10, 10, 0, 0, 34]
    assert column(network, "e") == [10, 10, 0, 0, 34]
    assert column(network, "out") == [5, 0, -5, 0, 17]


def test_what_is_below_the_threshold_waits_and_one_as_large_is_sent():
    """v = 6 6 -12 -10 30, threshold 6."""
    network = one(FixedSigmaDelta(6, None, 0, 0, rectifies=False))
    assert column(network, "out") == [6, 0, -18, 0, 42]
    waits = one(FixedSigmaDelta(19, None, 0, 0, rectifies=False))
    assert column(waits, "out") == [0, 0, 0, 0, 30]


def test_what_is_sent_is_rounded_down_and_a_zero_is_no_spike():
    """State_exp 3: v = 6 6 -12 -10 30 sends 0 0 -18>>3 = -3, 2>>3 = 0, 40>>3 = 5, all of it told."""
    network = one(FixedSigmaDelta(0, None, 0, 3, rectifies=False))
    assert column(network, "out") == [0, 0, -3, 0, 5]
    assert column(network, "e") == [6, 6, -12, -10, 30]
    assert run(network, COUNTS).spikes.t.tolist() == [2, 4]


def test_delta_codes_what_comes_and_sigma_adds_it_up_again():
    delta = FixedSigmaDelta(0, None, 1, 2, sums=False, rectifies=False)
    network = one(delta, FixedPopulation("q", (1,), FixedSigmaDelta(None, rectifies=False)), weight=1)
    assert column(network, "v") == [24, 0, -72, 8, 160]
    assert column(network, "v", 1) == [6, 0, -18, 2, 40]


def test_a_lif_takes_what_a_graded_spike_carries():
    network = one(FixedSigmaDelta(0, None, 0, 0, rectifies=False), FixedPopulation("q", (1,), FixedLIF(4096, 5)))
    trace = run(network, COUNTS)
    assert [(int(t), int(m)) for t, m, i in zip(trace.spikes.t, trace.spikes.m, trace.spikes.neuron) if i] == [
        (0, 6 << 6),
        (4, 40 << 6),
    ]


def test_sums_beyond_int32_wrap_and_are_counted():
    trace = run(one(FixedSigmaDelta(0, None, 15, 15, sums=False, rectifies=False), weight=1), COUNTS)
    wrapped = [((c << 30) + (1 << 31)) % (1 << 32) - (1 << 31) for c in (3, 0, -9, 1, 20)]
    assert trace.states["v"][:, 0, 0].tolist() == wrapped and trace.limits_reached["int32"] > 0


@settings(max_examples=50, deadline=None)
@given(sigma_delta_cases())
def test_what_was_told_is_never_a_threshold_away_from_the_value(case):
    mapped, stimulus, schedule = case
    network = mapped.network
    trace = run(mapped, stimulus, schedule, record=state_names(network))
    for p, at in zip(network.populations, slices(network.populations).values()):
        if p.neuron.fires and trace.limits_reached["int32"] == 0:
            v, e = trace.states["v"][:, :, at], trace.states["e"][:, :, at]
            assert (np.abs(v - e) < max(p.neuron.v_threshold << p.neuron.shift, 1)).all()


@settings(max_examples=30, deadline=None)
@given(sigma_delta_cases())
def test_a_cut_run_goes_on_as_if_it_had_never_been_cut(case):
    network, stimulus, schedule = case
    names, cut = state_names(network.network), stimulus.n_steps // 2
    whole = run(network, stimulus, schedule, record=names)
    first = run(network, stimulus.steps(0, cut), schedule, keep_state=True)
    rest = run(network, stimulus.steps(cut, stimulus.n_steps), schedule, record=names, state=first.state)
    for name in names:
        assert (whole.states[name][cut:] == rest.states[name]).all()


def test_bad_numbers_are_one_sentence_each():
    for numbers, said in (
        ({"v_threshold": -1}, "sigma-delta v_threshold"),
        ({"v_threshold": 1 << 20}, "sigma-delta v_threshold"),
        ({"bias": 1 << 20}, "sigma-delta bias"),
        ({"spike_exp": 16}, "sigma-delta spike_exp"),
        ({"bias": 1, "sums": False}, "has no bias"),
    ):
        with pytest.raises(ValueError, match=said):
            FixedSigmaDelta(**numbers)
    with pytest.raises(ValueError, match="codes the change of its output once a time step"):
        run(one(FixedSigmaDelta()), COUNTS, Schedule())
    with pytest.raises(ValueError, match="read as falling by"):
        one(FixedSigmaDelta(), FixedPopulation("q", (1,), FixedSpikingGamma((906,), (8,))))
