"""Frames are counts as they came: none is wrapped into a smaller type in silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.stimulus import Stimulus

EDGES = np.array([-(2**31), 2**31 - 1])


@pytest.mark.parametrize(
    ("values", "kind"),
    [(np.array([-128, 127]), np.int8), (np.array([0, 255]), np.uint8), (EDGES, np.int64), (EDGES[1:], np.uint32)],
    ids=str,
)
def test_counts_of_every_integer_type_keep_their_values(values: np.ndarray, kind: type):
    assert (Stimulus(values.astype(kind).reshape(1, 1, -1)).frames[0, 0] == values).all()


@pytest.mark.parametrize(
    "values", [np.array([2**31]), np.array([-(2**31) - 1]), np.array([2**32 - 1], np.uint32)], ids=str
)
def test_counts_beyond_32_bits_are_refused(values: np.ndarray):
    with pytest.raises(ValueError, match="leave 32 bits; give smaller counts"):
        Stimulus(values.reshape(1, 1, 1))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_each_count_has_one_event_at_its_own_place(seed: int, most: int):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, most + 1, (3, 2, 4))
    t, b, i = (np.repeat(x, frames[np.nonzero(frames)]) for x in np.nonzero(frames))
    events = rng.permutation(np.stack([b, t, rng.integers(0, 9, len(t)), i], 1))
    kept = Stimulus(frames, events=events).events
    assert kept is not None and sorted(kept.tolist()) == sorted(events.tolist())
    for row in range(len(events)):
        moved, column = events.copy(), rng.choice([0, 1, 3])
        moved[row, column] = (moved[row, column] + 1) % (2, 3, 1, 4)[column]
        for wrong in (moved, np.delete(events, row, 0), np.concatenate([events, events[row : row + 1]])):
            with pytest.raises(ValueError, match="events and frames disagree: each count needs one event"):
                Stimulus(frames, events=wrong)


def test_negative_counts_have_no_events():
    with pytest.raises(ValueError, match="events and frames disagree"):
        Stimulus(np.array([[[1, -1]]]), events=np.zeros((0, 4), int))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 4))
def test_chosen_samples_keep_their_events_in_their_order(seed: int, n_steps: int, n_samples: int):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 3, (n_steps, n_samples, 4))
    t, b, i = (np.repeat(x, frames[np.nonzero(frames)]) for x in np.nonzero(frames))
    whole = Stimulus(frames, events=np.stack([b, t, rng.integers(0, 9, len(t)), i], 1))
    chosen = rng.permutation(n_samples)[: rng.integers(0, n_samples + 1)]
    part = whole.select(chosen)
    assert whole.events is not None and part.events is not None
    assert len(part.events) == np.isin(whole.events[:, 0], chosen).sum()
    for new, old in enumerate(chosen):
        mine = whole.events[whole.events[:, 0] == old]
        assert (part.events[part.events[:, 0] == new, 1:] == mine[:, 1:]).all()
        for step in range(n_steps):
            assert (part.inputs_in_order(new, step) == mine[mine[:, 1] == step, 3]).all()
