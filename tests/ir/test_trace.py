"""Spikes are kept in order, whoever hands them over."""

from __future__ import annotations

import numpy as np
import pytest

from ir.trace import Spikes


@pytest.mark.parametrize("seed", range(5))
def test_spikes_are_sorted_by_sample_time_step_forward_step_and_neuron(seed):
    rows = np.random.default_rng(seed).integers(0, 3, (40, 6))
    spikes = Spikes(*rows.T)
    ordered = np.stack([spikes.sample, spikes.t, spikes.k, spikes.neuron, spikes.m, spikes.k_served], 1)
    assert ordered[:, :4].tolist() == sorted(rows[:, :4].tolist())
    assert sorted(ordered.tolist()) == sorted(rows.tolist())
    again = Spikes(*ordered.T)
    assert (again.m == spikes.m).all()


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError):
        Spikes(np.zeros(2), np.zeros(2), np.zeros(2), np.zeros(3), np.zeros(2), np.zeros(2))
