"""Compared piece by piece, however each side is cut, two traces are as far apart as they are whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.trace import Trace, count_spikes
from ir.trace_parts import join, select
from sim_reference.compare.difference import difference
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import equality
from sim_reference.compare.gathered import numbers_of, statistics_of
from sim_reference.compare.in_pieces import Gathered, Whole, compared, side_by_side
from sim_reference.compare.statistics import statistics
from tests.ir.test_trace_parts import drawn


class Cut:
    """A trace in memory that is handed out in parts."""

    def __init__(self, whole: Trace, at: list[int]) -> None:
        n = len(whole.sample_ids)
        edges = [0, *sorted(min(x, n) for x in at), n]
        self.parts = [select(whole, slice(a, z)) for a, z in pairwise(edges)]
        self.ends = edges[1:]

    @property
    def rest(self) -> Trace:
        return join([replace(part, spikes=None, states={}) for part in self.parts])

    def __len__(self) -> int:
        return len(self.parts)

    def piece(self, i: int) -> Trace:
        return self.parts[i]


def changed(whole: Trace, rng: np.random.Generator) -> Trace:
    """The trace with a few things changed: a lost spike, a membrane, a state, a number of forward steps."""
    s, states = whole.spikes, {name: state.copy() for name, state in whole.states.items()}
    assert s is not None
    if len(s) and rng.random() < 0.5:
        kept = np.arange(len(s)) != rng.integers(len(s))
        s = replace(s, **{name: getattr(s, name)[kept] for name in ("sample", "t", "k", "neuron", "m", "k_served")})
    if len(s) and rng.random() < 0.5:
        m = s.m.copy()
        m[rng.integers(len(m))] += 1
        s = replace(s, m=m)
    steps = whole.forward_steps.copy()
    if steps.size and rng.random() < 0.3:
        steps[:, rng.integers(steps.shape[1])] += 1
    for state in states.values():
        if state.size and rng.random() < 0.3:
            state.reshape(-1)[rng.integers(state.size)] += 1
    counts = count_spikes(s, whole.sample_ids, whole.n_neurons)
    return replace(whole, spikes=s, counts=counts, states=states, forward_steps=steps)


CUTS = st.lists(st.integers(0, 9), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9), CUTS, CUTS, st.booleans())
def test_pieces_say_what_the_whole_says(seed: int, samples: int, at: list[int], other_at: list[int], recorded: bool):
    a = drawn(seed, samples, recorded)
    b = changed(a, np.random.default_rng(seed))
    for one, other in ((Cut(a, at), Cut(b, other_at)), (Whole(a), Cut(b, other_at)), (Cut(a, at), Whole(b))):
        assert compared(one, other) == (equality(a, b), first_divergence(a, b))
        gathered = Gathered(10.0)
        for _, x, y in side_by_side(one, other):
            gathered.add(x, y)
        found, whole = gathered.difference(), difference(a, b)
        assert np.array_equal(found.decisions, whole.decisions) and np.array_equal(found.flips, whole.flips)
        assert found.accuracy == whole.accuracy and found.differing == whole.differing
        for p, q in zip(found.populations, whole.populations):
            assert (p.name, p.spikes, p.differing) == (q.name, q.spikes, q.differing)
            assert np.array_equal(p.count_difference, q.count_difference)
            assert np.allclose(p.van_rossum_of_neuron, q.van_rossum_of_neuron, rtol=1e-12, atol=0)
            assert np.array_equal([p.correlation, p.rate_error], [q.correlation, q.rate_error], equal_nan=True)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9), CUTS, st.booleans(), st.booleans())
def test_the_numbers_of_pieces_are_those_of_the_whole(seed, samples, at, recorded, silent):
    whole = drawn(seed, samples, recorded)
    if silent:  # an output that never spikes, so that membranes decide
        s = whole.spikes
        assert s is not None
        kept = s.neuron < 3
        s = replace(s, **{name: getattr(s, name)[kept] for name in ("sample", "t", "k", "neuron", "m", "k_served")})
        whole = replace(whole, spikes=s, counts=count_spikes(s, whole.sample_ids, 5))
    cut = Cut(whole, at)
    rest, found = statistics_of([numbers_of(part) for part in cut.parts])
    own = statistics(whole)
    assert rest.spikes is None and np.array_equal(rest.counts, whole.counts)
    for name in ("density", "forward_steps_per_time_step", "accuracy", "readout", "limits_reached"):
        assert getattr(found, name) == getattr(own, name) or name == "limits_reached"
    assert np.array_equal(found.decision, own.decision) and np.array_equal(found.forward_steps, own.forward_steps)
    for name in ("first_output", "first_correct"):
        one, other = getattr(found, name), getattr(own, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert np.array_equal(one.forward_steps, other.forward_steps) and np.array_equal(one.spikes, other.spikes)


def test_traces_of_different_samples_are_refused_before_any_piece_is_read():
    a = drawn(1, 6)
    with pytest.raises(ValueError, match="different samples"):
        compared(Whole(a), Cut(replace(drawn(1, 6), spikes=None, sample_ids=a.sample_ids + 1), [2]))
