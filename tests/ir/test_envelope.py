"""What is outside the safe envelope is found, named and can be mended; what is inside never reaches an edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.chip import IntFormat
from ir.connection import Conv2d, Dense, Sparse
from ir.envelope import check_envelope, worst_sums
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from sim_reference import simulate
from tests.strategies import Draw, cases


def network(weight, weight_exp=0, arithmetic="loihi1", **neuron):
    """One dense projection."""
    weight = np.atleast_2d(weight)
    lif = FixedLIF(**{"decay_v": 100, "v_threshold": 10, **neuron})
    return QuantizedNetwork(
        (Input("in", (weight.shape[1],)),),
        (FixedPopulation("a", (weight.shape[0],), lif),),
        (FixedProjection("in", "a", Dense(weight), weight_exp),),
        "a",
        arithmetic=arithmetic,
    )


def test_an_ordinary_network_is_inside():
    assert check_envelope(network([[254, -256, 2], [0, 0, 4]])) == ()
    assert check_envelope(network([[255, 3, 1]])) == ()
    assert check_envelope(network([[-255, -3, -1]])) == ()


@pytest.mark.parametrize(
    ("outside", "layer", "what", "number"),
    [
        (network([[3, -2, 5]]), "in -> a", "odd weights of mixed sign", 2),
        (network([[256, -2]]), "in -> a", "a weight lies outside -256..254", 256),
        (network([[300]]), "in -> a", "a weight lies outside 0..255", 300),
        (network([[4, 2]], weight_exp=-2), "in -> a", "weights lose bits to exponent -2", 1),
        (network([[2]], weight_exp=8), "in -> a", "weight exponent above 7", 8),
        (network([[2]], v_threshold=1 << 17), "a", "threshold above 131071", 1 << 17),
        (network([[2]], decay_v=4096), "a", "decay_v above 4095 does not fit the register", 1),
        (network([[2]], decay_u=0), "a", "decay_u of 0 does not exist", 1),
        (network([[2]], bias=4096), "a", "bias mantissa above 4095", 4096),
        (network([[2]], bias=1, bias_exp=8), "a", "bias_exp outside 0..7", 8),
    ],
)
def test_what_is_outside_is_named_with_its_number(outside, layer, what, number):
    finding = next(f for f in check_envelope(outside) if f.layer == layer and f.what.startswith(what))
    assert finding.number == number
    assert str(finding).startswith(f"{layer}: {what}")
    assert finding.remedy


SMALL = replace(
    find_chip("loihi1"),
    weight=IntFormat(-8, 7),
    threshold=IntFormat(0, 1000, 10),
    decay=IntFormat(0, 4000, 100),
    bias=IntFormat(-50, 100, 5),
    bias_exp_max=3,
    weight_exp=(0, 2),
)


@pytest.mark.parametrize(
    ("neuron", "weight", "weight_exp", "what"),
    [
        ({}, [[8, -8]], 0, "a weight lies outside -8..7"),
        ({}, [[1, 1]], 3, "weight exponent above 2"),
        ({"v_threshold": 1010}, [[1]], 0, "threshold above 1000"),
        ({"v_threshold": 15}, [[1]], 0, "thresholds that 10 does not divide"),
        ({"decay_v": 4010}, [[1]], 0, "decay_v above 4000"),
        ({"decay_v": 150}, [[1]], 0, "decay_v that 100 does not divide"),
        ({"decay_u": 4002}, [[1]], 0, "decay_u above 4001"),
        ({"bias": -55}, [[1]], 0, "bias outside -50..100"),
        ({"bias": 7}, [[1]], 0, "biases that 5 does not divide"),
        ({"bias": 5, "bias_exp": 4}, [[1]], 0, "bias_exp outside 0..3"),
    ],
)
def test_a_chips_own_formats_count(neuron, weight, weight_exp, what):
    assert check_envelope(network([[7, -8, 3]]), SMALL) == ()
    assert check_envelope(network(weight, weight_exp, **neuron), SMALL)[0].what.startswith(what)


@pytest.mark.parametrize(
    ("weight", "what"), [([[-2, 0]], "a weight lies outside 0..254"), ([[3, 2]], "weights that 2 does not divide")]
)
def test_a_step_of_2_is_no_signs_bit_where_there_is_one_sign(weight, what):
    unsigned = replace(find_chip("loihi1"), weight=IntFormat(0, 254, 2))
    assert check_envelope(network([[254, 0]]), unsigned) == ()
    assert check_envelope(network(weight), unsigned)[0].what == what


def test_integers_of_a_narrower_arithmetic_keep_its_edges_on_another_chip():
    wide = [[254] * 130]
    assert check_envelope(network(wide, arithmetic="loihi2"), find_chip("loihi2")) == ()
    own = check_envelope(network(wide, arithmetic="loihi1"), find_chip("loihi2"))[0]
    assert own.what == (
        "the summed drive may reach the accumulator's edge 2097152 in arithmetic 'loihi1', which the integers keep"
    )
    chips = check_envelope(network(wide, arithmetic="loihi2"), find_chip("loihi1"))[0]
    assert chips.what == "the summed drive may reach the accumulator's edge 2097152"


def test_the_worst_case_input_decides_about_overflow():
    just_inside, outside = [[254] * 129], [[254] * 130]
    assert check_envelope(network(just_inside)) == ()
    finding = check_envelope(network(outside))[0]
    assert finding.number == 254 * 130 << 6
    assert "accumulator" in finding.what
    assert check_envelope(network(outside), "lava") == ()
    assert check_envelope(network(just_inside), largest_count=2) != ()
    kept = check_envelope(network([[254] * 100], decay_u=400), "lava")
    assert "current" in kept[0].what


@pytest.mark.parametrize(
    "connection",
    [
        Dense(np.array([[1, -2], [3, 4]])),
        Sparse(np.array([0, 2, 4]), np.array([0, 1, 0, 1]), np.array([1, -2, 3, 4]), 2),
        Conv2d(np.array([[[[1, -2]]], [[[3, 4]]]]), (1, 1, 2)),
    ],
)
def test_worst_sums_take_each_sign_at_once(connection):
    assert worst_sums(connection).tolist() == [7, 2]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(Draw(extremes=True, asynchronous=False), layered=True))
def test_inside_the_envelope_no_sum_ever_reaches_an_edge(case):
    mapped, stimulus, schedule = case
    largest = int(np.abs(stimulus.frames).max(initial=1))
    findings = check_envelope(mapped.network, largest_count=largest)
    reached = simulate.run(mapped, stimulus, schedule).limits_reached
    if not any("edge" in f.what for f in findings):
        assert reached["int32"] == reached["accumulator"] == reached["u"] == 0


EXTREMES = Draw(extremes=True)
REPEATED = Draw(extremes=True, repeated=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.one_of(cases(EXTREMES), cases(REPEATED), cases(Draw(extremes=True, asynchronous=False), layered=True)))
def test_inside_the_envelope_of_the_frames_at_hand_no_sum_ever_reaches_an_edge(case):
    mapped, stimulus, schedule = case
    findings = check_envelope(replace(mapped.network, schedule=schedule), frames=stimulus.frames)
    reached = simulate.run(mapped, stimulus, schedule).limits_reached
    if not any("edge" in f.what for f in findings):
        assert reached["int32"] == reached["accumulator"] == reached["u"] == 0


def test_frames_bound_what_any_input_would_not():
    wide = network([[254] * 130 + [-256] * 130])
    assert "accumulator" in check_envelope(wide)[0].what
    frames = np.zeros((3, 2, 260), np.int32)
    frames[1, 0, :129] = 1
    assert check_envelope(wide, frames=frames) == ()
    frames[1, 0, :130] = 1
    finding = check_envelope(wide, frames=frames)[0]
    assert finding.number == 254 * 130 << 6


def test_negative_counts_swap_what_excites_and_what_inhibits():
    frames = np.full((1, 1, 260), -1, np.int32)
    frames[0, 0, :130] = 0
    finding = check_envelope(network([[254] * 130 + [-256] * 130]), frames=frames)[0]
    assert finding.number == 256 * 130 << 6


def test_a_perfect_integrator_reaches_no_further_than_its_time_steps():
    keeps = network([[254] * 10], arithmetic="lava", decay_u=0)
    frames = np.ones((50, 1, 10), np.int32)
    assert not any("edge" in f.what for f in check_envelope(keeps, frames=frames))
    assert any("edge" in f.what for f in check_envelope(keeps, frames=np.repeat(frames, 2, axis=0)))


def test_neurons_that_may_fire_again_count_as_often_as_they_can():
    chain = network([[254] * 100])
    again = FixedLIF(decay_v=100, v_threshold=10, refractory=False)
    populations = (replace(chain.populations[0], neuron=again), replace(chain.populations[0], name="b"))
    projections = (*chain.projections, FixedProjection("a", "b", Dense(np.array([[1 << 14]]))))
    for schedule, reaches in ((Schedule("layered"), False), (Schedule(stop_after=3), True), (Schedule(), True)):
        deep = replace(chain, populations=populations, projections=projections, schedule=schedule)
        assert any("edge" in f.what and f.layer == "b" for f in check_envelope(deep)) == reaches


def test_decays_are_those_of_the_chip_at_hand_or_of_all():
    """Loihi reaches 4096 by its offset bit, as its chip file says; Lava's processes take any decay."""
    forgetful = network([[2]], decay_v=4096)
    loihi1 = find_chip("loihi1")
    assert loihi1.decay.hi == 4096 and check_envelope(forgetful, loihi1) == ()
    short = replace(loihi1, decay=replace(loihi1.decay, hi=4095))
    assert "above 4095" in check_envelope(forgetful, short)[0].what
    assert check_envelope(network([[2]], decay_v=4096, decay_u=0), "lava") == ()


def test_the_lowest_byte_counts_as_much_as_the_same_number_in_a_larger_type():
    frames = np.full((2, 1, 3), -128, np.int8)
    edge = network([[254, 254, 254]], weight_exp=1)
    found = [[f.what for f in check_envelope(edge, frames=x)] for x in (frames, frames.astype(np.int32))]
    assert found[0] == found[1] and "accumulator" in found[0][0]
