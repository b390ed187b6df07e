"""A trace cut into batches and joined again is the trace; a part holds its samples and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.trace import Spikes, Trace, count_spikes
from ir.trace_parts import join, select

PARTS = ("sample_ids", "counts", "forward_steps", "v", "u", "labels", "core_of_neuron")


def drawn(seed: int, samples: int, recorded: bool = True) -> Trace:
    """A run of 3 time steps, up to 4 forward steps each, and 5 neurons; ids in no order."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(100)[:samples]
    fired = rng.random((samples, 3, 4, 5)) < 0.2
    b, t, k, neuron = np.nonzero(fired)
    spikes = Spikes(ids[b], t, k, neuron, rng.integers(1, 99, len(b)), rng.integers(-1, 4, len(b)))
    registers = rng.integers(-9, 9, (2, 3, samples, 5))
    return Trace(
        "E1",
        spikes,
        count_spikes(spikes, ids, 5),
        dict(zip("vu", registers)) if recorded else {},
        np.full((3, samples), 4),
        ids,
        (("h", 3), ("out", 2)),
        "out",
        labels=rng.integers(0, 2, samples) if recorded else None,
        core_of_neuron=np.array([0, 0, 1, 1, 1]),
        limits_reached={"u": 0, "v": 0},
    )


def same(a: Trace, b: Trace) -> bool:
    assert a.spikes is not None and b.spikes is not None
    pairs = [(getattr(a, name), getattr(b, name)) for name in PARTS]
    pairs += [(getattr(a.spikes, f.name), getattr(b.spikes, f.name)) for f in fields(Spikes)]
    alike = all(np.array_equal(x, y) if x is not None and y is not None else x is y for x, y in pairs)
    return alike and a.limits_reached == b.limits_reached and a.populations == b.populations


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3), st.booleans())
def test_a_trace_cut_anywhere_and_joined_is_the_trace(seed: int, samples: int, cuts: list[int], recorded: bool) -> None:
    whole = drawn(seed, samples, recorded)
    edges = [0, *sorted(min(cut, samples) for cut in cuts), samples]
    assert same(join([select(whole, slice(a, z)) for a, z in pairwise(edges)]), whole)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_a_part_holds_its_samples_in_the_order_asked_for(seed: int, data: st.DataObject) -> None:
    whole = drawn(seed, 6)
    chosen = data.draw(st.lists(st.integers(0, 5), unique=True))
    part = select(whole, np.array(chosen, np.int64))
    assert part.sample_ids.tolist() == whole.sample_ids[chosen].tolist()
    assert part.counts.tolist() == whole.counts[chosen].tolist()
    assert part.v is not None and whole.v is not None and part.v.tolist() == whole.v[:, chosen].tolist()
    assert part.spikes is not None and len(part.spikes) == whole.counts[chosen].sum()


def test_the_edges_of_registers_are_added_up() -> None:
    a, b = drawn(0, 2), replace(drawn(1, 2), sample_ids=np.array([200, 201]), spikes=None)
    whole = join([replace(a, limits_reached={"u": 1, "v": 2}), replace(b, limits_reached={"u": 3, "v": 0})])
    assert whole.limits_reached == {"u": 4, "v": 2}
    assert whole.spikes is None, "one part only counted"


@pytest.mark.parametrize(("first", "second"), [({"v": 2}, {}), ({}, {"v": 2}), ({"v": 1, "u": 0}, {"v": 1})])
def test_an_edge_that_only_one_part_names_was_not_reached_in_the_other(first: dict[str, int], second: dict[str, int]):
    """Lava's traces of earlier releases name the edges that were reached, and no others."""
    a, b = drawn(0, 2), replace(drawn(1, 2), sample_ids=np.array([200, 201]), spikes=None)
    parts = replace(a, limits_reached=first), replace(b, limits_reached=second)
    assert join(parts).limits_reached == {**first, **second, "v": 2}


def test_parts_of_different_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="no traces to join"):
        join([])
    with pytest.raises(ValueError, match="traces differ in output; join batches of one run"):
        join([drawn(0, 2), replace(drawn(1, 2), output="h")])
