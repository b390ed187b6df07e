"""What becomes of each projection on stock Lava, and what is refused; no Lava needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Conv2d, Dense, Sparse
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from targets.lava import run
from targets.lava.neurons.lif import clears
from targets.lava.probe import Pipeline
from targets.lava.routes import plan_routes
from targets.lava.weights import WeightFormat, weight_format
from tests.targets.lava_cases import chain, counts

LAYERED = Schedule(kind="layered", F=None)
ONES = np.ones((1, 1, 4), np.int32)


def dense(pre: str, post: str, weight=2, shape=(4, 4), **more) -> FixedProjection:
    return FixedProjection(pre, post, Dense(np.full(shape, weight)), **more)


def network(*projections: FixedProjection, names=("a", "b", "c"), **neuron) -> QuantizedNetwork:
    populations = tuple(FixedPopulation(name, (4,), FixedLIF(**neuron)) for name in names)
    return QuantizedNetwork((Input("in", (4,)),), populations, projections, names[-1])


CHAIN = (dense("in", "a"), dense("a", "b"), dense("b", "c"))


def test_a_chain_needs_no_delays_and_no_gap():
    assert [(r.kind, r.late, int(r.delay.max()), r.look_back) for r in plan_routes(network(*CHAIN), ONES)] == [
        ("Dense", 0, 0, 0)
    ] * 3


def test_a_skip_is_delayed_by_the_places_it_skips():
    skip = plan_routes(network(*CHAIN, dense("a", "c")), ONES)[-1]
    assert skip.kind == "DelayDense" and skip.delay.tolist() == [1] * 4


def test_an_input_that_skips_is_held_back_at_its_source():
    skip = plan_routes(network(*CHAIN, dense("in", "c")), ONES)[-1]
    assert skip.kind == "Dense" and skip.late == 2


def test_recurrence_inside_a_layer_is_what_one_tick_a_hop_gives():
    loop = plan_routes(network(*CHAIN, dense("b", "b")), ONES)[-1]
    assert (loop.kind, int(loop.delay.max()), loop.look_back) == ("Dense", 0, 1)


def test_a_look_back_to_an_earlier_layer_is_refused_with_the_delay_that_would_do():
    with pytest.raises(ValueError, match=r"c -> a looks back.*arrive 2 ticks late; give it delay_steps of at least 2"):
        plan_routes(network(*CHAIN, dense("c", "a")), ONES)
    back = plan_routes(network(*CHAIN, dense("c", "a", delay_steps=2)), ONES)[-1]
    assert (back.kind, int(back.delay.max()), back.look_back) == ("Dense", 0, 3)


def test_delays_beyond_lavas_63_ticks_are_refused():
    with pytest.raises(ValueError, match="a -> b needs a delay of 64 ticks"):
        plan_routes(network(dense("in", "a"), dense("a", "b", delay_steps=64), names=("a", "b")), ONES)


def test_different_delays_with_a_lossy_shift_are_refused():
    delayed = dense("a", "b", weight=3, weight_exp=-1, delay_steps=np.array([0, 1, 2, 3]))
    with pytest.raises(ValueError, match="a -> b mixes delays and shifts its sum right by 1"):
        plan_routes(network(dense("in", "a"), delayed, names=("a", "b")), ONES)


def test_counts_other_than_0_and_1_need_message_bits():
    plans = [plan_routes(network(*CHAIN), ONES * count)[0].graded for count in (0, 1, 2, -1)]
    assert plans == [False, False, True, True]


@pytest.mark.parametrize(
    ("weights", "stored"),
    [
        ([0, 255], WeightFormat("EXCITATORY", 8)),
        ([-255, 0], WeightFormat("INHIBITORY", 8)),
        ([-256, 0], WeightFormat("MIXED", 8)),
        ([-4, 6], WeightFormat("MIXED", 8)),
        ([-3, 5], WeightFormat("MIXED", 9)),
        ([0, 0], WeightFormat("EXCITATORY", 8)),
    ],
)
def test_weights_are_stored_in_a_format_that_keeps_every_bit(weights, stored):
    assert weight_format(FixedProjection("a", "b", Dense(np.array([weights])))) == stored


def test_a_weight_lava_would_clip_is_refused_with_its_place():
    weight = np.zeros((2, 3), int)
    weight[1, 2] = 256
    with pytest.raises(ValueError, match=r"projection a -> b: weight 256 \(neuron 2 to neuron 1\) does not fit"):
        weight_format(FixedProjection("a", "b", Dense(weight)))


def conv_route(weight, exponent=0, count=1):
    conv = Conv2d(weight, (1, 2, 2))
    population = FixedPopulation("a", conv.out_shape)
    projection = FixedProjection("in", "a", conv, exponent)
    net = QuantizedNetwork((Input("in", (1, 2, 2)),), (population,), (projection,), "a")
    return plan_routes(net, ONES * count)[0]


def test_a_convolution_is_lavas_own_only_where_that_is_exact():
    assert conv_route(np.full((1, 1, 2, 2), 3)).kind == "Conv"
    assert conv_route(np.full((1, 1, 2, 2), 4), exponent=-2).kind == "Conv"
    assert conv_route(np.full((1, 1, 2, 2), 3), exponent=-1).kind == "Sparse"
    assert conv_route(np.full((1, 1, 2, 2), 255), count=1 << 14).kind == "Sparse"


def test_listed_synapses_are_lavas_sparse_and_with_delays_its_delay_sparse():
    listed = Sparse(np.array([0, 1, 1, 2, 2]), np.array([0, 3]), np.array([5, -5]), 4)
    kinds = [
        plan_routes(network(dense("in", "a"), FixedProjection("a", "b", listed, 0, d), names=("a", "b")), ONES)[1].kind
        for d in (0, 1)
    ]
    assert kinds == ["Sparse", "DelaySparse"]


def test_each_place_sees_each_frame_one_tick_after_the_place_before():
    line = Pipeline(n_samples=2, n_steps=2, gap=1, depth=2)
    assert line.n_ticks == 7
    assert line.rows(0).tolist() == [0, 1, -1, 2, 3, -1, -1]
    assert line.rows(2).tolist() == [-1, -1, 0, 1, -1, 2, 3]
    assert not clears(line.rows(0), 2, FixedLIF()).any()
    even = FixedLIF(reset_interval=2)
    assert clears(line.rows(0), 2, even).tolist() == [False, True, False, False, True, False, False]
    after_three = clears(line.rows(0), 2, even, t0=3, past=1)
    assert after_three.tolist() == [False, True, False, False, True, False, False]


@pytest.mark.parametrize(
    ("change", "schedule", "sentence"),
    [
        ({"reset": "subtract", "refractory": False}, Schedule(F=1), "resets by subtraction"),
        ({"bias": 40_000}, LAYERED, "bias 40000 << 0 of population 'p0' does not fit"),
    ],
)
def test_what_lava_cannot_run_is_refused_before_anything_starts(change, schedule, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(chain(4, 3, **change), counts(2, 1, 4), schedule)


def test_a_stimulus_that_does_not_fit_is_refused():
    for stimulus, sentence in (
        (counts(2, 1, 5), "stimulus has 5 inputs, the network 4"),
        (Stimulus(np.ones((1, 1, 4)) / 3), "holds floats"),
    ):
        with pytest.raises(ValueError, match=sentence):
            run(chain(4, 3), stimulus, LAYERED)
    negative = Stimulus(-np.ones((1, 1, 4), int))
    with pytest.raises(ValueError, match="negative counts"):
        run(chain(4, 3), negative, Schedule(input="queued"))


def test_delays_and_endless_rounds_are_refused_asynchronously():
    net = network(*CHAIN[:1], dense("a", "b", delay_steps=1), names=("a", "b"))
    with pytest.raises(ValueError, match="a -> b has delays"):
        run(net, counts(1, 1, 4), Schedule())
    endless = network(dense("in", "a"), dense("a", "a"), names=("a",), refractory=False)
    with pytest.raises(ValueError, match="no refractoriness in a network with cycles"):
        run(endless, counts(1, 1, 4), Schedule())
    with pytest.raises(ValueError, match="leave process_per_core out"):
        run(chain(4, 3), counts(1, 1, 4), replace(LAYERED), process_per_core=True)
