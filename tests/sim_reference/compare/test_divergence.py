"""First divergence and statistics on traces written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.trace import Spikes, Trace, count_spikes
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.statistics import statistics

ROWS = [(7, 0, 0, 0, 100, 0), (7, 0, 1, 3, 90, 1), (7, 1, 0, 1, 80, 0), (2, 1, 1, 2, 70, 2)]


def trace(rows=ROWS, forward_steps=((2, 1), (2, 3)), v=None, **more):
    """Two samples, ids 7 and 2; populations hidden (2) and out (2); two time steps."""
    ids = np.array([7, 2])
    spikes = Spikes(*np.array(rows).reshape(-1, 6).T)
    fields = {
        "executor": "E2",
        "spikes": spikes,
        "counts": count_spikes(spikes, ids, 4),
        "states": {"v": np.zeros((2, 2, 4), int) if v is None else v},
        "forward_steps": np.array(forward_steps),
        "sample_ids": ids,
        "populations": (("hidden", 2), ("out", 2)),
        "output": "out",
        "labels": np.array([1, 1]),
        "core_of_neuron": np.array([0, 0, 5, 5]),
    }
    return Trace(**{**fields, **more})


def test_equal_traces_have_no_divergence():
    assert first_divergence(trace(), trace(ROWS[::-1])) is None


def test_a_missing_spike_is_named_with_its_address_and_both_membranes():
    v = np.zeros((2, 2, 4), int)
    v[0, 0, 3] = 12
    d = first_divergence(trace(), trace(ROWS[:1] + ROWS[2:], v=v))
    assert (d.what, d.sample, d.t, d.k, d.population, d.index, d.neuron) == ("spike", 7, 0, 1, "out", 1, 3)
    assert (d.a, d.b, d.core) == (90, 12, 5)
    assert str(d) == (
        "sample 7, time step 0, forward step 1: neuron 1 of 'out' (global 3) on core 5 spikes only in the first trace; "
        "membranes 90 and 12"
    )


def test_a_spike_that_comes_later_diverges_where_it_is_missing_first():
    moved = [ROWS[0], (7, 0, 0, 3, 90, 1), *ROWS[2:]]
    d = first_divergence(trace(), trace(moved))
    assert (d.what, d.t, d.k, d.neuron, d.spiked) == ("spike", 0, 0, 3, (False, True))


@pytest.mark.parametrize(("column", "what"), [(4, "m"), (5, "k_served")])
def test_differing_membranes_and_serving_rounds_are_told_apart(column, what):
    row = list(ROWS[1])
    row[column] = 55
    d = first_divergence(trace(), trace([ROWS[0], row, *ROWS[2:]]))
    assert (d.what, d.neuron, d.b) == (what, 3, 55)
    assert ("served in forward step 55 in the second trace" in str(d)) == (what == "k_served")


def test_samples_are_compared_in_batch_order_not_by_id():
    rows = [ROWS[0], ROWS[1], (7, 1, 0, 0, 80, 0)]
    assert first_divergence(trace(), trace(rows)).sample == 7


def test_membranes_and_forward_steps_differ_at_the_end_of_their_time_step():
    v = np.zeros((2, 2, 4), int)
    v[0, 0, 2] = 1
    d = first_divergence(trace(), trace(v=v))
    assert (d.what, d.t, d.k, d.population, d.index, d.a, d.b) == ("v", 0, 1, "out", 0, 0, 1)
    d = first_divergence(trace(), trace(forward_steps=((3, 1), (2, 3)), v=v))
    assert (d.what, d.t, d.a, d.b) == ("forward_steps", 0, 2, 3)
    assert "first trace has 2 forward steps" in str(d)


def test_traces_of_different_runs_are_refused():
    with pytest.raises(ValueError, match="different samples"):
        first_divergence(trace(), trace([], sample_ids=np.array([1, 2])))
    with pytest.raises(ValueError, match="only counted"):
        first_divergence(trace(), trace(spikes=None))


def test_statistics_follow_the_contract():
    s = statistics(trace())
    assert s.spikes == 4
    assert s.spikes_per_sample.tolist() == [3, 1]
    assert s.spikes_per_population["out"].tolist() == [1, 1]
    assert s.density == 4 / (4 * 2 * 2)
    assert s.forward_steps_per_time_step == 2
    assert s.decision.tolist() == [1, 0]
    assert s.accuracy == 0.5
    assert s.first_output.forward_steps.tolist() == [2, 3]
    assert s.first_output.spikes.tolist() == [2, 1]
    assert s.first_correct.forward_steps.tolist() == [2, -1]
    assert s.first_correct.spikes.tolist() == [2, -1]
    assert s.first_output.mean() == (2.5, 1.5)


def test_no_output_spike_is_counted_wrong_unless_membranes_decide():
    v = np.zeros((2, 2, 4), int)
    v[1, :, 3] = 5
    silent = trace(ROWS[:1], v=v)
    assert statistics(silent).readout == "membrane"
    assert statistics(silent).accuracy == 1
    counted = statistics(silent, readout="count")
    assert counted.decision.tolist() == [-1, -1]
    assert counted.accuracy == 0
    assert statistics(replace(silent, states={})).readout == "count"


def test_a_counting_trace_has_no_latency():
    s = statistics(trace(spikes=None))
    assert s.first_output is None and s.first_correct is None
