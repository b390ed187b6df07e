"""Whatever goes wrong with mapping: one sentence, and no file."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import CHIPS
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Network, Population
from ir.neurons import LIF
from tests.unlayered.verbs import call, map_refused, refused, small_chip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--preset", "best"], "'fast', 'default', 'quality'"),
        (["--bits", "5"], "8, 6, 4, 3, 2"),
        (["--schedule", "often"], "'asynchronous', 'layered'"),
        (["--calibrate", "gone.npz"], "does not exist"),
        (["--report", "no/such/map.html"], "there is no folder"),
        (["--report", "."], "name a file in it"),
        (["--seed", "-1"], "it must lie in 0..1073741823"),
        (["--seed", str(1 << 80)], "it must lie in 0..1073741823"),
    ],
    ids=str,
)
def test_wrong_options_say_what_is_right(folder: Path, words: list[str], says: str):
    assert says in map_refused(folder, folder / "network.npz", "--chip", "loihi2", *words)


@pytest.mark.parametrize("name", ["network.npz", "net/network.npz", "net/quantized.npz", "data.npz", "link.npz"])
def test_a_map_does_not_replace_what_it_is_made_of(folder: Path, name: str):
    (folder / "net").mkdir()
    for inner in ("network.npz", "quantized.npz"):
        (folder / "net" / inner).write_bytes((folder / "network.npz").read_bytes())
    (folder / "link.npz").symlink_to("network.npz")
    before = (folder / name).read_bytes()
    network = folder / ("net" if name.startswith("net/") else "network.npz")
    words = ["map", network, "--chip", "loihi2", "--calibrate", folder / "data.npz", "--out", folder / name]
    assert "it is read here, too, and would be gone" in refused(2, *words)
    assert (folder / name).read_bytes() == before and not list(folder.rglob("*.html"))


@pytest.mark.parametrize("name", ["network.npz", "data.npz", "small.toml", "net/metrics.json"])
def test_a_page_of_a_map_does_not_replace_what_the_map_is_made_of(folder: Path, name: str):
    (folder / "net").mkdir()
    (folder / "net" / "network.npz").write_bytes((folder / "network.npz").read_bytes())
    (folder / "net" / "metrics.json").write_text("[]")
    chip, network = small_chip(folder), folder / ("net" if name.startswith("net/") else "network.npz")
    words = [network, "--chip", chip, "--calibrate", folder / "data.npz", "--report", folder / name]
    kept = (folder / name).read_bytes()
    assert f"cannot write {folder / name}: it is read here, too" in map_refused(folder, *words)
    assert (folder / name).read_bytes() == kept


def test_a_map_beside_the_network_in_a_train_folder_is_made_as_often_as_one_likes(folder: Path):
    (folder / "net").mkdir()
    (folder / "network.npz").rename(folder / "net" / "network.npz")
    words = ["map", folder / "net", "--chip", "loihi2", "--out", folder / "net" / "mapped.npz"]
    assert [call(*words).exit_code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(folder: Path, network: Network, bad: float, monkeypatch: pytest.MonkeyPatch):
    weight = network.projections[0].connection.weight.copy()
    weight[2, 3] = bad
    monkeypatch.setattr("ir.connection.check_finite", lambda *_: None)
    broken = replace(network.projections[0], connection=Dense(weight))
    npz.save(replace(network, projections=(broken, *network.projections[1:])), folder / "network.npz")
    monkeypatch.undo()
    assert "at (2, 3); every value must be finite" in map_refused(folder, folder / "network.npz", "--chip", "loihi2")


def test_an_empty_population_is_named(folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ir.network.require", lambda *_: None)
    hollow = Population("hollow", (0,), LIF(tau_mem_s=5e-3))
    npz.save(replace(network, populations=(*network.populations, hollow)), folder / "network.npz")
    monkeypatch.undo()
    assert "'hollow' is empty" in map_refused(folder, folder / "network.npz", "--chip", "loihi2")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("max_neurons", "max_neuros"), "max_neuro"),
        (lambda text: text.replace("max_neurons = { value = 4096", "max_neurons = { value = -1"), "max_neurons"),
        (lambda text: text.replace("[mesh]", "[mash]"), "mesh"),
        (lambda text: text[: len(text) // 2], "bad.toml"),
        (lambda text: text.replace("width = { value = 8", 'width = { value = "eight"'), "width"),
    ],
    ids=["missing", "negative", "no mesh", "truncated", "no number"],
)
def test_a_bad_chip_file_is_named(folder: Path, change: Callable[[str], str], says: str):
    (folder / "bad.toml").write_text(change((CHIPS / "loihi2.toml").read_text()))
    sentence = map_refused(folder, folder / "network.npz", "--chip", folder / "bad.toml")
    assert "bad.toml" in sentence and says in sentence


def test_a_network_that_cannot_fit_says_what_is_short(folder: Path):
    chip = small_chip(folder, max_neurons=1, usable_cores=3)
    assert "12 cores" in map_refused(folder, folder / "network.npz", "--chip", chip)


def test_outside_the_envelope_nothing_is_mapped_unless_allowed(folder: Path, mapped: MappedNetwork):
    first = mapped.network.projections[0]
    odd = replace(first, connection=Dense(first.connection.weight + 1))
    npz.save(
        replace(mapped, network=replace(mapped.network, projections=(odd, *mapped.network.projections[1:]))),
        folder / "odd.npz",
    )
    sentence = map_refused(folder, folder / "odd.npz", "--chip", "loihi2")
    assert "in -> hidden: odd weights of mixed sign (96)" in sentence and "--allow-unsafe" in sentence
    done = call("map", folder / "odd.npz", "--chip", "loihi2", "--allow-unsafe", "--out", folder / "m.npz")
    assert done.exit_code == 0 and "outside the safe envelope: in -> hidden" in done.stdout
    assert "Outside the safe envelope" in (folder / "m.html").read_text()


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_mapped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("unlayered.destinations.os.access", lambda _, mode: mode != os.W_OK)
    monkeypatch.setattr("unlayered.mapping.map_whole", None)
    assert f"folder {folder} is read-only" in map_refused(folder, folder / "network.npz", "--chip", "loihi2")


PLACES = (
    "unlayered.calibration.quantize",
    "mapper.find_partition",
    "mapper.place",
    "unlayered.mapping.utilization",
    "unlayered.report.map_page.page",
)


@pytest.mark.parametrize("place", PLACES)
def test_interrupted_mapping_leaves_no_file(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch):
    importlib.import_module("unlayered.report.map_page")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    before = sorted(folder.iterdir())
    done = call("map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "out.npz")
    assert done.exit_code == 130 and "Traceback" not in done.output
    assert sorted(folder.iterdir()) == before


def test_a_swallowed_interrupt_still_ends_it_with_no_file(folder: Path):
    """A library may ignore what its callbacks raise; here one does, in a process of its own."""
    script = f"""
import os, signal, sys
import unlayered.mapping as mapping
real = mapping.traffic
def swallows(*words):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000000): pass
    except KeyboardInterrupt:
        pass
    return real(*words)
mapping.traffic = swallows
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests without one
sys.argv = ["unlayered", "map", {str(folder / "network.npz")!r}, "--chip", "loihi2", "--out", {str(folder / "o.npz")!r}]
from unlayered.cli import main
main()
"""
    before = sorted(folder.iterdir())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 130 and done.stderr.strip() == "unlayered: interrupted", done.stderr
    assert sorted(folder.iterdir()) == before
