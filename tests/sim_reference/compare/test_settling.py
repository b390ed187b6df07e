"""A decision stands from the forward step on after which nobody overtakes the class that wins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.trace import Spikes, Trace, count_spikes
from sim_reference.compare.settling import settled
from sim_reference.compare.statistics import decision

ROUNDS = 3


def trace(rows: list[tuple[int, int, int, int]], n_samples: int = 2) -> Trace:
    """A run of four time steps of three forward steps; rows of (sample, t, k, neuron), outputs are neurons 1 to 3."""
    table = np.array(sorted(set(rows)), np.int64).reshape(-1, 4)
    zero = np.zeros(len(table), np.int64)
    spikes = Spikes(table[:, 0], table[:, 1], table[:, 2], table[:, 3], zero, zero - 1)
    ids, steps = np.arange(n_samples), np.full((4, n_samples), ROUNDS)
    return Trace("E2", spikes, count_spikes(spikes, ids, 4), {}, steps, ids, (("h", 1), ("out", 3)), "out")


@pytest.mark.parametrize(
    ("spikes", "wanted"),
    [
        ([], -1),
        ([(0, 1)], 1),
        ([(0, 2), (5, 2)], 1),
        ([(0, 2), (1, 3), (4, 3)], 5),
        ([(0, 2), (1, 1)], 2),
        ([(0, 2), (0, 1)], 1),
        ([(3, 0)], -1),
    ],
    ids=["silent", "one spike", "never overtaken", "overtaken", "a tie goes to the smaller", "at once", "hidden only"],
)
def test_by_hand(spikes: list[tuple[int, int]], wanted: int):
    rows = [(1, clock // ROUNDS, clock % ROUNDS, neuron) for clock, neuron in spikes]
    assert settled(trace(rows)).tolist() == [-1, wanted]


rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), max_size=40)


@given(rows)
def test_from_then_on_and_not_before_the_leader_is_the_decision(spikes):
    run = trace(spikes)
    final, found = decision(run, "count"), settled(run)
    for b in (0, 1):
        leaders = []
        for clock in range(1, 4 * ROUNDS + 1):
            so_far = [n for s, t, k, n in set(spikes) if s == b and n and t * ROUNDS + k < clock]
            counts = [so_far.count(n) for n in (1, 2, 3)]
            leaders.append(counts.index(max(counts)) if so_far else -1)
        if final[b] < 0:
            assert found[b] == -1
        else:
            assert all(x == final[b] for x in leaders[found[b] - 1 :])
            assert found[b] == 1 or leaders[found[b] - 2] != final[b]
