"""Hands that move before an event camera, drawn: which of eleven motions, at speeds and places never trained on.

The motions are those of DVS Gesture (Amir et al. 2017), done by two bright discs. One position at one moment tells
little of them: a circle and its mirror image pass the same pixels, in opposite order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Floats, Ints
from ir.schedule import key, uniform
from ir.stimulus import Stimulus

MOTIONS = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other",
)
"""By class. ``other``: both hands go their own ways, none of them a figure of the ten."""

SIDE, N_STEPS, DT_S = 32, 20, 0.05
"""Pixels a side; time steps of a sample and their length."""

SUBSTEPS = 20
"""Pictures of a time step: the camera looks every 2.5 ms."""

N_TRAIN, N_TEST = 4_400, 1_100
SEED = 19
"""Of the keys of every draw."""

SPEEDS_HZ = {"train": ((1.0, 1.4), (1.8, 2.2), (2.6, 3.0)), "test": ((1.4, 1.8), (2.2, 2.6))}
"""Rounds a second; each split has ranges of its own."""

CELL_PX, CELLS = 2, 4
"""The body stands in one of 4 x 4 cells of two pixels a side, like a chessboard: black ones are trained on, white ones
tested."""

CONTRAST, DARK, NOISE_HZ = 0.3, 0.3, 0.05
"""Change of log brightness that makes an event; brightness of the background, where a hand adds 1; events a second
of a pixel and polarity without cause."""


def is_train(sample_ids: Ints) -> NDArray[np.bool_]:
    """The first 4,400 ids are for training."""
    return np.asarray(sample_ids) < N_TRAIN


def motions(sample_ids: Ints) -> tuple[NDArray[np.int8], Ints, Ints]:
    """Draw samples by their ids; the class of a sample is its id modulo 11.

    Returns:
        Binary frames (T, B, 2 x 32 x 32), off before on; labels; events (n, 4) of (sample's place, t, time stamp in
        us, input), each input once a time step.
    """
    ids = np.asarray(sample_ids, np.int64)
    labels = ids % len(MOTIONS)
    chunks = [_filmed(ids[i : i + 64], labels[i : i + 64]) for i in range(0, max(len(ids), 1), 64)]
    first_us = np.concatenate(chunks, 1)
    frames = (first_us >= 0).astype(np.int8)
    t, b, i = np.nonzero(frames)
    events = np.stack([b, t, first_us[t, b, i], i], 1).astype(np.int64)
    return frames, labels, events[np.lexsort((events[:, 3], events[:, 2], events[:, 0]))]


def places_and_speeds(sample_ids: Ints) -> tuple[Floats, Floats]:
    """Where the body stands, (B, 2) as (x, y) from the middle in pixels, and rounds a second (B,)."""
    ids = np.asarray(sample_ids, np.int64)
    x, y, within_x, within_y, band, within = (_drawn(ids, purpose) for purpose in range(6))
    column = np.floor(x * CELLS)
    row = 2 * np.floor(y * (CELLS // 2)) + (column + ~is_train(ids)) % 2
    corner = -CELL_PX * CELLS / 2
    place = corner + CELL_PX * (np.stack([column, row], 1) + np.stack([within_x, within_y], 1))
    speed = np.empty(len(ids))
    for split, of_it in (("train", is_train(ids)), ("test", ~is_train(ids))):
        ranges = np.array(SPEEDS_HZ[split])
        low, high = ranges[np.floor(band[of_it] * len(ranges)).astype(int)].T
        speed[of_it] = low + within[of_it] * (high - low)
    return place, speed


def _drawn(ids: Ints, purpose: int) -> Floats:
    return uniform(key(SEED, ids, purpose, 0, 0))


def _hands(ids: Ints, labels: Ints, times_s: Floats) -> Floats:
    """(2, times, B, 2): where the right and the left hand are as (x, y) in pixels of the sensor."""
    place, speed = places_and_speeds(ids)
    start, size, bend = (_drawn(ids, purpose) for purpose in (6, 7, 8))
    phase = 2 * np.pi * (times_s[:, None] * speed + start)
    swing = 2.5 + 1.5 * size
    up, along = np.sin(phase) * swing, np.cos(phase) * swing
    rest = np.broadcast_to(2 * bend - 1, phase.shape)
    apart = 6.0 + rest
    zero = np.zeros_like(phase)
    open_wide = 1.5 + swing * (1 + np.cos(phase)) / 2
    ways = np.stack([_wander(ids, times_s, speed, hand) for hand in (0, 1)])
    by_class = [
        [(open_wide, zero), (-open_wide, zero)],
        [(apart + up, zero - 3), (-apart, zero + 3)],
        [(apart, zero + 3), (-apart + up, zero - 3)],
        [(apart + along, up), (-apart, zero + 3)],
        [(apart + along, -up), (-apart, zero + 3)],
        [(apart, zero + 3), (-apart + along, up)],
        [(apart, zero + 3), (-apart + along, -up)],
        [(along, 0.7 * up), (-along, -0.7 * up)],
        [(apart, up), (-apart, -up)],
        [(apart - 2 + 0.6 * up, 2 + up), (-apart + 0.3 * along, -2 + 0 * up)],
        [(apart + ways[0, 0], ways[0, 1]), (-apart + ways[1, 0], ways[1, 1])],
    ]
    hands = np.empty((2, *phase.shape, 2))
    for label, pair in enumerate(by_class):
        of_it = labels == label
        for hand, (x, y) in enumerate(pair):
            hands[hand, :, of_it, 0], hands[hand, :, of_it, 1] = x.T[of_it], y.T[of_it]
    return hands + place + (SIDE - 1) / 2


def _wander(ids: Ints, times_s: Floats, speed: Floats, hand: int) -> Floats:
    """(2, times, B): a sum of three swings whose periods have no common multiple."""
    path = np.zeros((2, len(times_s), len(ids)))
    for axis in (0, 1):
        for i, share in enumerate((0.47, 0.83, 1.31)):
            purpose = 9 + 12 * hand + 6 * axis + 2 * i
            start, size = _drawn(ids, purpose), 0.6 + _drawn(ids, purpose + 1)
            path[axis] += 1.5 * size * np.sin(2 * np.pi * (times_s[:, None] * speed * share + start))
    return path


def _filmed(ids: Ints, labels: Ints) -> Ints:
    """(T, B, 2 x 32 x 32): the time stamp in us of the first event of a time step, -1 where there is none."""
    n_looks = N_STEPS * SUBSTEPS
    us = round(DT_S * 1e6 / SUBSTEPS)
    hands = _hands(ids, labels, np.arange(n_looks + 1) * (DT_S / SUBSTEPS))
    radius = 1.6 + 0.8 * _drawn(ids, 40)
    pixels = np.arange(SIDE)
    seen = np.full((len(ids), SIDE, SIDE), np.nan)
    first = np.full((N_STEPS, len(ids), 2, SIDE, SIDE), -1, np.int64)
    for look in range(n_looks + 1):
        light = np.full((len(ids), SIDE, SIDE), DARK)
        for hand in hands[:, look]:
            x, y = (np.exp(-((pixels - hand[:, axis, None]) ** 2) / (2 * radius[:, None] ** 2)) for axis in (0, 1))
            light += y[:, :, None] * x[:, None, :]
        brightness = np.log(light)
        if look == 0:
            seen = brightness
            continue
        steps = np.trunc((brightness - seen) / CONTRAST)
        seen = seen + steps * CONTRAST
        t = (look - 1) // SUBSTEPS
        for polarity, fires in enumerate((steps < 0, steps > 0)):
            new = fires & (first[t, :, polarity] < 0)
            first[t, :, polarity][new] = (look - 1) * us
    return _with_noise(first.reshape(N_STEPS, len(ids), -1), ids)


def _with_noise(first_us: Ints, ids: Ints) -> Ints:
    """Events without cause, at most one a time step and input, some time within it."""
    t = np.arange(N_STEPS)[:, None, None]
    inputs = np.arange(first_us.shape[-1])
    drawn = uniform(key(SEED, ids[None, :, None], 41, t, inputs))
    at = t * DT_S * 1e6 + np.floor(drawn / (NOISE_HZ * DT_S) * DT_S * 1e6)
    noisy = (drawn < NOISE_HZ * DT_S) & ((first_us < 0) | (at < first_us))
    return np.where(noisy, at, first_us).astype(np.int64)


def read_motions(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
    """Eleven motions, drawn: 4,400 for training, 1,100 at other speeds and places for the test."""
    begin, n = (0, N_TRAIN) if split == "train" else (N_TRAIN, N_TEST)
    ids = begin + np.arange(n)[:limit]
    frames, labels, events = motions(ids)
    return Stimulus(frames, ids, labels, events if stamps else None)
