"""Own data go the whole road: trained, mapped, run, from the command line and from Python, held or streamed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unlayered as ul
from stimuli.own.data import Data
from tests.stimuli.own.recordings import events, folder, write
from tests.unlayered.verbs import call, refused

ROOT = Path(__file__).parent.parent
OPTIONS = {"sensor": [8, 8, 2], "n_steps": 5}
CONFIG = ul.TrainConfig(layers=("16", "3"), epochs=4, batch_size=4, initial_density=0.05, learning_rate=1e-2)
TOML = """
data = "folder:own"
layers = ["16", "3"]
epochs = 4
batch_size = 4
initial_density = 0.05
learning_rate = 1e-2
[data_options]
sensor = [8, 8, 2]
n_steps = 5
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with own recordings and an own.toml, in which the test stands."""
    folder(tmp_path / "own", n=8)
    (tmp_path / "own.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*words: object) -> dict[str, Any]:
    """A verb's own JSON."""
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_folder_of_events_is_trained_mapped_and_run_from_the_command_line(here: Path):
    done("train", "own.toml", "--out", "net")
    option = [word for pair in ("n_steps=5", "sensor=[8,8,2]") for word in ("--data-option", pair)]
    mapped = done("map", "net", "--chip", "loihi2", "--calibrate", "folder:own", *option, "--out", "m.npz")
    assert mapped["cost"] is not None
    ran = done("run", "m.npz", "--on", "reference", "--data", "folder:own", *option, "--out", "a.npz")
    trace = ul.open("a.npz")
    assert isinstance(trace, ul.Trace) and ran["accuracy"] > 0.8 and len(trace.sample_ids) == 24
    (here / "own" / "data.toml").write_text("n_steps = 5\nsensor = [8, 8, 2]\nmemory_mb = 0\n")
    again = done("run", "m.npz", "--on", "reference", "--data", "folder:own", "--out", "b.npz")
    assert call("compare", "a.npz", "b.npz").exit_code == 0, "in pieces it is the same run"
    assert again["cost"] == ran["cost"]


def test_other_time_steps_than_the_networks_are_told(here: Path):
    done("train", "own.toml", "--epochs", "1", "--out", "net")
    run = ("run", "net", "--on", "reference", "--data", "folder:own", "--data-option", "n_steps=5", "--out", "a.npz")
    assert "binned in time steps" not in call(*run).stdout
    said = " ".join(call(*run, "--data-option", "window_us=5000").stdout.split())
    assert "is binned in time steps of 5 ms, the network has 10 ms: --data-option window_us=10000" in said


