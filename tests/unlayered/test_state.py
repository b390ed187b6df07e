"""``unlayered run`` in pieces: a state out, a state in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unlayered as ul
from exchange import npz
from ir.trace_parts import join_in_time
from tests.targets.lava_cases import chain
from tests.unlayered.verbs import call, refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network and its input, whole and in two pieces."""
    monkeypatch.chdir(tmp_path)
    npz.save(chain(6, 4, 3, decay_u=300), tmp_path / "net.npz")
    frames = np.random.default_rng(0).integers(0, 2, (7, 2, 6)).astype(np.int32)
    for name, part in (("whole", frames), ("first", frames[:3]), ("rest", frames[3:])):
        np.save(tmp_path / f"{name}.npy", part)
    return tmp_path


def test_a_run_in_two_pieces_is_the_run_of_the_whole(here: Path):
    run = ("run", "net.npz", "--F", "1", "--order", "random", "--seed", "5", "--data")
    assert call(*run, "whole.npy", "--on", "reference", "--out", "whole.npz").exit_code == 0
    done = call(*run, "first.npy", "--on", "reference", "--keep-state", "s.npz", "--out", "a.npz")
    assert done.exit_code == 0, done.output
    done = call(*run, "rest.npy", "--on", "trainer", "--state", "s.npz", "--out", "b.npz")
    assert done.exit_code == 0, done.output
    whole, a, b = (npz.load(here / f"{name}.npz", ul.Trace) for name in ("whole", "a", "b"))
    joined = join_in_time([a, replace(b, executor=a.executor)])
    assert ul.compare(whole, joined) is None and whole.counts.sum() > 0 and a.state is None
    shown = call("inspect", "s.npz")
    assert shown.exit_code == 0 and "time_steps" in call("inspect", "s.npz", "--json").stdout
    assert repr(ul.open("s.npz")).startswith("State of 2 samples after 3 time steps: v, u, late of 7 neurons, network ")


def test_a_state_that_does_not_belong_there_is_one_sentence_and_writes_nothing(here: Path):
    run = ("run", "net.npz", "--on", "reference", "--data", "rest.npy")
    assert call(*run, "--keep-state", "s.npz", "--out", "a.npz").exit_code == 0
    npz.save(chain(6, 4, 3), here / "other.npz")
    before = sorted(here.iterdir())
    said = refused(2, "run", "other.npz", *run[2:], "--state", "s.npz", "--out", "c.npz")
    assert "the state is of network" in said
    assert "holds a Trace; here a State is needed" in refused(2, *run, "--state", "a.npz", "--out", "c.npz")
    assert "is read here, too" in refused(2, *run, "--state", "s.npz", "--keep-state", "s.npz", "--out", "c.npz")
    assert "two results" in refused(2, *run, "--keep-state", "c.npz", "--out", "c.npz")
    assert sorted(here.iterdir()) == before
