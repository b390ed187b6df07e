"""Currents as spikes: rate, latency and delta codes, for networks without an encoder of their own.

Each is a pure function of values and sample ids: no sample's spikes depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints
from ir.check import check_choice, real, require, whole
from ir.schedule import key, uniform
from ir.stimulus import Stimulus

RATE_SEED = 21
"""Seed of the keys of every rate code."""

Values = NDArray[Any]
Spikes = NDArray[np.int8]


def rate(frames: Values, sample_ids: Ints, t0: int = 0) -> Spikes:
    """Spikes with the values, 0 to 1, as their probabilities.

    Args:
        frames: (T, B, N); sample_ids: (B,) addresses of the draws, as is the time step; t0: of the first frame.
    """
    _check_unit(frames, "a rate code")
    inputs = np.arange(frames.shape[2])
    out = np.zeros(frames.shape, np.int8)
    for t, values in enumerate(frames):
        out[t] = uniform(key(RATE_SEED, np.asarray(sample_ids)[:, None], t0 + t, 0, inputs)) < values
    return out


def latency(values: Values, n_steps: int) -> Spikes:
    """One spike an input, the earlier the larger its value: in time step ``round((1 - x) (T - 1))``; none for 0.

    Args:
        values: (B, N) from 0 to 1.

    >>> latency(np.array([[1.0, 0.5, 0.0]]), 3)[:, 0].tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    _check_unit(values, "a latency code")
    at = np.rint((1 - np.asarray(values, np.float64)) * (n_steps - 1)).astype(np.int64)
    steps = np.arange(n_steps)[:, None, None]
    return ((steps == at) & (np.asarray(values) > 0)).astype(np.int8)


def delta(frames: Values, threshold: float) -> Spikes:
    """Spikes where a value has changed: the first N inputs report a rise, the others a fall, by ``threshold``.

    Each input keeps the level it last reported, at first the value of the first frame; a spike moves that level by the
    threshold, and what is left of a larger step is reported in the time steps that follow.

    Args:
        frames: (T, B, N).

    Returns:
        (T, B, 2 N).

    >>> delta(np.array([[[0.0]], [[0.25]], [[0.25]], [[0.0]]]), 0.125)[:, 0].tolist()
    [[0, 0], [1, 0], [1, 0], [0, 1]]
    """
    step = real("the threshold of a delta code", threshold, 0.0, np.inf, "give the change that makes a spike")
    level = np.asarray(frames[0] if len(frames) else np.zeros(frames.shape[1:]), np.float64).copy()
    found = np.zeros((*frames.shape[:2], 2 * frames.shape[2]), np.int8)
    for t, values in enumerate(frames):
        change = np.asarray(values, np.float64) - level
        up, down = change >= step, change <= -step
        level += step * up - step * down
        found[t] = np.concatenate([up, down], 1)
    return found


def _rate(stimulus: Stimulus, n_steps: int | None, threshold: float) -> Spikes:
    frames = _in_time(stimulus, n_steps)
    assert stimulus.sample_ids is not None
    return rate(frames, stimulus.sample_ids)


def _latency(stimulus: Stimulus, n_steps: int | None, threshold: float) -> Spikes:
    still = bool((stimulus.frames == stimulus.frames[:1]).all())
    require(still, "a latency code takes one image a sample, the stimulus changes in time; use a rate or delta code")
    return latency(stimulus.frames[0], n_steps or stimulus.n_steps)


def _delta(stimulus: Stimulus, n_steps: int | None, threshold: float) -> Spikes:
    require(n_steps is None, "a delta code keeps the time steps of the stimulus; leave n_steps out")
    return delta(stimulus.frames, threshold)


CODES: dict[str, Callable[[Stimulus, int | None, float], Spikes]] = {
    "rate": _rate,
    "latency": _latency,
    "delta": _delta,
}


def coded(stimulus: Stimulus, code: str, n_steps: int | None = None, threshold: float = 0.1) -> Stimulus:
    """A stimulus of currents as one of spikes, with the same samples and labels.

    Args:
        code: ``rate`` and ``latency`` (values 0 to 1), or ``delta`` (twice the inputs: rises, then falls).
        n_steps: rate and latency: time steps of the result, where the stimulus is a still image; None = its own.
        threshold: delta: the change that makes a spike.

    Raises:
        ValueError: the values do not fit the code.
    """
    check_choice("code", code, CODES)
    if n_steps is not None:
        n_steps = whole("n_steps", n_steps, 1, 1 << 20)
    require(stimulus.n_steps > 0, "the stimulus has no time steps; there is nothing to code")
    return Stimulus(CODES[code](stimulus, n_steps, threshold), stimulus.sample_ids, stimulus.labels)


def _in_time(stimulus: Stimulus, n_steps: int | None) -> Values:
    frames = stimulus.frames
    if n_steps is None or n_steps == len(frames):
        return frames
    still = bool((frames == frames[:1]).all())
    require(still, f"the stimulus changes in its {len(frames)} time steps; n_steps is for still images, leave it out")
    return np.broadcast_to(frames[:1], (n_steps, *frames.shape[1:]))


def _check_unit(values: Values, who: str) -> None:
    low, high = (float(x) for x in (values.min(initial=0), values.max(initial=0)))
    require(low >= 0 and high <= 1, f"values lie from {low:g} to {high:g}; {who} takes 0 to 1")
