"""What a new user meets first reads well: names, counts, columns that say something, pages on small screens."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from exchange import nir, npz
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.runnable import check_schedule
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper import map_network
from sim_reference.compare.statistics import statistics
from sim_reference.compare.summary import readable, summary
from sim_reference.fast import run
from tests.unlayered.verbs import call, made, refused
from unlayered.check import check_file
from unlayered.costs import cost_of_run
from unlayered.report import raster
from unlayered.report.map_page import map_page

LAYERED = Schedule("layered")


def test_two_maps_in_one_folder_have_two_pages(folder: Path):
    for name in ("first", "second"):
        words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / f"{name}.npz"]
        assert call(*words).exit_code == 0
    assert {p.name for p in folder.glob("*.html")} == {"first.html", "second.html"}
    assert (folder / "first.html").read_text() == (folder / "second.html").read_text()


def test_one_core_is_one_core(network: Network, stimulus: Stimulus):
    assert "12 neurons on 1 core of Intel" in map_page("t", made(network, stimulus, most=100))
    assert "12 neurons on 3 cores of Intel" in map_page("t", made(network, stimulus))


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_a_weight_that_is_no_number_is_told_with_its_projection(
    folder: Path, network: Network, word: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ir.connection.check_finite", lambda *_: None)
    into, out = network.projections
    weight = out.connection.weight.copy()
    weight[3, 1] = float(word)
    broken = replace(out, connection=Dense(weight))
    npz.save(replace(network, projections=(into, broken)), folder / "broken.npz")
    monkeypatch.undo()
    for words in (["inspect"], ["map", "--chip", "loihi2", "--out", folder / "m.npz"]):
        said = refused(2, *words, folder / "broken.npz")
        assert f"projection hidden -> out: Dense weight holds {word} at (3, 1)" in said


def test_a_time_constant_that_is_no_number_is_told_with_its_population(folder: Path, network: Network, monkeypatch):
    monkeypatch.setattr("ir.neurons.lif.check_finite", lambda *_: None)
    hidden, out = network.populations
    broken = replace(hidden, neuron=LIF(tau_mem_s=5e-3, v_threshold=0.5, bias=np.full(8, np.nan)))
    npz.save(replace(network, populations=(broken, out)), folder / "broken.npz")
    monkeypatch.undo()
    assert "population 'hidden': " in refused(2, "inspect", folder / "broken.npz")


def test_a_layered_run_has_neither_group_size_nor_order(folder: Path, mapped: MappedNetwork, stimulus: Stimulus):
    traces = {
        kind: run(mapped, stimulus, replace(mapped.network.schedule, kind=kind)) for kind in ("layered", "asynchronous")
    }
    for kind, trace in traces.items():
        numbers = summary(trace, statistics(trace))
        said = dict(readable(numbers))
        assert ("F" in said, "order" in said) == (kind == "asynchronous",) * 2
        assert (numbers["F"], numbers["order"]) == ((None, None) if kind == "layered" else (2, "momentum"))
        npz.save(trace, folder / "a.npz")
        shown = call("inspect", folder / "a.npz").stdout
        assert ("momentum" in shown) == (kind == "asynchronous")
    npz.save(replace(mapped, network=replace(mapped.network, schedule=LAYERED)), folder / "m.npz")
    shown = call("inspect", folder / "m.npz").stdout
    assert "layered" in shown and "momentum" not in shown


def test_what_there_is_none_of_is_not_shown(folder: Path, stimulus: Stimulus):
    npz.save(replace(stimulus, labels=None), folder / "blind.npz")
    words = ["run", folder / "mapped.npz", "--on", "reference", "--out", folder / "a.npz", "--data"]
    assert "accuracy" in call(*words, folder / "data.npz").stdout
    shown = call(*words, folder / "blind.npz").stdout
    assert "accuracy" not in shown and not re.search(r" -\s*$", shown, re.M)
    assert json.loads(call(*words, folder / "blind.npz", "--json").stdout)["accuracy"] is None


def test_without_calibration_no_column_is_empty(folder: Path):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz"]
    blind = call(*words).stdout
    page = (folder / "m.html").read_text()
    for text in (blind, page):
        assert "clipped" in text and "v used" not in text and "integers" not in text and "--calibrate DATA" in text
    assert not re.search(r"[│|] +- ", blind) and "<td>-</td>" not in page
    seen = call(*words, "--calibrate", folder / "data.npz").stdout
    assert "v used" in seen and "integers" in seen and "--calibrate DATA" not in seen


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
def test_a_cost_is_inside_its_range(mapped: MappedNetwork, stimulus: Stimulus, chip: str):
    for name, cost in find_chip(chip).costs.items():
        assert cost.low < cost.value < cost.high or cost.low == cost.high, name
    again = map_network(replace(mapped.network, schedule=LAYERED), find_chip(chip))
    found = cost_of_run(again, run(again, stimulus), stimulus)
    assert found is not None
    for amount in (found.energy_pj, found.time_ns):
        assert amount.low < amount.value < amount.high
    if chip == "loihi1":
        middle = (found.energy_pj.low + found.energy_pj.high) / 2
        assert found.energy_pj.value == pytest.approx(middle, rel=1e-9)


def test_every_table_scrolls_in_a_box_of_its_own(network: Network, stimulus: Stimulus):
    page = map_page("t", made(network, stimulus))
    assert page.count("<table") > 3 and page.count('<div class="wide"><table') == page.count("<table")
    assert re.search(r"\.wide \{ overflow-x: auto", page) and "width=device-width" in page


@pytest.mark.parametrize("n", [4, 200, 20_000])
def test_a_spike_is_a_mark_that_can_be_seen(mapped: MappedNetwork, stimulus: Stimulus, n: int):
    trace = run(mapped, stimulus)
    figure = Figure((4.7, 3.6))
    raster.raster(figure, {"a": trace, "b": trace}, 0)
    sizes = {line.get_markersize() for ax in figure.axes for line in ax.lines if line.get_marker() == "o"}
    assert len(sizes) == 1 and raster.SMALLEST_MARK <= sizes.pop() <= raster.LARGEST_MARK
    few, many = (raster.mark_points(2.0, 3.0, 10, size) for size in (n, 4 * n))
    assert many <= few


def delayed(folder: Path) -> Path:
    """A network whose spikes are delayed; and a foreign file of it without delays, that resets by subtraction."""
    neuron = LIF(tau_mem_s=float("inf"), v_threshold=1.0, reset="subtract")
    network = Network(
        (Input("in", (4,)),),
        (Population("out", (3,), neuron),),
        (Projection("in", "out", Dense(np.ones((3, 4)))),),
        "out",
        schedule=LAYERED,
    )
    nir.write(network, folder / "subtract.nir")
    late = replace(network, projections=tuple(replace(e, delay_steps=1) for e in network.projections))
    npz.save(late, folder / "late.npz")
    return folder / "late.npz"


def test_check_judges_schedules_as_run_does(folder: Path, network: Network):
    path = delayed(folder)
    loihi1, loihi2 = find_chip("loihi1"), find_chip("loihi2")

    def said(file: Path, chip: object) -> str:
        return {s.question: s.chip for s in check_file(file, chip).semantics}["schedule"]  # pyright: ignore

    assert said(path, loihi2) == "layered"
    assert said(folder / "subtract.nir", loihi2) == said(folder / "network.npz", loihi2) == "asynchronous or layered"
    assert said(folder / "network.npz", loihi1) == "layered"
    npz.save(Stimulus(np.ones((2, 1, 4), np.int32)), folder / "four.npz")
    words = ["run", path, "--on", "reference", "--data", folder / "four.npz", "--out", folder / "a.npz"]
    assert "has delays" in refused(2, *words, "--schedule", "asynchronous")
    assert call(*words).exit_code == 0
    with pytest.raises(ValueError, match="has delays"):
        check_schedule(npz.load(path, Network), replace(LAYERED, kind="asynchronous"))


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["train", "--preset", "digitz", "--out", "x"], "digits"),
        (["train", "--preset", "digits", "--data", "nmnits", "--out", "x"], "nmnist"),
        (["run", "mapped.npz", "--on", "reference", "--data", "digitz", "--out", "x.npz"], "digits"),
        (["run", "mapped.npz", "--on", "referense", "--data", "data.npz", "--out", "x.npz"], "reference"),
        (
            ["run", "mapped.npz", "--on", "lava", "--data", "data.npz", "--order", "momentun", "--out", "x.npz"],
            "momentum",
        ),
        (["map", "network.npz", "--chip", "loihi22", "--out", "x.npz"], "loihi2"),
        (["map", "network.npz", "--chip", "loihi2", "--preset", "qualty", "--out", "x.npz"], "quality"),
        (["map", "network.npz", "--chip", "loihi2", "--explain", "hiden[3]", "--out", "x.npz"], "hidden"),
        (["export", "network.npz", "--to", "onxx", "--out", "x.onnx"], "onnx"),
    ],
    ids=lambda x: x if isinstance(x, str) else " ".join(x[:1]),
)
def test_a_misspelt_name_is_answered(folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], near: str):
    monkeypatch.chdir(folder)
    assert f"(did you mean {near}?)" in refused(2, *words)
    assert not list(folder.glob("x*"))


def test_a_misspelt_key_is_answered(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    (folder / "my.toml").write_text("epoch = 3\n")
    assert "unknown keys epoch (did you mean epochs?)" in refused(2, "train", "my.toml", "--out", "x")


PRESETS_OF_FILES = ("nmnist", "shd", "spiking-gamma-shd", "spiking-gamma-nmnist", "dvsgesture", "cifar10")


@pytest.mark.parametrize("preset", PRESETS_OF_FILES)
def test_data_that_are_not_there_say_where_was_looked_and_what_needs_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, preset: str
):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("UNLAYERED_DATA", raising=False)
    said = refused(2, "train", "--preset", preset, "--out", "x")
    assert f"is not under {folder.parent / 'shared'}" in said and "UNLAYERED_DATA is not set" in said
    assert "--root DIR" in said and "--preset digits" in said and not (folder / "x").exists()
    monkeypatch.setenv("UNLAYERED_DATA", str(folder))
    said = refused(2, "train", "--preset", preset, "--out", "x")
    assert f"is not under {folder}" in said and "is not set" not in said


def test_the_bits_that_are_documented_are_the_bits_that_are_taken():
    from trainer.config import TrainConfig

    text = str(TrainConfig.__doc__)
    documented = re.search(r"on a chip's grid: ([\d, ]+) or (\d); 0 = floats", text)
    assert documented is not None
    bits = {int(x) for x in (*documented[1].split(","), documented[2])}
    taken = set()
    for n in range(0, 12):
        try:
            taken.add(TrainConfig(weight_bits=n).weight_bits)
        except ValueError:
            continue
    assert taken == bits | {0}
