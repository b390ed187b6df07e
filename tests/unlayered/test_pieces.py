"""``--out NAME.pieces``: the same run, on disk in pieces; compared and diffed piece by piece, on every executor."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.pieces import open_pieces
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Trace
from tests.unlayered.verbs import call, refused
from unlayered import pieces

pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'unlayered[pieces]'")


@pytest.fixture
def many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """11 samples in no order, four to a piece."""
    monkeypatch.setattr(pieces, "MOST_SAMPLES", 4)
    rng = np.random.default_rng(4)
    stimulus = Stimulus(rng.integers(0, 2, (5, 11, 12)), rng.permutation(11), rng.integers(0, 4, 11))
    npz.save(stimulus, folder / "many.npz")
    return folder / "many.npz"


def numbers(done) -> dict:
    assert done.exit_code == 0, done.output
    return {name: value for name, value in json.loads(done.stdout).items() if name != "trace"}


def same_bits(path: Path, whole: Path) -> bool:
    return bytes(npz.encoded(open_pieces(path).whole())) == bytes(npz.encoded(npz.load(whole, Trace)))


@pytest.mark.parametrize("on", ["reference", "trainer", "clockless"])
@pytest.mark.parametrize("file", ["mapped.npz", "network.npz"])
def test_a_run_in_pieces_is_the_run(folder: Path, many: Path, on: str, file: str):
    words = "run", folder / file, "--on", on, "--data", many, "--json"
    if on == "clockless":
        words = (*words, "--F", "1", "--order", "fifo", "--scope", "core")
    one, other = call(*words, "--out", folder / "a.npz"), call(*words, "--out", folder / "a.pieces")
    if one.exit_code == 2:  # a network that this executor refuses, in pieces too
        assert other.exit_code == 2 and not (folder / "a.pieces").exists()
        return
    assert numbers(one) == numbers(other)
    assert same_bits(folder / "a.pieces", folder / "a.npz") and len(open_pieces(folder / "a.pieces")) == 3
    assert call("compare", folder / "a.npz", folder / "a.pieces").exit_code == 0
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_a_state_goes_on_in_pieces(folder: Path, many: Path):
    stimulus = npz.load(many, Stimulus)
    npz.save(stimulus.steps(0, 3), folder / "begin.npz")
    npz.save(stimulus.steps(3, 5), folder / "end.npz")
    for ending in ("npz", "pieces"):
        words = "run", folder / "mapped.npz", "--on", "reference", "--data"
        done = call(*words, folder / "begin.npz", "--keep-state", folder / f"s-{ending}.npz", "--out",
                    folder / f"first.{ending}")  # fmt: skip
        assert done.exit_code == 0, done.output
        done = call(*words, folder / "end.npz", "--state", folder / f"s-{ending}.npz", "--out",
                    folder / f"then.{ending}")  # fmt: skip
        assert done.exit_code == 0, done.output
    one, other = (npz.load(folder / f"s-{ending}.npz", State) for ending in ("npz", "pieces"))
    assert bytes(npz.encoded(one)) == bytes(npz.encoded(other))
    assert same_bits(folder / "then.pieces", folder / "then.npz")


def test_compare_and_diff_name_the_same_first_event(folder: Path, many: Path):
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many
    for name, seed in (("a", "1"), ("b", "2")):
        for ending in ("npz", "pieces"):
            call(*words, "--F", "1", "--order", "random", "--seed", seed, "--out", folder / f"{name}.{ending}")
    compared, diffed = [], []
    for a, b in (("a.npz", "b.npz"), ("a.pieces", "b.pieces"), ("a.npz", "b.pieces"), ("a.pieces", "b.npz")):
        done = call("compare", folder / a, folder / b, "--json")
        assert done.exit_code == 1, done.output
        compared.append(json.loads(done.stdout))
        done = call("diff", folder / a, folder / b, "--json")
        assert done.exit_code == 1, done.output
        (pair,) = json.loads(done.stdout)["pairs"]
        diffed.append({key: value for key, value in pair.items() if key not in ("names", "a", "b")})
    assert all(value == compared[0] for value in compared)
    assert all(_rounded(value) == _rounded(diffed[0]) for value in diffed)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(x) for key, x in value.items()}
    if isinstance(value, list):
        return [_rounded(x) for x in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def test_a_network_is_explained_beside_a_trace_in_pieces(folder: Path, many: Path):
    call("run", folder / "mapped.npz", "--on", "reference", "--data", many, "--F", "1", "--out", folder / "a.pieces")
    call("run", folder / "mapped.npz", "--on", "reference", "--data", many, "--F", "1", "--out", folder / "a.npz")
    said = [
        call("diff", folder / "mapped.npz", folder / name, "--data", many, "--json") for name in ("a.npz", "a.pieces")
    ]
    assert said[0].stdout.replace("a.npz", "a.pieces") == said[1].stdout


def test_inspect_adds_up_what_lies_in_pieces(folder: Path, many: Path):
    for name in ("a.npz", "a.pieces"):
        call("run", folder / "mapped.npz", "--on", "reference", "--data", many, "--out", folder / name)
    one, other = (numbers(call("inspect", folder / name, "--json")) for name in ("a.npz", "a.pieces"))
    assert other.pop("pieces") == 3 and one == other


def test_what_needs_a_trace_in_memory_says_so(folder: Path, many: Path):
    words = "run", folder / "mapped.npz", "--on", "clockless", "--data", many, "--out", folder / "a.pieces"
    assert "ends in .npz" in refused(2, *words, "--timeline", folder / "a.svg")
    assert not (folder / "a.pieces").exists() and not (folder / "a.svg").exists()


def test_a_folder_that_is_there_is_not_replaced(folder: Path, many: Path):
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many, "--out", folder / "a.pieces"
    assert call(*words).exit_code == 0
    assert "is there already; remove it first" in refused(2, *words)


def test_without_pyarrow_the_way_out_is_said(folder: Path, many: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many, "--out", folder / "a.pieces"
    assert "pip install 'unlayered[pieces]'" in refused(3, *words)


def test_a_full_disk_leaves_nothing(folder: Path, many: Path, monkeypatch: pytest.MonkeyPatch):
    def full(a: object, b: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exchange.pieces_out.os.replace", full)
    words = "run", folder / "mapped.npz", "--on", "reference", "--data", many, "--out", folder / "a.pieces"
    assert "No space left on device" in refused(2, *words)
    assert set(os.listdir(folder)) == {"data.npz", "mapped.npz", "many.npz", "network.npz"}
