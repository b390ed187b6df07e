"""Jobs of the grid: each trains, tests and maps; on Lava, as a control, without a speaker, on cores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import npz
from exchange.toml import read_toml
from experiments import grid, grid_tables, grid_training, nmnist_like, shd_like_recurrent
from experiments.grid_measures import BUDGETS, KEPT, unpacked
from stimuli.spoken import Recordings
from tests.experiments.test_grid import SETTINGS
from trainer.build import build_network


def toy(kinds: list[str], **changes: Any) -> dict[str, Any]:
    """A stage of few samples and one epoch, one setting and one seed."""
    stage = {"samples": 40, "epochs": 1, "test_samples": 8, "real_samples": 0, "seeds": [3], "cpu_s": 1.0}
    return {**stage, "tried": [[1e-3, 0.0]], "kinds": kinds, **changes}


@pytest.mark.parametrize("kind", ["layered", "per-core fifo, early", "order-free", "0.2 dropped, then random"])
def test_a_job_trains_tests_and_maps(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grid_training, "NETWORKS", tmp_path)
    small = {"data": "digits", "real": True, "hidden": [40, 8], "groups": [8]}  # of which the stage tests none
    made = grid.jobs({**SETTINGS, **small, "stages": {"toy": toy([kind], tried=[[1e-3, 0.1]])}})
    (job,) = made
    (found,) = grid.run(job)
    assert found["seed"] == 3 and set(found["test"]) == {name for name, _ in grid.schedules(job.what)}
    own = found["test"][found["own"]]
    assert set(own["samples"]) == set(KEPT) and len(own["curve"]) == len(BUDGETS)
    assert own["drained_spikes"] > 0 and found["mapped"]["8 bits"]["cores"] == 4
    again = grid.run(job)[0]  # the network is there, nothing is trained anew
    assert again == found
    rows = [{**job.what, **found, "job": job.name, "cpu_s": 1.0}]
    assert grid_tables.parts({**SETTINGS, **small}, rows)[0].rows[0][0] == kind


def test_another_commit_trains_its_own_network(monkeypatch: pytest.MonkeyPatch):
    job = next(iter(nmnist_like.jobs(SETTINGS)))
    monkeypatch.setattr(grid_training, "commit_of", lambda path: "a" * 40)
    clean = grid_training.folder_of(job)
    monkeypatch.setattr(grid_training, "commit_of", lambda path: "a" * 40 + "+")
    assert clean.name == f"{job.key}-aaaaaaaaa" and grid_training.folder_of(job).name == clean.name + "+"


def test_a_network_on_lava_is_compared_value_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("lava.magma")
    monkeypatch.setattr(grid_training, "NETWORKS", tmp_path)
    small = {"data": "digits", "real": False, "hidden": [20], "groups": [8]}
    stage = toy(["momentum", "fifo"], tried=[[1e-3, 0.0], [1e-3, 0.1]], lava_samples=3)
    made = grid.jobs({**SETTINGS, **small, "stages": {"toy": stage}})
    assert [job.what.get("lava_samples") for job in made] == [3, None, None, None]
    (found,) = grid.run(made[0])
    assert found["lava"]["samples"] == 3 and found["lava"]["differing"] == 0 < found["lava"]["spikes_compared"]
    rows = [{**made[0].what, **found, "job": made[0].name, "cpu_s": 1.0}]
    assert grid_tables.parts({**SETTINGS, **small}, rows)[-1].rows[0][6] == "0"


def test_a_control_is_trained_layered_first_and_ends_in_random_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grid_training, "NETWORKS", tmp_path)
    small = {"data": "digits", "real": False, "hidden": [20], "groups": [8]}
    stage = toy(["0.8 dropped, then random"], epochs=8)
    (job,) = grid.jobs({**SETTINGS, **small, "stages": {"toy": stage}})
    grid_training.trained(job)
    first, last = (
        json.loads((grid_training.folder_of(job) / folder / "config.json").read_text()) for folder in ("before", ".")
    )
    assert (first["schedule"]["kind"], first["epochs"], first["options"]["spike_dropout"]) == ("layered", 6, 0.8)
    assert (last["schedule"]["order"], last["epochs"], last["options"]["spike_dropout"]) == ("random", 2, 0.0)
    assert last["start"].endswith("before")


@pytest.mark.parametrize("kind", ["layered", "0.2 dropped, then random", "per-core fifo"])
def test_a_speaker_is_left_out_and_networks_may_feed_back(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows of one seed, a speaker each: what is compared sample by sample stands side by side."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(100, 200, 60)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    n = int(begins[-1])
    told = Recordings(rng.integers(0, 10**6, n), rng.integers(0, 700, n), begins, np.arange(60) % 10, np.arange(60) % 3)
    monkeypatch.setattr(grid_training, "recordings", lambda: told)
    monkeypatch.setattr(grid_training, "NETWORKS", tmp_path)
    settings = read_toml(Path(shd_like_recurrent.__file__).with_suffix(".toml"), "settings ")
    settings.pop("quick")
    kinds = ["layered", kind][kind == "layered" :]
    stage = toy(kinds, samples=0, epochs=4, test_samples=0, seeds=[0], speakers=[0, 2])
    settings |= {"hidden": [12], "groups": [8], "stages": {"toy": stage}}
    made, rows = shd_like_recurrent.jobs(settings), []
    assert len({job.key for job in made}) == len(made) == 2 * len(kinds)
    for job in made:
        (found,) = shd_like_recurrent.run(job)
        rows.append({**job.what, **found, "job": job.name, "cpu_s": 1.0})
        assert (grid_training.data_of(job.what, "test").labels == told.labels[job.what["speaker"] :: 3]).all()
        network = npz.load(grid_training.folder_of(job) / "network.npz")
        assert [(e.pre, e.post) for e in network.projections if e.pre == e.post] == [("layer0", "layer0")]
    (first, *_), parts = rows, shd_like_recurrent.parts(settings, rows)
    assert parts[0].rows[0][4] == 1 and len(unpacked(first["test"]["layered"]["samples"]["right"])) == 20
    assert kind == "layered" or parts[1].rows[0][2] == 1


def test_cores_hold_at_most_32_neurons_and_are_at_least_7():
    what = next(iter(nmnist_like.jobs(SETTINGS))).what | {"kind": "random"}
    network = build_network(grid_training.configured(what)).export()
    parts = grid_training.cores_of(network)
    assert [len(x) for x in parts] == [32] * 6 + [10]
    mapped = grid_training.mapped_of(replace(network), 8)
    assert np.bincount(mapped.core_of_neuron).tolist() == [32] * 6 + [10]
