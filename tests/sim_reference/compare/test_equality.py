"""How much of two traces agrees, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import equality, first_samples
from tests.sim_reference.compare.test_divergence import ROWS, trace


def test_every_state_that_both_traces_hold_is_compared() -> None:
    states = {name: np.zeros((2, 2, 4), int) for name in ("v", "u", "w")}
    changed = {**states, "w": states["w"].copy()}
    changed["w"][1, 0, 2] = 5
    a, b = replace(trace(), states=states), replace(trace(), states=changed)
    assert equality(a, b).values_compared == 3 * 16 + 4
    assert equality(a, b).differing == 1 and first_divergence(a, b) is not None
    assert equality(a, replace(b, states={"v": states["v"]})).values_compared == 16 + 4


def test_spikes_of_one_trace_and_spikes_that_differ_are_counted_once() -> None:
    moved = [(7, 0, 0, 0, 101, 0), *ROWS[1:3]]
    found = equality(trace(), trace(moved))
    assert (found.samples, found.spikes_compared, found.differing) == (2, 4, 2)
    assert equality(trace(), trace()).differing == 0


def test_the_first_samples_are_compared_alone() -> None:
    moved = [*ROWS[:3], (2, 1, 1, 3, 70, 2)]
    a, b = trace(), trace(moved)
    assert equality(a, b).differing == 2
    assert equality(first_samples(a, 1), first_samples(b, 1)).differing == 0
    assert first_samples(a, 5) is a
