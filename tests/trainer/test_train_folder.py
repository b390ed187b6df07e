"""A train folder holds one run, whole, wherever it was killed; what is missing comes back on resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from exchange.train_files import FILES
from ir import FormatError, Network, QuantizedNetwork, Schedule
from mapper import map_network
from tests.trainer.test_fit import CONFIG, toy, weights
from trainer.config import TrainConfig
from trainer.fit import train


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def killed_at(name: str, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """From now on the write of ``name`` in epoch ``epoch`` (from 0) ends the process just before it."""
    written = 0

    def write(path: Path, content: bytes) -> None:
        nonlocal written
        if Path(path).name == name:
            if written == epoch:
                raise Killed
            written += 1
        npz.write_together({Path(path): content})

    for module in ("trainer.checkpoint", "trainer.train_folder"):
        monkeypatch.setattr(f"{module}.write_atomically", write)


def history(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("name", ["best.pt", "last.pt", "config.json", "metrics.json"])
def test_a_kill_between_any_two_files_is_made_good_on_resume(tmp_path: Path, monkeypatch, name: str, epoch: int):
    config = replace(CONFIG, epochs=3)
    train(config, tmp_path / "whole", stimulus=toy())
    monkeypatch.setattr("trainer.train_folder.max", lambda found, key: found[-1], raising=False)  # each epoch the best
    killed_at(name, monkeypatch, epoch)
    with pytest.raises(Killed):
        train(replace(config, keep="last"), tmp_path / "cut", stimulus=toy())
    monkeypatch.undo()
    train(replace(config, keep="last"), tmp_path / "cut", resume=True, stimulus=toy())
    unlike = ("samples_per_s",)
    told = [[{k: v for k, v in m.items() if k not in unlike} for m in history(tmp_path / f)] for f in ("whole", "cut")]
    assert told[0] == told[1] and len(told[1]) == 3


def test_a_finished_run_whose_history_is_short_gets_it_back(tmp_path: Path):
    train(CONFIG, tmp_path, stimulus=toy())
    whole = history(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(whole[:1]))
    train(CONFIG, tmp_path, resume=True, stimulus=toy())
    assert history(tmp_path) == whole


def test_an_earlier_run_stays_whole_until_the_first_checkpoint(tmp_path: Path, monkeypatch):
    train(CONFIG, tmp_path, stimulus=toy())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        train(replace(CONFIG, seed=6), tmp_path, report=stop, stimulus=toy())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    killed_at("last.pt", monkeypatch, 0)
    with pytest.raises(Killed):
        train(replace(CONFIG, seed=6), tmp_path, stimulus=toy())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_kill_between_the_first_checkpoints_leaves_one_run_that_goes_on(tmp_path: Path, monkeypatch):
    new = replace(CONFIG, seed=6, epochs=1)
    train(CONFIG, tmp_path / "cut", stimulus=toy())
    with monkeypatch.context() as patch:
        killed_at("best.pt", patch, 0)
        with pytest.raises(Killed):
            train(new, tmp_path / "cut", stimulus=toy())
    assert not (tmp_path / "cut" / "network.npz").exists(), "results of another run"
    for folder in ("cut", "whole"):
        train(new, tmp_path / folder, resume=True, stimulus=toy())
    a, b = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    assert all((x == y).all() for x, y in zip(a, b)) and len(history(tmp_path / "cut")) == 1


def test_a_run_in_floats_leaves_no_integers_of_an_earlier_one(tmp_path: Path):
    train(replace(CONFIG, weight_bits=4), tmp_path, stimulus=toy())
    assert npz.load(tmp_path / "quantized.npz", QuantizedNetwork).n_neurons == 18
    train(CONFIG, tmp_path, stimulus=toy())
    assert not (tmp_path / "quantized.npz").exists() and len(weights(tmp_path)) == 2


def test_litter_of_a_killed_run_goes_at_the_next_start(tmp_path: Path):
    for name in FILES:
        (tmp_path / f".{name}.k3_x9aZ0").write_bytes(b"half")
    done: list[int] = []
    train(replace(CONFIG, epochs=1), tmp_path, report=lambda *_: done.append(len(litter(tmp_path))), stimulus=toy())
    assert done and not any(done) and litter(tmp_path) == []


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_checkpoints_are_told_with_the_epochs_they_keep(tmp_path: Path):
    told: list[int] = []
    train(CONFIG, tmp_path, stimulus=toy(), kept=told.append)
    assert told == [1, 2]
    train(replace(CONFIG, epochs=3), tmp_path, resume=True, stimulus=toy(), kept=told.append)
    assert told == [1, 2, 3]
    np.testing.assert_equal(len(history(tmp_path)), 3)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("start", ["net", "net/network.npz", "link", "elsewhere/../net"])
def test_a_run_does_not_replace_the_network_that_it_begins_from(tmp_path: Path, start: str, resume: bool):
    train(CONFIG, tmp_path / "net", stimulus=toy())
    (tmp_path / "link").symlink_to("net")
    (tmp_path / "elsewhere").mkdir()
    before = contents(tmp_path / "net")
    on = TrainConfig(start=str(tmp_path / start), epochs=1, batch_size=20)
    with pytest.raises(FormatError, match=r"network\.npz: it is read here, too, and would be gone; choose another"):
        train(on, tmp_path / "net", resume, stimulus=toy())
    assert contents(tmp_path / "net") == before


def test_a_run_does_not_replace_the_map_whose_cores_it_has(tmp_path: Path):
    train(CONFIG, tmp_path / "net", stimulus=toy())
    mapped = tmp_path / "net" / "quantized.npz"
    npz.save(map_network(npz.load(tmp_path / "net" / "network.npz", Network), find_chip("loihi2")), mapped)
    before = contents(tmp_path / "net")
    on = replace(CONFIG, schedule=Schedule(F=4, scope="core"), partition=str(mapped))
    with pytest.raises(FormatError, match=r"quantized\.npz: it is read here, too"):
        train(on, tmp_path / "net", stimulus=toy())
    assert contents(tmp_path / "net") == before


def test_what_a_run_begins_from_may_lie_beside_what_it_leaves(tmp_path: Path):
    train(CONFIG, tmp_path / "before", stimulus=toy())
    (tmp_path / "before" / "network.npz").rename(tmp_path / "start.npz")
    on = TrainConfig(start=str(tmp_path / "start.npz"), epochs=1, batch_size=20)
    for resume in (False, True):
        train(on, tmp_path, resume, stimulus=toy())
    assert {"start.npz", "network.npz"} <= set(contents(tmp_path))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
