"""Between floats and the integers made of them every part of the rounding is switched back, and nothing is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import unlayered as ul
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from unlayered.causes.lift import as_exponential, lifted, scaled
from unlayered.causes.setup import KINDS
from unlayered.causes.value import Diff, Remedy


@pytest.fixture(scope="module")
def floats() -> Network:
    """40 inputs, 24 and 6 neurons with slow membranes and a bias, of unlike scales."""
    rng = np.random.default_rng(3)
    first = LIF(tau_mem_s=8e-3, v_threshold=1.0, bias=rng.normal(0, 0.05, 24))
    second = LIF(tau_mem_s=5e-3, v_threshold=0.4)
    return Network(
        (Input("in", (40,)),),
        (Population("hidden", (24,), first), Population("out", (6,), second)),
        (
            Projection("in", "hidden", Dense(rng.normal(0.06, 0.2, (24, 40)))),
            Projection("hidden", "out", Dense(rng.normal(0.02, 0.11, (6, 24)))),
        ),
        "out",
        schedule=Schedule(F=2, order="momentum"),
    )


@pytest.fixture(scope="module")
def frames() -> Stimulus:
    rng = np.random.default_rng(4)
    return Stimulus((rng.random((10, 40, 40)) < 0.3).astype(np.int8), labels=rng.integers(0, 6, 40))


def test_every_kind_of_rounding_is_tried_and_nothing_is_left(floats, frames):
    diff = ul.diff(floats, quantize(floats, find_chip("loihi2"), 3), frames)
    assert isinstance(diff, Diff) and diff.executors == ("E0", "E2") and diff.differs
    kinds = {x.kind for x in diff.tried}
    assert {"registers", "weights", "saturation", "threshold", "decay", "bias", "order"} <= kinds <= set(KINDS)
    assert diff.causes[0].kind == "weights" and diff.causes[0].effect > 0.3
    assert diff.left == pytest.approx(0, abs=0.01)
    together = [x.together for x in diff.tried if x.together is not None]
    assert together[-1] == pytest.approx(1, abs=0.01)


def test_thresholds_alone_are_named_where_thresholds_alone_were_moved(floats, frames):
    fixed = quantize(floats, find_chip("loihi2"), 8)
    p = fixed.populations[0]
    moved = replace(p, neuron=replace(p.neuron, v_threshold=np.asarray(p.neuron.v_threshold) * 7 // 10))
    diff = ul.diff(floats, replace(fixed, populations=(moved, *fixed.populations[1:])), frames)
    first = diff.causes[0]
    assert (first.kind, first.population) == ("threshold", "hidden") and first.effect > 0.5


def test_a_dropped_synapse_is_told_from_a_rounded_one(floats, frames):
    fixed = quantize(floats, find_chip("loihi2"), 8)
    weight = np.array(fixed.projections[0].connection.weight)
    weight[:, 5] = 0
    pruned = replace(fixed, projections=(replace(fixed.projections[0], connection=Dense(weight)), fixed.projections[1]))
    diff = ul.diff(floats, pruned, frames)
    assert (diff.causes[0].kind, diff.causes[0].population) == ("synapses", "hidden")


def test_numbers_that_come_in_other_units_compute_the_same(floats, frames):
    plain = ul.run(floats, frames, Schedule("layered"))
    other = scaled(as_exponential(floats), {"hidden": 64.0, "out": 0.25})
    assert ul.diff(plain, ul.run(other, frames, Schedule("layered"))).difference.differing == 0


def test_lifted_integers_compute_what_the_integers_do_up_to_the_leak(floats, frames):
    fixed = quantize(replace(floats, dt_s=10.0), find_chip("loihi2"), 8)  # no memory: no leak rounds
    a, b = ul.run(fixed, frames, Schedule("layered")), ul.run(lifted(fixed), frames, Schedule("layered"))
    assert a.executor == "E2" and b.executor == "E0" and ul.diff(b, a).difference.differing == 0


def test_floats_and_a_trace_of_a_chip_are_brought_together_by_the_width_that_comes_nearest(floats, frames):
    trace = ul.run(quantize(floats, find_chip("loihi2"), 4), frames)
    diff = ul.diff(floats, trace, frames)
    assert any("taken as 4-bit integers of Intel Loihi" in note for note in diff.notes)
    assert any("spike for spike" in note for note in diff.notes) and diff.left == pytest.approx(0, abs=0.01)


def test_what_cannot_be_tried_is_said(floats, frames):
    fixed = quantize(floats, find_chip("loihi2"), 4)
    assert "give the floats first" in ul.diff(fixed, floats, frames).notes[0]
    a, b = ul.run(floats, frames), ul.run(fixed, frames)
    assert "no network is given on either side" in ul.diff(a, b).notes[0]
    other = ul.run(floats, frames, replace(floats.schedule, F=1))
    assert "both are floats" in ul.diff(floats, other, frames).notes[0]
    with pytest.raises(ValueError, match="a is a network and needs samples to run on"):
        ul.diff(floats, fixed)


def test_a_diff_prints_in_ten_lines_with_a_picture(floats, frames):
    diff = ul.diff(floats, quantize(floats, find_chip("loihi2"), 3), frames)
    lines = repr(diff).splitlines()
    assert len(lines) <= 10 and max(map(len, lines)) <= 120 and "cause: weights" in repr(diff)
    assert diff.first is not None and " ".join(f"first: {diff.first}".split()) in " ".join(repr(diff).split())
    assert "<svg" in diff._repr_html_() and "share explained" in diff._repr_html_()
    equal = ul.diff(floats, floats, frames)
    assert "  equal" in repr(equal) and "<svg" in equal._repr_html_()


def test_a_diff_that_has_much_to_say_keeps_its_first_event_whole(floats, frames):
    diff = ul.diff(floats, quantize(floats, find_chip("loihi2"), 3), frames)
    assert diff.first is not None
    first = replace(
        diff.first, sample=10**8, t=99_999, k=12_345, neuron=7_654_321, core=1_234, a=-1.2345678901234567e-5
    )
    remedy = Remedy("unlayered map", "what " * 12, (0.9, 0.8, 0.85), 0.5, 100, (0.9, 0.8, 0.85), 50, 1.0)
    long = replace(diff, names=("a" * 300, "b" * 300), first=first, remedies=(remedy,))
    lines = repr(long).splitlines()
    assert len(lines) <= 10 and max(map(len, lines)) <= 120
    told = " ".join(repr(long).split())
    assert str(first) in told and "0.800 -> 0.850" in told and "cause" in told
