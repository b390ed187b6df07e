"""The judge itself: alone, and right on what can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ir.connection import Conv2d, Dense, Sparse
from ir.mapped import one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.graph import depths, wiring, write_out
from tests.judge.numbers import Edges, key, leak, shift
from tests.judge.refusals import Refused
from tests.judge.simulator import run
from tests.test_architecture import imports

ALLOWED = (
    "ir.connection",
    "ir.mapped",
    "ir.neurons",
    "ir.quantized",
    "ir.schedule",
    "ir.stimulus",
    "ir.trace",
    "tests.judge",
)


def test_the_judge_imports_values_and_no_code_of_any_executor():
    files = [p for p in Path(__file__).parent.glob("*.py") if not p.name.startswith("test_")]
    ours = {
        n
        for p in files
        for n in imports(p)
        if n.split(".")[0] in {"ir", "trainer", "sim_reference", "targets", "tests"}
    }
    assert {n for n in ours if not n.startswith(ALLOWED)} == set()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ((0, 0, 0, 0, 0), 0x78AE5A9A6B5FD45E),
        ((1, 2, 3, 4, 5), 0x141EA6A5B8259323),
        ((0, 0, 0, -1, 7), 0xF111BFF7C7BF638E),
        ((123456789, 59999, 9, 31, 201), 0xC532D483A5775306),
        ((9223372036854775808, 1, 0, 0, 1), 0x73ADF289FA4ED7FC),
    ],
)
def test_keys_are_those_of_the_page(address, expected):
    assert key(*address) == expected


def test_numbers_round_as_the_page_says():
    assert [leak(x, 1) for x in (4095, -4095, 1, -1)] == [4094, -4094, 0, 0]
    assert [shift(-1, -1), shift(3, -1), shift(-3, 4)] == [-1, 1, -48]
    lava, loihi1 = Edges("lava"), Edges("loihi1")
    assert [lava.u(1 << 23), lava.u((1 << 23) + 1), lava.u(-(1 << 23))] == [1 << 23, (1 << 23) + 1 - (1 << 24), 1 << 23]
    assert [loihi1.u(1 << 23), loihi1.accumulator(1 << 21)] == [-(1 << 23), -(1 << 21)]
    assert lava.int32(1 << 31, "p") == -(1 << 31) and lava.places == {"p": 1}
    assert lava.v(1 << 23, None) == (1 << 23) - 1 and lava.v(-5, -3) == -3
    assert lava.reached == {"u": 2, "int32": 1, "v": 2}


def test_a_convolution_that_differs_by_axis_is_written_out_synapse_by_synapse():
    weight = np.arange(1, 5).reshape(2, 1, 1, 2)
    conv = Conv2d(weight, (2, 2, 3), stride=(1, 2), padding=(0, 1), dilation=(1, 2), groups=2)
    assert conv.out_shape == (2, 2, 2)
    found = write_out(conv)
    assert found[:3] == [[], [(0, 2), (1, 1)], []]  # output columns 0 and 1 look at columns -1, 1 and 1, 3
    assert found[6:9] == [[], [(4, 4), (5, 3)], []]


def test_a_source_named_twice_has_two_synapses():
    assert write_out(Sparse(np.array([0, 3]), np.array([1, 0, 1]), np.array([5, 7, 5]), 2)) == [
        [(0, 7)],
        [(0, 5), (0, 5)],
    ]


def network(populations: dict[str, FixedLIF], edges: list[tuple[str, str, int]], arithmetic="lava", output=None):
    """One neuron a population, one input ``in``; edges of (pre, post, weight)."""
    return QuantizedNetwork(
        (Input("in", (1,)),),
        tuple(FixedPopulation(name, (1,), lif) for name, lif in populations.items()),
        tuple(FixedProjection(pre, post, Dense(np.array([[weight]]))) for pre, post, weight in edges),
        output or list(populations)[-1],
        arithmetic=arithmetic,
    )


def verdict(net, schedule, frames=(1,)):
    stimulus = Stimulus(np.array(frames, np.int32).reshape(-1, 1, net.n_inputs))
    return run(one_large_core(net), stimulus, schedule)


FIRES = FixedLIF(decay_v=0, v_threshold=1)


def test_a_chain_ends_with_its_last_entry_that_has_a_target():
    chain = network({"a": FIRES, "b": FIRES}, [("in", "a", 2), ("a", "b", 3)])
    found = verdict(chain, Schedule(F=1))
    assert found.spikes == [(0, 0, 0, 0, 128, 0), (0, 0, 1, 1, 192, 1)]
    assert found.forward_steps == [[2]] and found.v == [[[0, 0]]]


def test_charge_before_its_depth_enters_once_with_the_current():
    """``early`` fires without input at k = 0, its weight reaches ``late`` at k = 1 before late's depth 2."""
    deep = FixedLIF(decay_v=0, v_threshold=None, decay_u=0)
    early = FixedLIF(decay_v=0, v_threshold=0, bias=1)
    populations = {"early": early, "a": FIRES, "b": FIRES, "late": deep}
    edges = [("in", "a", 2), ("a", "b", 2), ("b", "late", 5), ("early", "late", 7)]
    found = verdict(network(populations, edges), Schedule(F=None))
    assert found.u[0][0][3] == 64 * 12
    assert found.v == [[[0, 0, 0, 64 * 12]]]
    late = verdict(network(populations, edges[:3] + [("early", "b", 0), ("b", "late", 1)]), Schedule(F=None))
    assert late.v[0][0][3] == 64 * 6 and late.forward_steps == [[3]]


