"""Drawn motions: hands are where their motion says, the test's speeds and places were never trained on."""

from __future__ import annotations

import numpy as np
import pytest

from stimuli.data_sets import load
from stimuli.motions import (
    CELL_PX,
    CELLS,
    DT_S,
    MOTIONS,
    N_STEPS,
    N_TEST,
    N_TRAIN,
    SIDE,
    SPEEDS_HZ,
    _hands,
    is_train,
    motions,
    places_and_speeds,
)

IDS = np.arange(N_TRAIN + N_TEST)
TIMES_S = np.arange(400) * (N_STEPS * DT_S / 400)


def of_class(name: str, n: int = 3) -> np.ndarray:
    """The first ``n`` ids of a motion."""
    return MOTIONS.index(name) + len(MOTIONS) * np.arange(n)


def turned(name: str, hand: int) -> np.ndarray:
    """Rounds a second of a hand about the middle of its path, with a sign: positive where it goes clockwise on a
    screen, whose y points down."""
    ids = of_class(name)
    path = _hands(ids, ids % len(MOTIONS), TIMES_S)[hand]
    size = np.ptp(path, axis=0)
    about = (path - (path.max(0) + path.min(0)) / 2) / np.where(size > 0, size, 1)
    angle = np.unwrap(np.arctan2(about[..., 1], about[..., 0]), axis=0)
    return (angle[-1] - angle[0]) / (2 * np.pi * (TIMES_S[-1] - TIMES_S[0]))


def test_places_and_speeds_of_the_test_are_never_trained_on():
    place, speed = places_and_speeds(IDS)
    assert (np.abs(place) <= CELL_PX * CELLS / 2).all()
    colour = np.floor(place / CELL_PX + CELLS / 2).astype(int).sum(1) % 2
    assert (colour[is_train(IDS)] == 0).all() and (colour[~is_train(IDS)] == 1).all()
    for split, of_it in (("train", is_train(IDS)), ("test", ~is_train(IDS))):
        within = [(low <= speed[of_it]) & (speed[of_it] < high) for low, high in SPEEDS_HZ[split]]
        assert np.any(within, axis=0).all() and min(x.mean() for x in within) > 0.25


@pytest.mark.parametrize(
    ("name", "hand", "sign"),
    [
        ("right arm clockwise", 0, 1),
        ("right arm counter-clockwise", 0, -1),
        ("left arm clockwise", 1, 1),
        ("left arm counter-clockwise", 1, -1),
    ],
)
def test_arms_turn_as_their_motion_says_and_at_the_speed_drawn(name: str, hand: int, sign: int):
    _, speed = places_and_speeds(of_class(name))
    np.testing.assert_allclose(turned(name, hand), sign * speed, atol=0.06)


def test_the_right_hand_waves_alone_and_so_does_the_left():
    for name, moving in (("right hand wave", 0), ("left hand wave", 1)):
        ids = of_class(name)
        hands = _hands(ids, ids % len(MOTIONS), TIMES_S)
        assert np.ptp(hands[moving], axis=0)[:, 0].min() > 4 and np.ptp(hands[1 - moving], axis=0).max() == 0


def test_brighter_pixels_are_where_a_hand_arrives_and_darker_ones_where_it_was():
    """So the mean place of brighter pixels lies ahead of that of darker ones, where the hand is fast."""
    ids = of_class("right hand wave", 1)
    frames, _, _ = motions(ids)
    pictures = frames[:, 0].reshape(N_STEPS, 2, SIDE, SIDE)
    edges = np.arange(N_STEPS + 1) * DT_S
    x = _hands(ids, ids % len(MOTIONS), edges)[0, :, 0, 0]
    straight = np.abs(np.diff(x)) > 0.7 * np.abs(np.diff(x)).max()
    columns = np.arange(SIDE)
    middle = [(p.sum(1) * columns).sum(1) / p.sum((1, 2)) for p in pictures[straight]]
    ahead = np.array([on - off for off, on in middle])
    assert straight.sum() > 3 and (np.sign(ahead) == np.sign(np.diff(x)[straight])).all()


def test_a_sample_is_the_same_alone_and_in_any_company():
    frames, labels, _ = motions(np.arange(70))
    alone, label, events = motions(np.array([69]))
    assert (frames[:, [69]] == alone).all() and labels[69] == label[0] == 69 % len(MOTIONS)
    assert len(events) == alone.sum() and (events[:, 2] // 50_000 == events[:, 1]).all()


def test_it_needs_no_files_and_its_parts_are_apart():
    learn, test = load("motions", limit=22), load("motions", split="test", limit=11, stamps=True)
    assert learn.sample_ids is not None and test.sample_ids is not None and test.labels is not None
    assert int(learn.sample_ids.max()) < N_TRAIN <= int(test.sample_ids.min())
    assert np.bincount(test.labels).tolist() == [1] * 11
    assert learn.events is None and test.events is not None and len(test.events) == test.frames.sum()
