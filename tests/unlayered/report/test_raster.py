"""Two runs are one panel: what both have, what only one has, and where they part."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from matplotlib.figure import Figure

from ir.trace import Trace
from sim_reference.compare.divergence import first_divergence
from tests.unlayered.report.conftest import one_more
from unlayered.report.raster import BOTH, FIRST, MOST_MARKS, SECOND, matched, raster
from unlayered.report.spike_statistics import alone, population_pairs, population_spikes
from unlayered.report.svg import draw


def test_equal_runs_are_drawn_once_and_said_to_be_equal(asynchronous: Trace):
    n = int((asynchronous.spikes.sample == 1).sum())
    found = matched((asynchronous, asynchronous), 1)
    assert len(found.x) == n and (found.which == BOTH).all() and found.unit == "forward step"
    figure = Figure((4, 4))
    raster(figure, {"a": asynchronous, "b": asynchronous}, 1, None)
    assert len(figure.axes) == 2
    assert f"a and b: no difference, {n} spikes alike" in [t.get_text() for t in figure.axes[1].texts]


def test_a_spike_of_one_run_alone_is_marked_and_ringed(asynchronous: Trace):
    other = one_more(asynchronous)
    first = first_divergence(asynchronous, other)
    assert first is not None and first.sample == 1
    found = matched((asynchronous, other), 1)
    assert Counter(found.which.tolist())[SECOND] == 1 and FIRST not in found.which
    figure = Figure((4, 4))
    raster(figure, {"a": asynchronous, "b": other}, 1, first)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert "only b" in labels and "only a" not in labels and "first difference" in labels
    (ring,) = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    begin = np.cumsum(asynchronous.forward_steps[:, 1]) - asynchronous.forward_steps[:, 1]
    assert ring.get_ydata()[0] == first.neuron and ring.get_xdata()[0] == begin[first.t] + first.k + 0.5


def test_a_difference_elsewhere_is_not_ringed(asynchronous: Trace):
    other = one_more(asynchronous)
    figure = Figure((4, 4))
    raster(figure, {"a": asynchronous, "b": other}, 0, first_divergence(asynchronous, other))
    assert "first difference" not in figure.axes[0].get_legend_handles_labels()[1]


def test_runs_under_two_schedules_share_an_axis_of_time_steps(asynchronous: Trace, layered: Trace):
    layered = one_more(layered)
    found = matched((asynchronous, layered), 1)
    assert found.unit == "time step" and found.end == 5 and (found.x < 5).all()
    spikes = [trace.spikes for trace in (asynchronous, layered)]
    places = [Counter(zip(s.t[s.sample == 1].tolist(), s.neuron[s.sample == 1].tolist())) for s in spikes]
    both = sum((places[0] & places[1]).values())
    counts = Counter(found.which.tolist())
    assert counts[BOTH] == both
    assert counts[FIRST] == sum((places[0] - places[1]).values())
    assert counts[SECOND] == sum((places[1] - places[0]).values())


def test_tables_count_what_only_one_run_has(asynchronous: Trace, layered: Trace):
    for a, b in ((asynchronous, one_more(asynchronous)), (asynchronous, layered)):
        rounds = a.schedule == b.schedule
        names = ("sample", "t", "neuron", "k") if rounds else ("sample", "t", "neuron")
        rows = [Counter(zip(*(getattr(x.spikes, n).tolist() for n in names))) for x in (a, b)]
        only = alone(a, b)
        assert only[0].sum() == sum((rows[0] - rows[1]).values())
        assert only[1].sum() == sum((rows[1] - rows[0]).values())
        pairs = population_pairs(a, b)
        assert sum(p.alone[0] for p in pairs) == only[0].sum() and sum(p.alone[1] for p in pairs) == only[1].sum()
        assert [p.spikes for p in pairs] == [
            (int(a.counts[:, s].sum()), int(b.counts[:, s].sum())) for s in (slice(0, 8), slice(8, 12))
        ]


def test_intervals_are_those_between_a_neurons_spikes(asynchronous: Trace):
    s = asynchronous.spikes
    by_neuron: dict[tuple[int, int], list[int]] = {}
    for sample, neuron, t in zip(s.sample.tolist(), s.neuron.tolist(), s.t.tolist()):
        by_neuron.setdefault((sample, neuron), []).append(t)
    expected = [d for (_, n), ts in by_neuron.items() if n < 8 for d in np.diff(ts).tolist()]
    hidden = population_spikes(asynchronous)[0]
    assert hidden.interval == pytest.approx(np.mean(expected))
    assert hidden.irregularity == pytest.approx(np.std(expected) / np.mean(expected))
    assert hidden.rate == pytest.approx(asynchronous.counts[:, :8].sum() / (3 * 5 * 8))


def test_very_many_spikes_are_a_picture_that_stays_small():
    from tests.unlayered.report.conftest import large

    _, trace = large()
    assert int((trace.spikes.sample == 0).sum()) > MOST_MARKS
    text = draw(lambda figure: raster(figure, {"a": trace}, 0), 4.0)
    assert "data:image/png" in text and len(text) < 2_000_000
