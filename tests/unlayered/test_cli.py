"""Verbs do what they say and end with the right exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.trace import Trace
from tests.unlayered.verbs import call
from trainer.config import preset_names
from unlayered.sources import chip_names
from unlayered.verbs.train import PRESETS


def spawn(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a verb in a process of its own, as a person does."""
    command = [sys.executable, "-m", "unlayered", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def files(folder: Path) -> Path:
    """A folder with mapped.npz, network.npz, data.npz and a trace of the mapped network."""
    done = call(
        "run",
        folder / "mapped.npz",
        "--on",
        "reference",
        "--data",
        folder / "data.npz",
        "--out",
        folder / "a.npz",
    )
    assert done.exit_code == 0, done.output
    return folder


def test_help_teaches_with_examples():
    done = call("--help")
    assert done.exit_code == 0 and "unlayered demo" in done.output
    for verb in ("demo", "train", "map", "run", "compare", "inspect"):
        assert f"unlayered {verb}" in call(verb, "--help").output


@pytest.mark.parametrize("verb", ["train", "map", "export", "inspect"])
def test_help_sets_every_example_alike_and_gives_flags_no_value(verb: str):
    lines = call(verb, "--help").output.splitlines()
    examples = [line for line in lines if line.strip().startswith(f"unlayered {verb} ")]
    assert len(examples) >= 3 and {len(line) - len(line.lstrip()) for line in examples} == {1}
    assert "<bool>" not in "".join(lines) and any("Examples" in line for line in lines)


def test_help_names_every_preset():
    assert set(re.findall(r"[\w-]+", PRESETS)) >= set(preset_names())


@pytest.mark.parametrize("verb", ["map", "check"])
def test_help_names_every_chip(verb: str):
    assert f"{', '.join(chip_names())} or a .toml file" in " ".join(re.findall(r"[^\s│]+", call(verb, "--help").output))


def test_the_version_is_printed():
    assert call("--version").output.startswith("unlayered 0.")


def test_a_run_leaves_a_trace_with_every_spike(files: Path):
    trace = npz.load(files / "a.npz", Trace)
    assert trace.executor == "E2" and trace.spikes is not None and len(trace.spikes) > 10
    assert trace.core_of_neuron is not None and trace.schedule.F == 2


def test_flags_change_the_schedule_and_leave_the_rest(files: Path):
    words = ["run", files / "mapped.npz", "--on", "reference", "--data", files / "data.npz", "--out", files / "b.npz"]
    assert call(*words, "--F", "all", "--order", "random", "--seed", 9, "--samples", 2).exit_code == 0
    trace = npz.load(files / "b.npz", Trace)
    assert (trace.schedule.F, trace.schedule.order, trace.schedule.seed) == (None, "random", 9)
    assert trace.counts.shape[0] == 2
    assert call(*words, "--schedule", "layered").exit_code == 0
    assert npz.load(files / "b.npz", Trace).schedule.kind == "layered"


def test_trainer_and_reference_agree_from_the_command_line(files: Path):
    words = ["run", files / "mapped.npz", "--on", "trainer", "--data", files / "data.npz", "--out", files / "b.npz"]
    assert call(*words).exit_code == 0
    done = call("compare", files / "a.npz", files / "b.npz", "--json")
    value = json.loads(done.output)
    assert done.exit_code == 0 and value["equal"] and value["differing"] == 0 and value["spikes_compared"] > 10
    assert (value["a"], value["b"]) == ("E2", "E1")


def test_floats_run_as_they_are_and_as_integers_of_a_chip(files: Path):
    words = ["run", files / "network.npz", "--on", "reference", "--data", files / "data.npz", "--out", files / "b.npz"]
    assert call(*words).exit_code == 0
    assert npz.load(files / "b.npz", Trace).executor == "E0"
    assert call(*words, "--chip", "loihi2").exit_code == 0
    assert npz.load(files / "b.npz", Trace).executor == "E2"


def test_one_changed_weight_is_found_with_its_full_address(files: Path, mapped: MappedNetwork):
    first = mapped.network.projections[0]
    weight = first.connection.weight.copy()
    weight[3, 0] = 254 if weight[3, 0] < 0 else -256
    changed = replace(first, connection=Dense(weight))
    network = replace(mapped.network, projections=(changed, *mapped.network.projections[1:]))
    npz.save(replace(mapped, network=network), files / "changed.npz")
    for name, out in (("mapped.npz", "a.npz"), ("changed.npz", "b.npz")):
        words = ["--data", files / "data.npz", "--F", "all", "--out", files / out]
        assert call("run", files / name, "--on", "reference", *words).exit_code == 0
    done = call("compare", files / "a.npz", files / "b.npz", "--json")
    value = json.loads(done.output)
    assert done.exit_code == 1 and not value["equal"] and value["differing"] > 0
    assert {"sample", "t", "k", "population", "neuron", "core"} <= value["first"].keys()
    assert value["first"]["population"] == "hidden" and value["first"]["neuron"] == 3 and value["first"]["core"] == 0
    text = call("compare", files / "a.npz", files / "b.npz").output
    for word in ("sample", "time step", "forward step", "neuron 3 of 'hidden'", "core 0"):
        assert word in text


def test_comparing_different_runs_is_bad_input(files: Path):
    call(
        "run",
        files / "mapped.npz",
        "--on",
        "reference",
        "--data",
        files / "data.npz",
        "--out",
        files / "b.npz",
        "--samples",
        1,
    )
    assert call("compare", files / "a.npz", files / "b.npz").exit_code == 2


@pytest.mark.parametrize("name", ["mapped.npz", "network.npz", "data.npz", "a.npz"])
def test_inspect_says_what_a_file_holds(files: Path, name: str):
    kinds = {"mapped.npz": "MappedNetwork", "network.npz": "Network", "data.npz": "Stimulus", "a.npz": "Trace"}
    value = json.loads(call("inspect", files / name, "--json").output)
    assert value["kind"] == kinds[name]
    assert kinds[name] in call("inspect", files / name).output


def test_a_train_folder_is_a_network(files: Path):
    assert json.loads(call("inspect", files, "--json").output)["neurons"] == 12


def test_chips_come_with_their_sources():
    value = json.loads(call("chips", "--json").output)
    assert {chip["name"] for chip in value["chips"]} >= {"loihi1", "loihi2"}
    assert all(chip["sources"] for chip in value["chips"])
    assert "loihi2" in call("chips").output


def test_mapping_gives_every_neuron_an_address(files: Path):
    done = call("map", files / "network.npz", "--chip", "loihi2", "--out", files / "m.npz", "--json")
    assert done.exit_code == 0, done.output
    mapped = npz.load(files / "m.npz", MappedNetwork)
    assert mapped.network.n_neurons == json.loads(done.output)["neurons"] == 12
    assert mapped.chip is not None and mapped.chip.name == "loihi2"


@pytest.mark.parametrize("shape", [(5, 12), (5, 2, 12), (5, 3, 2, 2), (5, 1, 3, 2, 2)], ids=str)
def test_plain_arrays_are_frames(files: Path, shape: tuple[int, ...]):
    np.save(files / "frames.npy", np.ones(shape, np.float32))
    words = ["run", files / "mapped.npz", "--on", "reference", "--data", files / "frames.npy", "--out", files / "b.npz"]
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert npz.load(files / "b.npz", Trace).forward_steps.shape[0] == 5


def test_ctrl_c_ends_with_130_and_no_traceback(files: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(npz, "load", interrupted)
    done = call("compare", files / "a.npz", files / "a.npz")
    assert done.exit_code == 130 and "Traceback" not in done.output


def test_exit_codes_of_a_process_of_its_own(files: Path):
    assert spawn("compare", files / "a.npz", files / "a.npz").returncode == 0
    bad = spawn("compare", files / "a.npz", files / "gone.npz")
    assert bad.returncode == 2 and bad.stdout == "" and bad.stderr.count("\n") == 1
    changed = files / "other.npz"
    spawn("run", files / "mapped.npz", "--on", "reference", "--data", files / "data.npz", "--F", 1, "--out", changed)
    assert spawn("compare", files / "a.npz", changed).returncode == 1


@pytest.mark.parametrize("to", ["nir", "onnx"])
def test_an_exported_network_goes_in_where_it_came_out(files: Path, to: str):
    out = files / f"exported.{to}"
    done = call("export", files / "network.npz", "--to", to, "--out", out, "--json")
    assert done.exit_code == 0 and json.loads(done.output)["bytes"] == out.stat().st_size
    described = json.loads(call("inspect", out, "--json").output)
    assert (described["kind"], described["neurons"]) == ("Network", 12)


def test_check_answers_for_every_node_with_exit_0_or_1(files: Path):
    done = call("check", files / "network.npz", "--chip", "loihi2", "--json")
    value = json.loads(done.output)
    assert done.exit_code == 0 and value["ok"] and {"nodes", "semantics"} <= value.keys()
    assert {node["name"] for node in value["nodes"]} >= {"in", "hidden", "out"}
    assert "What a time step means" in call("check", files / "network.npz", "--chip", "loihi1").output


def test_verify_without_recordings_is_bad_input(files: Path):
    assert call("verify", files / "network.npz", "--against", files).exit_code == 2
    assert call("export", files / "network.npz", "--to", "pdf", "--out", files / "x").exit_code == 2
