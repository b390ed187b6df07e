"""Small networks whose every spike can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.connection import Dense
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule, key
from ir.stimulus import Stimulus
from sim_reference import simulate

LAYERED = Schedule(kind="layered", F=None)


def one_population(weight, arithmetic="lava", **neuron):
    """Inputs into one population without leak."""
    weight = np.atleast_2d(weight)
    return QuantizedNetwork(
        (Input("in", (weight.shape[1],)),),
        (FixedPopulation("a", (weight.shape[0],), FixedLIF(**{"decay_v": 0, "v_threshold": 10, **neuron})),),
        (FixedProjection("in", "a", Dense(weight)),),
        "a",
        arithmetic=arithmetic,
    )


def chain(*weights, **neuron):
    """Populations p0, p1, ... one after the other."""
    weights = [np.atleast_2d(w) for w in weights]
    names = ["in", *(f"p{i}" for i in range(len(weights)))]
    lif = FixedLIF(**{"decay_v": 0, "v_threshold": 10, **neuron})
    return QuantizedNetwork(
        (Input("in", (weights[0].shape[1],)),),
        tuple(FixedPopulation(n, (w.shape[0],), lif) for n, w in zip(names[1:], weights)),
        tuple(FixedProjection(a, b, Dense(w)) for a, b, w in zip(names, names[1:], weights)),
        names[-1],
    )


def heard(network):
    """The same with a listener behind the output: what the output sends is on its way until it is served."""
    sizes = {p.name: p.n for p in network.populations}
    listener = FixedPopulation("listener", (1,), FixedLIF(v_threshold=None))
    edge = FixedProjection(network.output, "listener", Dense(np.zeros((1, sizes[network.output]), int)))
    return replace(network, populations=(*network.populations, listener), projections=(*network.projections, edge))


def frames(*rows):
    """One sample."""
    return Stimulus(np.array(rows)[:, None])


def test_a_neuron_spikes_strictly_above_its_threshold_and_loses_the_rest():
    trace = simulate.run(one_population([[10], [11]]), frames([1], [0]), LAYERED)
    assert trace.spikes.neuron.tolist() == [1]
    assert trace.spikes.m.tolist() == [11 << 6]
    assert trace.v[:, 0].tolist() == [[640, 0], [640, 0]]


def test_the_membrane_leaks_toward_zero_once_a_time_step():
    network = one_population([[3], [-3]], decay_v=1024, v_threshold=None)
    trace = simulate.run(network, frames([1], [0]), Schedule())
    assert trace.v[:, 0].tolist() == [[192, -192], [144, -144]]
    odd = simulate.run(one_population([[1], [-1]], decay_v=1, v_threshold=None), frames([1], [0]), Schedule())
    assert odd.v[1, 0].tolist() == [63, -63]


@pytest.mark.parametrize(("order", "first"), [("momentum", 2), ("fifo", 0)])
def test_the_order_rule_decides_who_is_served_first(order, first):
    trace = simulate.run(heard(one_population([[11], [12], [13]])), frames([1]), Schedule(F=1, order=order))
    assert trace.spikes.k_served[first] == 0
    assert sorted(trace.spikes.k_served) == [0, 1, 2]
    assert trace.forward_steps.tolist() == [[4]]


def test_random_order_serves_the_smallest_key_and_redraws_every_round():
    trace = simulate.run(heard(one_population([[11]] * 4)), frames([1]), Schedule(F=1, order="random", seed=5))
    left = [0, 1, 2, 3]
    for k in range(4):
        best = min(left, key=lambda i: int(key(5, 0, 0, k, i)))
        assert trace.spikes.k_served[best] == k
        left.remove(best)


def test_a_waiting_spike_lets_a_later_input_change_what_fires():
    network = chain([[11], [11]], [[20, -20]])
    assert simulate.run(network, frames([1]), Schedule(F=None)).counts.tolist() == [[1, 1, 0]]
    assert simulate.run(network, frames([1]), Schedule(F=1, order="fifo")).counts.tolist() == [[1, 1, 1]]


def test_charge_that_reaches_a_refractory_neuron_is_lost():
    trace = simulate.run(one_population([11]), frames([5]), Schedule(input="paced", R=1))
    assert trace.counts.tolist() == [[1]]
    assert trace.v.tolist() == [[[0]]]
    assert trace.forward_steps.tolist() == [[5]]


def test_without_refractoriness_it_fires_again_and_its_entry_delivers_both_spikes():
    network = chain([11, 0], [4], refractory=False)
    stimulus = frames([3, 0])
    trace = simulate.run(network, stimulus, Schedule(input="paced", R=1, F=1))
    assert trace.counts.tolist() == [[3, 1]]
    assert trace.v[0, 0, 1] == 0


def test_paced_events_arrive_by_time_stamp_and_queued_events_take_places():
    weight = [[11, 0], [0, 11]]
    events = np.array([[0, 0, 5, 0], [0, 0, 1, 1]])
    stimulus = Stimulus(np.ones((1, 1, 2), int), events=events)
    paced = simulate.run(one_population(weight), stimulus, Schedule(input="paced", R=1, F=None))
    assert dict(zip(paced.spikes.neuron.tolist(), paced.spikes.k.tolist())) == {1: 0, 0: 1}
    queued = simulate.run(heard(one_population(weight)), stimulus, Schedule(input="queued", F=1, order="fifo"))
    assert dict(zip(queued.spikes.neuron.tolist(), queued.spikes.k.tolist())) == {1: 0, 0: 1}
    assert dict(zip(queued.spikes.neuron.tolist(), queued.spikes.k_served.tolist())) == {1: 1, 0: 2}


def test_a_bias_arrives_at_its_depth_also_in_empty_frames():
    network = chain([[20]], [[20]], bias=11, bias_exp=6)
    trace = simulate.run(network, frames([0]), Schedule())
    assert list(zip(trace.spikes.neuron.tolist(), trace.spikes.k.tolist())) == [(0, 0), (1, 1)]
    assert trace.spikes.m.tolist() == [11 << 6, 31 << 6]


def test_a_kept_current_arrives_once_a_time_step():
    network = one_population([4], decay_u=2048, v_threshold=None)
    for schedule in (LAYERED, Schedule()):
        trace = simulate.run(network, frames([1], [0], [0]), schedule, record=("v", "u"))
        assert trace.u[:, 0, 0].tolist() == [256, 128, 64]
        assert trace.v[:, 0, 0].tolist() == [256, 384, 448]


def test_a_stopping_round_serves_nothing_and_the_queue_is_dropped():
    network = chain([[11]] * 3, [[11] * 3])
    trace = simulate.run(network, frames([1], [0]), Schedule(F=1, stop_after=2))
    assert trace.forward_steps.tolist() == [[2], [1]]
    assert sorted(trace.spikes.k_served.tolist()) == [-1, -1, -1, 0]
    after = simulate.run(network, frames([1]), Schedule(F=1, stop_after_output=0))
    assert after.forward_steps.tolist() == [[2]]
    assert after.spikes.k[after.spikes.neuron == 3].tolist() == [1]


def test_the_last_inhibitory_wave_is_delivered():
    trace = simulate.run(chain([[11]], [[-5]]), frames([1]), Schedule())
    assert trace.v[0, 0].tolist() == [0, -5 << 6]


def test_each_core_serves_its_own_group():
    network = heard(one_population([[11]] * 4))
    mapped = MappedNetwork(network, None, [0, 0, 1, 1, 1], (Core(0), Core(1, x=1)))
    trace = simulate.run(mapped, frames([1]), Schedule(F=1, order="fifo", scope="core"))
    assert trace.spikes.k_served.tolist() == [0, 1, 0, 1]


def test_layered_delays_resets_and_recurrent_edges():
    projections = (
        FixedProjection("in", "a", Dense(np.array([[11, 11]])), delay_steps=[0, 2]),
        FixedProjection("a", "a", Dense(np.array([[3]]))),
    )
    population = FixedPopulation("a", (1,), FixedLIF(decay_v=0, v_threshold=10))
    network = QuantizedNetwork((Input("in", (2,)),), (population,), projections, "a")
    trace = simulate.run(network, frames([1, 1], [0, 0], [0, 0], [0, 0]), LAYERED)
    assert trace.spikes.t.tolist() == [0, 2]
    assert trace.v[:, 0, 0].tolist() == [0, 3 << 6, 0, 3 << 6]
    subtracting = one_population([25], reset="subtract")
    assert simulate.run(subtracting, frames([1], [0], [0]), LAYERED).v[:, 0, 0].tolist() == [15 << 6, 5 << 6, 5 << 6]
    resetting = one_population([4], reset_interval=2, reset_offset=1)
    assert simulate.run(resetting, frames([1], [1], [1]), LAYERED).v[:, 0, 0].tolist() == [256, 512, 256]


def test_weight_exponents_shift_the_sum_and_right_shifts_floor():
    for exponent, expected in ((2, 12), (-1, 1), (-2, 0)):
        network = one_population([3], v_threshold=None)
        edge = FixedProjection("in", "a", Dense(np.array([[3]])), exponent)
        shifted = QuantizedNetwork(network.inputs, network.populations, (edge,), "a")
        assert simulate.run(shifted, frames([1]), LAYERED).v[0, 0, 0] == expected << 6
        assert (
            simulate.run(shifted, frames([-1]), LAYERED).v[0, 0, 0]
            == (-3 * 4 if exponent == 2 else -3 >> -exponent) << 6
        )


def test_reached_limits_are_counted_and_differ_between_profiles():
    big = 1 << 16
    stimulus = frames([1])
    lava = simulate.run(one_population([big], v_threshold=None), stimulus, LAYERED)
    assert lava.limits_reached == {"int32": 0, "accumulator": 0, "u": 0, "v": 0}
    assert lava.v[0, 0, 0] == big << 6
    loihi1 = simulate.run(one_population([big], "loihi1", v_threshold=None), stimulus, LAYERED)
    assert loihi1.limits_reached == {"int32": 0, "accumulator": 1, "u": 0, "v": 0}
    held = simulate.run(one_population([big], v_threshold=None), frames([1], [1], [1]), LAYERED)
    assert held.limits_reached["v"] == 2
    assert held.v[2, 0, 0] == (1 << 23) - 1
    wrapped = simulate.run(one_population([3 * big], v_threshold=None), stimulus, LAYERED, record=("v", "u"))
    assert wrapped.limits_reached["u"] == 1
    assert wrapped.u[0, 0, 0] == (3 * big << 6) - (1 << 24)


def test_what_a_schedule_does_not_define_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="resets by subtraction"):
        simulate.run(one_population([1], reset="subtract", refractory=False), frames([1]), Schedule())
    with pytest.raises(ValueError, match="stimulus has 2 inputs, the network 1"):
        simulate.run(one_population([1]), frames([1, 1]), LAYERED)
    with pytest.raises(ValueError, match="negative counts"):
        simulate.run(one_population([1]), frames([-1]), Schedule(input="paced", R=1))
    with pytest.raises(ValueError, match="whole counts"):
        simulate.run(one_population([1]), frames([0.5]), LAYERED)


def test_progress_counts_samples():
    seen = []
    stimulus = Stimulus(np.ones((1, 3, 1), int))
    simulate.run(one_population([1]), stimulus, LAYERED, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_asynchronous_subtraction_waits_for_its_depth_and_keeps_later_charge():
    """``early`` fires by its bias at k = 0 and reaches ``a`` (depth 1) before its own input does."""
    fires, sums = FixedLIF(decay_v=0, v_threshold=1, bias=2, bias_exp=6), FixedLIF(0, 10, reset="subtract")
    net = QuantizedNetwork(
        (Input("in", (1,)),),
        (FixedPopulation("early", (1,), fires), FixedPopulation("mid", (1,), FixedLIF(0, 1)),
         FixedPopulation("a", (1,), sums)),
        (FixedProjection("early", "a", Dense(np.array([[25]]))), FixedProjection("in", "mid", Dense(np.array([[5]]))),
         FixedProjection("mid", "a", Dense(np.array([[4]])))),
        "a",
    )  # fmt: skip
    trace = simulate.run(net, frames([1], [0]), Schedule(F=None))
    spikes = trace.spikes
    rows = [(t, k, m) for t, k, neuron, m in zip(spikes.t, spikes.k, spikes.neuron, spikes.m) if neuron == 2]
    assert rows == [(0, 1, 29 << 6), (1, 1, 44 << 6)]
    assert trace.v[:, 0, 2].tolist() == [19 << 6, 34 << 6]


def test_a_membrane_left_above_the_threshold_fires_again_without_input():
    net = one_population([25], reset="subtract", v_threshold=10)
    trace = simulate.run(net, frames([1], [0], [0]), Schedule(F=1))
    assert trace.spikes.t.tolist() == [0, 1] and trace.v[:, 0, 0].tolist() == [15 << 6, 5 << 6, 5 << 6]
