"""Delayed coincidences: what is drawn is what was asked for, and counts tell nothing of the class."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from stimuli.coincidence import DELAYS, KEPT, N_STEPS, N_TRAIN, RATE_HZ, trains
from stimuli.data_sets import load

FRAMES, LABELS = trains(np.arange(8_000))


def together(label: int, lag: int) -> float:
    """The share of the first train's spikes that the second one has so many time steps later, going round."""
    first, second = FRAMES[:, label == LABELS].transpose(2, 0, 1).astype(bool)
    return float((np.roll(first, lag, 0) & second).sum() / first.sum())


@pytest.mark.parametrize("label", range(len(DELAYS)), ids=str)
def test_the_second_train_is_the_first_one_late(label):
    delay, by_chance = DELAYS[label], RATE_HZ * 1e-3
    for lag in (1, 2, 3, 4, 8, 16, 24, 32, 40):
        wanted = KEPT if lag == delay else by_chance
        assert abs(together(label, lag) - wanted) < 0.02, lag


def test_both_trains_have_the_rate_and_every_sample_its_own_draw():
    assert FRAMES.shape == (N_STEPS, 8_000, 2) and np.bincount(LABELS).tolist() == [1_000] * 8
    assert np.abs(FRAMES.mean((0, 1)) * 1000 - RATE_HZ).max() < 0.2
    again, labels = trains(np.array([5, 7_999]))
    assert (again == FRAMES[:, [5, 7_999]]).all() and labels.tolist() == [5, 7]


def test_counts_tell_nothing_of_the_class():
    """A tenth of 4,000 is 12.5 points of eight classes; their spread by chance is 0.5 points."""
    counts = FRAMES.sum(0)
    fitted = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(counts[:4_000], LABELS[:4_000])
    assert abs(fitted.score(counts[4_000:], LABELS[4_000:]) - 1 / len(DELAYS)) < 0.02


def test_it_needs_no_files_and_its_parts_are_apart():
    learn, test = load("coincidence", limit=16), load("coincidence", split="test", limit=16)
    assert learn.sample_ids is not None and test.sample_ids is not None and test.labels is not None
    assert int(learn.sample_ids.max()) < N_TRAIN <= int(test.sample_ids.min())
    assert test.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7] * 2
    stamped = load("coincidence", limit=16, stamps=True)
    assert stamped.events is not None and len(stamped.events) == stamped.frames.sum()