def test_a_bias_waits_for_its_depth_and_one_that_shifts_to_nothing_is_none():
    for bias_exp, rounds, v in ((0, 2, 1), (-1, 1, 0)):
        late = FixedLIF(decay_v=0, v_threshold=None, bias=1, bias_exp=bias_exp)
        found = verdict(network({"a": FIRES, "b": late}, [("in", "a", 0), ("a", "b", 2)]), Schedule())
        assert (found.forward_steps, found.v) == ([[rounds]], [[[0, v]]])


def test_what_reaches_a_refractory_neuron_is_lost_and_only_one_without_refractoriness_fires_again():
    for refractory, spikes in ((True, 1), (False, 3)):
        again = FixedLIF(decay_v=0, v_threshold=1, refractory=refractory)
        found = verdict(network({"a": again}, [("in", "a", 2)]), Schedule(input="paced", R=1), [3])
        assert len(found.spikes) == spikes and found.forward_steps == [[3]]


def test_an_entry_of_an_output_takes_a_place_and_what_waits_without_a_target_is_dropped():
    edges = [("in", "out", 9), ("in", "a", 2), ("a", "b", 2)]
    populations = {"out": FIRES, "a": FIRES, "b": FIRES}
    found = verdict(network(populations, edges, output="out"), Schedule(F=1, order="momentum"))
    assert found.spikes == [(0, 0, 0, 0, 576, 0), (0, 0, 0, 1, 128, 1), (0, 0, 2, 2, 128, 2)]
    stopped = verdict(network(populations, edges, output="out"), Schedule(F=1, stop_after_output=0))
    assert [row[5] for row in stopped.spikes] == [-1, -1] and stopped.forward_steps == [[1]]


def test_of_a_cycle_only_the_edge_into_what_was_declared_before_looks_back():
    loop = network({"b": FIRES, "a": FIRES, "c": FIRES}, [("in", "a", 2), ("a", "b", 2), ("b", "a", 0), ("c", "b", 1)])
    wires = wiring(loop)
    assert wires.looks_back == [False, True, False, False] and wires.has_cycle
    assert wires.place == {"b": 1, "a": 2, "c": 0} and depths(loop) == {"a": 0, "b": 1, "c": 0}
    found = verdict(loop, Schedule(kind="layered", F=None), [1, 0])
    assert [row[:4] for row in found.spikes] == [(0, 0, 2, 1), (0, 1, 1, 0)]


def test_a_layered_delay_counts_from_the_time_step_of_the_spike():
    late = FixedProjection("in", "a", Dense(np.array([[2]])), delay_steps=2)
    net = QuantizedNetwork((Input("in", (1,)),), (FixedPopulation("a", (1,), FIRES),), (late,), "a")
    assert [row[1] for row in verdict(net, Schedule(kind="layered", F=None), [1, 1, 0, 0, 0]).spikes] == [2, 3]


@pytest.mark.parametrize(
    ("net", "schedule", "frames", "rule"),
    [
        (network({"a": FixedLIF(reset="subtract", refractory=False)}, []), Schedule(), [1], "reset"),
        (network({"a": FixedLIF(refractory=False)}, [("a", "a", 1)]), Schedule(), [1], "endless"),
        (network({"a": FIRES}, [("in", "a", 1)]), Schedule(input="paced", R=1), [-1], "negative counts"),
        (network({"a": FIRES}, [("in", "a", (1 << 31) - 1)]), Schedule(), [(1 << 22) + 1], "inexact"),
    ],
)
def test_what_has_no_meaning_is_refused(net, schedule, frames, rule):
    with pytest.raises(Refused, match=rule):
        verdict(net, schedule, frames)


def test_the_last_exact_sum_runs():
    assert verdict(network({"a": FIRES}, [("in", "a", 1 << 30)]), Schedule(), [1 << 23]).spikes == []
