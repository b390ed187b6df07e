"""Currents as spikes: what each code says, of each sample alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unlayered as ul
from ir.stimulus import Stimulus
from stimuli.coding import CODES, coded, delta, latency, rate
from stimuli.own.data import data_of


def test_a_rate_is_a_probability_and_a_draw_has_an_address() -> None:
    values = np.array([0.0, 0.25, 1.0])
    spikes = rate(np.broadcast_to(values, (2000, 2, 3)), np.array([7, 3]))
    assert np.allclose(spikes.mean((0, 1)), values, atol=0.03)
    assert np.array_equal(rate(np.broadcast_to(values, (5, 1, 3)), np.array([3]))[:, 0], spikes[:5, 1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9), st.integers(1, 12))
def test_a_larger_value_comes_no_later(values: list[float], n_steps: int) -> None:
    spikes = latency(np.array([values], np.float32), n_steps)[:, 0]
    assert np.array_equal(spikes.sum(0), np.array(values) > 0)
    fired = [(x, int(np.argmax(s))) for x, s in zip(values, spikes.T) if x > 0]
    assert all(t <= u for x, t in fired for y, u in fired if x >= y)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=30), st.integers(1, 4))
def test_the_changes_add_up_to_the_signal(levels: list[int], step: int) -> None:
    """A level is followed as fast as one spike a time step allows, and never overtaken."""
    x = np.array(levels, np.float64).reshape(-1, 1, 1)
    spikes = delta(x, step)
    assert spikes.sum(2).max() <= 1
    followed = x[0, 0, 0] + step * (spikes[:, 0, 0].astype(int) - spikes[:, 0, 1]).cumsum()
    behind = x[:, 0, 0] - np.concatenate([[x[0, 0, 0]], followed[:-1]])
    assert np.array_equal(spikes[:, 0, 0], behind >= step) and np.array_equal(spikes[:, 0, 1], behind <= -step)


@pytest.mark.parametrize("code", CODES)
def test_a_stimulus_keeps_its_samples(code: str) -> None:
    light = np.random.default_rng(0).random((1, 4, 6)).astype(np.float32)
    stimulus = Stimulus(np.repeat(light, 5, 0), np.array([3, 1, 9, 4]), np.arange(4))
    spikes = ul.coded(stimulus, code)
    assert spikes.frames.shape == (5, 4, 12 if code == "delta" else 6) and spikes.frames.dtype == np.int8
    assert np.array_equal(spikes.labels, stimulus.labels)  # type: ignore[arg-type]
    part = coded(stimulus.select([2, 0]), code)
    assert np.array_equal(part.frames, spikes.frames[:, [2, 0]])
    if code != "delta":
        assert coded(stimulus.select(slice(2)), code, n_steps=9).n_steps == 9


def test_what_a_code_cannot_say_is_refused() -> None:
    moving = Stimulus(np.random.default_rng(0).random((3, 1, 2)))
    for code, frames, more, words in (
        ("rate", moving.frames * 3, {}, r"values lie from .* a rate code takes 0 to 1"),
        ("latency", moving.frames, {}, "changes in time; use a rate or delta code"),
        ("rate", moving.frames, {"n_steps": 7}, "n_steps is for still images"),
        ("delta", moving.frames, {"n_steps": 7}, "keeps the time steps"),
        ("delta", moving.frames, {"threshold": 0.0}, "threshold of a delta code is 0"),
        ("morse", moving.frames, {}, "code"),
    ):
        with pytest.raises(ValueError, match=words):
            coded(Stimulus(frames), code, **more)  # type: ignore[arg-type]


class TestOwnData:
    def test_images_by_latency(self) -> None:
        data = data_of([(np.array([[0, 255], [128, 0]], np.uint8), 0)], {"images": "latency", "n_steps": 3})
        assert data.frames[:, 0].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]

    def test_frames_by_change(self) -> None:
        x = np.array([[0.0, 1.0], [0.5, 1.0], [0.5, 0.5]], np.float32)
        data = data_of([(x, 0)], {"delta": 0.5})
        assert data.input_shape[0] == 2 and data.n_inputs == 4
        assert data.frames[:, 0].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]

    def test_what_has_no_meaning_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="delta is a code of frames in time, and images has none"):
            data_of([(np.ones((2, 2)), 0)], {"images": "current", "delta": 0.5})
        with pytest.raises(ValueError, match=r"delta is -1.0; give a change above 0"):
            data_of([(np.ones((2, 2)), 0)], {"delta": -1.0})
        events = np.zeros(1, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
        with pytest.raises(ValueError, match="holds events, and delta is a code of frames"):
            data_of([(events, 0)], {"delta": 0.5})
