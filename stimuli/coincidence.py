"""Two Poisson trains, the second a delayed copy of the first: which delay is the class, and no count tells it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints
from ir.schedule import key, uniform
from ir.stimulus import Stimulus

DELAYS = (1, 2, 4, 8, 16, 24, 32, None)
"""Milliseconds by which the second train is behind the first; None = its spikes are at times of their own."""

N_STEPS, DT_S = 500, 0.001
RATE_HZ, KEPT, FOREIGN = 20.0, 0.9, 0.1
"""Of each train; the share of the first one's spikes that the second has; the share of others in it."""

N_TRAIN, N_TEST = 16_000, 2_000
SEED = 16
"""Of the keys of every draw."""


def trains(sample_ids: Ints) -> tuple[NDArray[np.int8], Ints]:
    """Draw samples by their ids; the class of a sample is its id modulo 8.

    The delay goes round, as if 500 ms repeated: what leaves at the end comes in at the beginning. So the numbers of
    spikes in both trains have the same joint distribution in all classes, also in that without a delay, where every
    spike that is kept gets another time.

    Returns:
        Frames (T, B, 2), and labels.
    """
    ids = np.asarray(sample_ids, np.int64)
    labels = ids % len(DELAYS)
    steps = np.arange(N_STEPS)

    def drawn(purpose: int) -> NDArray[np.float64]:
        return uniform(key(SEED, ids[:, None], purpose, 0, steps))

    first = drawn(0) < RATE_HZ * DT_S
    kept = first & (drawn(1) < KEPT)
    foreign = drawn(2) < FOREIGN * RATE_HZ * DT_S
    behind = np.array([0 if d is None else d for d in DELAYS])[labels]
    source = (steps - behind[:, None]) % N_STEPS
    apart = np.asarray([d is None for d in DELAYS])[labels]
    source[apart] = np.argsort(drawn(3)[apart], axis=1)
    second = np.take_along_axis(kept, source, 1) | foreign
    return np.ascontiguousarray(np.stack([first, second], -1).transpose(1, 0, 2).astype(np.int8)), labels


def read_coincidence(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
    """Delayed coincidences, drawn: 16,000 for training, 2,000 others for the test."""
    first, n = (0, N_TRAIN) if split == "train" else (N_TRAIN, N_TEST)
    ids = first + np.arange(n)[:limit]
    frames, labels = trains(ids)
    if not stamps:
        return Stimulus(frames, ids, labels)
    t, b, i = np.nonzero(frames)
    return Stimulus(frames, ids, labels, np.stack([b, t, t * round(DT_S * 1e6), i], 1).astype(np.int64))