def test_no_more_than_a_batch_is_read_where_data_do_not_fit(here: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []
    whole = Data._gathered

    def watched(self: Data, ids: Any, *how: Any) -> Any:
        read.append(len(ids))
        return whole(self, ids, *how)

    monkeypatch.setattr(Data, "_gathered", watched)
    monkeypatch.setattr("stimuli.own.data.PIECE_BYTES", 4 * 5 * 128)
    train = ul.data("folder:own", "train", options={**OPTIONS, "memory_mb": 0})
    network = ul.train(CONFIG, "net", data=train).export()
    trace = ul.run(network, train)
    assert len(trace.sample_ids) == 24
    assert [n for n in read if n > CONFIG.batch_size] == [22], "the initial density looks at up to 256 samples once"


def test_data_on_the_command_line_replace_those_of_the_configuration(here: Path):
    (here / "own" / "data.toml").write_text("n_steps = 3\nmerge_polarity = true\n")
    (here / "plain.toml").write_text('layers = ["3"]\nepochs = 1\n')
    done("train", "plain.toml", "--data", "folder:own", "--data-option", "n_steps=4", "--out", "net")
    config = json.loads((here / "net" / "config.json").read_text())
    assert config["data"] == "folder:own" and config["data_options"] == {"n_steps": 4}
    network = ul.open("net")
    assert isinstance(network, ul.Network) and network.n_inputs == 64 and network.dt_s == 0.01


def test_streamed_training_is_the_same_to_the_last_bit_and_goes_on_after_a_stop(here: Path):
    nets = []
    for memory in (1024, 0):
        train = ul.data("folder:own", "train", options={**OPTIONS, "memory_mb": memory})
        assert isinstance(train, Data) and train.fits == bool(memory)
        nets.append(ul.train(CONFIG, f"net{memory}", data=train).export())
    for a, b in zip(nets[0].projections, nets[1].projections):
        np.testing.assert_array_equal(a.connection.weight, b.connection.weight)
    half = ul.train(ul.TrainConfig(**{**vars(CONFIG), "epochs": 2}), "half", data=train)
    assert half is not None
    whole = ul.train(CONFIG, "half", resume=True, data=train).export()
    np.testing.assert_array_equal(whole.projections[0].connection.weight, nets[0].projections[0].connection.weight)


def test_time_stamps_reach_training_held_and_streamed(here: Path):
    paced = ul.TrainConfig(**{**vars(CONFIG), "epochs": 1, "schedule": ul.Schedule(F=8, input="paced", R=4)})
    weights = []
    for memory in (1024, 0):
        train = ul.data("folder:own", "train", options={**OPTIONS, "memory_mb": memory})
        weights.append(ul.train(paced, f"net{memory}", data=train).export().projections[0].connection.weight)
    np.testing.assert_array_equal(*weights)


def test_a_dataset_of_torch_is_trained_mapped_and_run_in_python(tmp_path: Path):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x = (torch.rand(60, 6, 1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.15).float()
    y = torch.arange(60) % 3
    for i in range(60):
        x[i, :, 0, y[i]] = 1
    dataset = TensorDataset(x, y)
    train, test = ul.data(DataLoader(dataset, batch_size=8)), ul.data(dataset, samples=9)
    config = ul.TrainConfig(**{**vars(CONFIG), "epochs": 8})
    network = ul.train(config, tmp_path / "net", data=train).export()
    trace = ul.run(ul.map(network), test)
    assert ul.statistics(trace).accuracy > 0.8 and len(trace.sample_ids) == 9
    direct = ul.train(config, tmp_path / "direct", data=dataset).export()
    np.testing.assert_array_equal(direct.projections[0].connection.weight, network.projections[0].connection.weight)


def test_own_currents_train_in_floats_and_a_chips_integers_refuse_them(tmp_path: Path):
    light = np.random.default_rng(0).random((12, 3, 5)).astype(np.float32)
    data = [(x, i % 3) for i, x in enumerate(light)]
    ul.train(CONFIG, tmp_path / "net", data=data)
    for memory in (1024, 0):
        with pytest.raises(ValueError, match="is a current, and a chip's integers"):
            bits = ul.TrainConfig(**{**vars(CONFIG), "weight_bits": 8, "data_options": {}})
            ul.train(bits, tmp_path / "bits", data=ul.data(data, options={"memory_mb": memory}))


@pytest.mark.parametrize("name", ["own_folder", "own_dataset", "currents"])
def test_the_examples_run_and_learn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    text = (ROOT / "examples" / f"{name}.py").read_text()
    assert text.count("\n") <= 30
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
    said = capsys.readouterr().out
    assert float(said.split()[-1]) > 0.9, said


def test_what_is_wrong_is_one_sentence_with_exit_code_2_and_leaves_nothing(here: Path):
    write(here / "own" / "train" / "left" / "bad.npy", events(0)[::-1])
    said = refused(2, "train", "own.toml", "--out", "net")
    assert "bad.npy: event 1 has t" in said and "sort the events by time" in said
    assert not (here / "net").exists()
    (here / "own" / "train" / "left" / "bad.npy").unlink()
    done("train", "own.toml", "--epochs", "1", "--out", "net")
    run = ("run", "net", "--on", "reference", "--out", "t.npz", "--data")
    assert "is a folder; for recordings of your own give folder:own" in refused(2, *run, "own")
    assert "nowhere does not exist" in refused(2, *run, "folder:nowhere")
    assert "give folder:PATH" in refused(2, *run, "folder:")
    assert "has no meaning for 'digits'" in refused(2, *run, "digits", "--data-option", "n_steps=3")
    assert "give KEY=VALUE" in refused(2, *run, "folder:own", "--data-option", "n_steps")
    assert "unknown keys n_step (did you mean n_steps?)" in refused(2, *run, "folder:own", "--data-option", "n_step=3")
    assert "64 inputs a frame, the network has 128" in refused(
        2, *run, "folder:own", "--data-option", "merge_polarity=true"
    )
    inside = here / "own" / "test" / "left" / "0.npy"
    assert "among what is read" in refused(2, *run[:-2], inside, "--data", "folder:own")
    assert "data is 'own', which only Python can give" in refused(2, "train", "own.toml", "--data", "own", "--out", "n")
    assert not (here / "t.npz").exists()


def test_options_for_a_built_in_data_set_are_refused(here: Path):
    said = refused(2, "train", "own.toml", "--data", "digits", "--out", "net")
    assert "data_options have no meaning for data set 'digits'" in said
    (here / "own.toml").write_text(TOML.replace("n_steps = 5", "n_steps = -5"))
    assert "own.toml, line 10: data_options: n_steps is -5" in refused(2, "train", "own.toml", "--out", "net")
