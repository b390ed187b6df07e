"""Runs that are apart are measured: counts, rates, correlation, van Rossum's distance, flipped decisions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.schedule import Schedule
from ir.trace import Spikes, Trace, count_spikes
from sim_reference.compare.difference import correlation, difference, differing_spikes
from sim_reference.simulate import run

SIZES = (("hidden", 3), ("out", 2))


def trace(rows: list[tuple[int, int, int]], n_samples: int = 2, n_steps: int = 8, k: int = 0) -> Trace:
    """A run whose spikes are rows of (sample, time step, neuron)."""
    table = np.array(sorted(set(rows)), np.int64).reshape(-1, 3)
    zero = np.zeros(len(table), np.int64)
    spikes = Spikes(table[:, 0], table[:, 1], zero + k, table[:, 2], zero, zero - 1)
    ids = np.arange(n_samples)
    counts = count_spikes(spikes, ids, 5)
    steps = np.full((n_steps, n_samples), k + 1)
    return Trace("E2", spikes, counts, {}, steps, ids, SIZES, "out", labels=np.array([0, 1]))


def integral(x: np.ndarray, y: np.ndarray, tau: float) -> float:
    """Van Rossum's definition: 1/tau of the integral of the squared difference of the filtered trains."""
    fine, after = 400, int(30 * tau)
    s = np.arange((len(x) + after) * fine) / fine
    filtered = sum((a - b) * np.where(s >= t, np.exp(-(s - t) / tau), 0) for t, (a, b) in enumerate(zip(x, y)))
    return float(np.sqrt((filtered**2).sum() / fine / tau))


rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 7), st.integers(0, 4)), max_size=30)


@given(rows, rows, st.sampled_from([0.7, 2.0, 5.0]))
def test_the_closed_form_is_van_rossums_integral(a, b, tau):
    found = difference(trace(a), trace(b), tau)
    for p, start in zip(found.populations, (0, 3)):
        for i in range(p.n):
            trains = np.zeros((2, 2, 8))
            for which, chosen in enumerate((a, b)):
                for sample, t, neuron in set(chosen):
                    trains[which, sample, t] += neuron == start + i
            wanted = np.mean([integral(trains[0, s], trains[1, s], tau) for s in (0, 1)])
            assert p.van_rossum_of_neuron[i] == pytest.approx(wanted, abs=0.01)


def test_one_spike_too_many_alone_is_the_root_of_a_half():
    found = difference(trace([]), trace([(0, 3, 1)]))
    assert found.populations[0].van_rossum_of_neuron.tolist() == pytest.approx([0, np.sqrt(0.5) / 2, 0])


@given(rows, rows)
def test_counts_and_rates_are_those_of_the_spikes(a, b):
    one, other = trace(a), trace(b)
    found = difference(one, other)
    assert found.differing == len(set(a) ^ set(b)) == differing_spikes(one, other)
    assert [p.spikes for p in found.populations] == [
        (int(one.counts[:, at].sum()), int(other.counts[:, at].sum())) for at in (slice(0, 3), slice(3, 5))
    ]
    for p in found.populations:
        assert p.count_difference.sum() == p.spikes[1] - p.spikes[0]
        if p.spikes[0]:
            assert p.rate_error == pytest.approx(p.spikes[1] / p.spikes[0] - 1)


def test_equal_runs_are_nothing_apart():
    found = difference(trace([(0, 1, 2), (1, 2, 4)]), trace([(0, 1, 2), (1, 2, 4)]))
    assert found.differing == 0 and found.rate_error == 0 and not len(found.flips)
    assert all(p.correlation == 1 and p.van_rossum == 0 for p in found.populations)


def test_flipped_decisions_are_named_by_sample_id():
    a, b = trace([(0, 1, 3), (1, 1, 4)]), trace([(0, 1, 3), (1, 1, 3)])
    ids = {"sample_ids": np.array([70, 90])}
    moved = [replace(x, **ids, spikes=replace(x.spikes, sample=np.array([70, 90]))) for x in (a, b)]
    found = difference(*moved)
    assert found.flips.tolist() == [90] and found.accuracy == (1.0, 0.5)
    assert [d.tolist() for d in found.decisions] == [[0, 1], [0, 0]]


def test_a_silent_population_that_spikes_has_no_finite_error():
    assert difference(trace([]), trace([(0, 0, 0)])).rate_error == np.inf


def test_spikes_in_other_forward_steps_count_where_rounds_do():
    a, b = trace([(0, 1, 2)]), trace([(0, 1, 2)], k=1)
    b = replace(b, forward_steps=a.forward_steps + 1)
    assert differing_spikes(a, b) == 0 and differing_spikes(a, b, rounds=True) == 2


def test_correlation_is_pearsons():
    x, y = np.array([1, 2, 3, 5]), np.array([2, 1, 4, 4])
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert np.isnan(correlation(x, np.ones(4, int))) and correlation(y, y) == 1


def test_large_batches_are_measured_in_parts(monkeypatch, mapped, stimulus):
    a, b = run(mapped, stimulus), run(mapped, stimulus, Schedule("layered"))
    whole = difference(a, b)
    monkeypatch.setattr("sim_reference.compare.difference.COLUMNS_AT_ONCE", 1)
    parts = difference(a, b)
    for p, q in zip(whole.populations, parts.populations):
        assert p.differing == q.differing and np.allclose(p.van_rossum_of_neuron, q.van_rossum_of_neuron)


@pytest.mark.parametrize("tau", [0, -1, np.inf, np.nan])
def test_no_time_is_refused(tau: float):
    with pytest.raises(ValueError, match="van Rossum time constant"):
        difference(trace([]), trace([]), tau)
