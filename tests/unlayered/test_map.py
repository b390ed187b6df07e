"""What a person sees of mapping: tables, the page, explanations; whatever goes wrong, one sentence and no file."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ir.connection import Dense
from ir.formats import npz
from ir.formats.chip_toml import CHIPS, find_chip
from ir.mapped import MappedNetwork
from ir.network import LIF, Network, Population
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from unlayered.cli import app
from unlayered.console import Stages
from unlayered.explain import explain, move_costs, nets_of, neuron_of
from unlayered.mapping import MapOptions, Mapping, map_whole


def call(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(folder: Path, *words: object) -> str:
    """Call map, which must fail with one sentence and leave nothing."""
    before = sorted(folder.iterdir())
    done = call("map", *words, "--out", folder / "out.npz")
    assert done.exit_code == 2 and done.stdout == "" and "Traceback" not in done.output, done.output
    assert done.stderr.startswith("unlayered: ") and done.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before
    return done.stderr


def small_chip(folder: Path, **limits: int) -> Path:
    """Loihi 2 with smaller limits."""
    text = (CHIPS / "loihi2.toml").read_text()
    for name, value in limits.items():
        before, _, after = text.partition(f"\n{name} = ")
        text = f"{before}\n{name} = {value}\n{after.partition(chr(10))[2]}"
    (folder / "small.toml").write_text(text)
    return folder / "small.toml"


@pytest.fixture
def folder(tmp_path: Path, network: Network, mapped: MappedNetwork, stimulus: Stimulus) -> Path:
    npz.save(network, tmp_path / "network.npz")
    npz.save(mapped, tmp_path / "mapped.npz")
    npz.save(stimulus, tmp_path / "data.npz")
    return tmp_path


def made(network: Network | QuantizedNetwork, stimulus: Stimulus | None = None, most: int = 4) -> Mapping:
    """The network on cores of few neurons."""
    chip = find_chip("loihi2")
    chip = replace(chip, limits=replace(chip.limits, max_neurons=most))
    with Stages("test", ("quantize", "partition", "place", "check"), quiet=True) as stages:
        return map_whole(network, chip, MapOptions(), stimulus, stages)


def test_mapping_shows_what_intels_compiler_shows_and_writes_a_page(folder: Path):
    done = call("map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz")
    assert done.exit_code == 0, done.output
    for word in ("AxonIn", "Neurons", "Synapses", "AxonMap", "Quantization", "hidden", "hottest link"):
        assert word in done.stdout
    page = (folder / "map.html").read_text()
    assert page.count("<svg") == 4 and "http://" not in page.replace("http://www.w3.org", "")
    for word in ("Neurons", "Synapses", "Packets in", "Link load", "Quantization", "Inside the safe envelope"):
        assert word in page


def test_the_page_goes_where_it_is_asked_to(folder: Path):
    page = folder / "look.html"
    done = call(
        "map", folder / "network.npz", "--chip", "loihi1", "--out", folder / "m.npz", "--report", page, "--json"
    )
    assert json.loads(done.stdout)["page"] == str(page)
    assert page.exists() and not (folder / "map.html").exists()


def test_calibration_tells_rates_cost_and_what_quantization_changed(folder: Path):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz"]
    value = json.loads(call(*words, "--calibrate", folder / "data.npz", "--json").stdout)
    rows = {row["population"]: row for row in value["quantization"]}
    assert rows["hidden"]["rate_trained"] > 0 and rows["hidden"]["rate_fixed"] > 0
    assert "J" in value["cost"]["energy"] and "s" in value["cost"]["time"]
    blind = json.loads(call(*words, "--json").stdout)
    assert blind["cost"] is None and blind["quantization"][0]["rate_fixed"] is None


def test_calibration_counts_the_packets_that_real_spikes_cause(network: Network, stimulus: Stimulus):
    found = made(network, stimulus)
    assert found.rates is not None and found.rates.shape == (12 + 12,)
    np.testing.assert_allclose(found.rates[12:], stimulus.frames.mean((0, 1)))
    expected = sum(
        found.rates[source] * len(set(found.mapped.core_of_neuron[8:]) - {found.mapped.core_of_neuron[source]})
        for source in range(8)
    )
    assert found.traffic.routes.packets == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("bits", [8, 6, 4, 2])
def test_bits_are_those_of_the_weights(folder: Path, bits: int):
    done = call("map", folder / "network.npz", "--chip", "loihi2", "--bits", bits, "--out", folder / "m.npz")
    assert done.exit_code == 0, done.output
    weights = npz.load(folder / "m.npz", MappedNetwork).network.projections[0].connection.weight
    assert bool((weights % (2 << (8 - bits)) == 0).all())
    coarser = bool((weights % (4 << (8 - bits)) == 0).all())
    assert not coarser


def test_the_schedule_a_network_is_meant_for_goes_with_it(folder: Path):
    words = ["map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz"]
    assert call(*words, "--schedule", "layered").exit_code == 0
    assert npz.load(folder / "m.npz", MappedNetwork).network.schedule.kind == "layered"
    assert call(*words, "--F", "all", "--order", "fifo").exit_code == 0
    schedule = npz.load(folder / "m.npz", MappedNetwork).network.schedule
    assert (schedule.kind, schedule.F, schedule.order) == ("asynchronous", None, "fifo")


def test_integers_pass_through_unchanged(folder: Path, mapped: MappedNetwork):
    words = ["map", folder / "mapped.npz", "--chip", "loihi2", "--calibrate", folder / "data.npz"]
    assert json.loads(call(*words, "--out", folder / "m.npz", "--json").stdout)["bits"] is None
    again = npz.load(folder / "m.npz", MappedNetwork).network
    for old, new in zip(mapped.network.projections, again.projections):
        np.testing.assert_array_equal(old.connection.weight, new.connection.weight)
    for chip, keeps in (("loihi2", False), ("loihi1", True)):
        words = ["map", folder / "mapped.npz", "--chip", chip, "--schedule", "layered", "--out", folder / "m.npz"]
        shown = " ".join(call(*words).stdout.split())
        for text in (shown, (folder / "map.html").read_text()):
            assert "unchanged, bit for bit" in text
            assert ("keeps arithmetic" in text and "Intel Loihi 1 computes" in text) == keeps


@pytest.mark.parametrize("preset", ["fast", "default", "quality"])
def test_the_same_seed_gives_the_same_map(folder: Path, preset: str):
    chip = small_chip(folder, max_neurons=3)
    words = ["map", folder / "network.npz", "--chip", chip, "--preset", preset, "--seed", 4]
    cores = []
    for name in ("a.npz", "b.npz"):
        assert call(*words, "--out", folder / name).exit_code == 0
        cores.append(npz.load(folder / name, MappedNetwork).core_of_neuron)
    np.testing.assert_array_equal(*cores)


def test_warnings_are_shown_and_written_to_the_page(folder: Path, network: Network, stimulus: Stimulus):
    hidden, out = network.populations
    deaf = replace(hidden, neuron=LIF(tau_mem_s=5e-3, v_threshold=1e-6))
    never = replace(out, neuron=LIF(tau_mem_s=5e-3, v_threshold=1e3))
    npz.save(replace(network, populations=(deaf, never)), folder / "network.npz")
    words = ["--chip", "loihi2", "--calibrate", folder / "data.npz", "--out", folder / "m.npz"]
    shown = " ".join(call("map", folder / "network.npz", *words).stdout.split())
    page = (folder / "map.html").read_text()
    for said in ("hidden: threshold rounds to 0", "out: no activity: neither"):
        assert said in shown and said in page


class TestExplain:
    def test_words_name_neurons(self, mapped: MappedNetwork):
        assert [neuron_of(mapped.network, w) for w in ("0", "hidden[3]", " out [2] ", "11")] == [0, 3, 10, 11]

    @pytest.mark.parametrize(
        ("word", "says"),
        [
            ("12", "neurons 0 to 11"),
            ("hidden[8]", "outside population"),
            ("hidden[1,2]", "outside population"),
            ("deep[0]", "hidden, out"),
            ("core 9", "cores 0 to"),
            ("core", "'core 2'"),
            ("hidden[,]", "'core 2'"),
            ("hidden[1 2]", "'core 2'"),
        ],
    )
    def test_what_is_not_there_is_said_and_nothing_is_written(self, folder: Path, word: str, says: str):
        assert says in refused(folder, folder / "network.npz", "--chip", "loihi2", "--explain", word)

    def test_a_move_costs_what_a_recount_says(self, network: Network, stimulus: Stimulus):
        found = made(network, stimulus, most=5)
        mapped, rates = found.mapped, found.rates
        assert rates is not None and len(mapped.cores) > 2
        for neuron in range(12):
            costs = move_costs(mapped, neuron, nets_of(mapped, neuron), rates)
            for core in range(len(mapped.cores)):
                moved = mapped.core_of_neuron.copy()
                moved[neuron] = core
                assert costs[core] == pytest.approx(
                    packets(network, moved, rates) - packets(network, mapped.core_of_neuron, rates)
                )

    def test_a_neuron_and_a_core_are_explained(self, folder: Path):
        words = ["map", folder / "network.npz", "--chip", small_chip(folder, max_neurons=1), "--out", folder / "m.npz"]
        done = call(*words, "--explain", "hidden[3]", "--explain", "core 0", "--calibrate", folder / "data.npz")
        assert done.exit_code == 0, done.output
        for words in ("12 from in", "4 to out", "Moving it alone", "What limits core", "It holds", "Links"):
            assert words in done.stdout

    def test_a_finished_map_is_explained_too(self, folder: Path):
        done = call("inspect", folder / "mapped.npz", "--explain", "core 2", "--explain", "hidden[0]")
        assert done.exit_code == 0 and "Core 2" in done.stdout and "Neuron 0" in done.stdout
        assert call("inspect", folder / "network.npz", "--explain", "0").exit_code == 2

    def test_one_core_needs_no_reason(self, network: Network):
        lines = explain(made(network, most=100), "0")
        assert any("fits one core" in line for line in lines if isinstance(line, str))


def packets(network: Network, core: np.ndarray, rates: np.ndarray) -> float:
    """Packets a time step of two dense layers, inputs included, counted the slow way."""
    hidden, out = core[:8], core[8:]
    total = sum(rates[12 + i] * len(set(hidden.tolist())) for i in range(12))
    return total + sum(rates[i] * len(set(out.tolist()) - {int(core[i])}) for i in range(8))


class TestBadInput:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--preset", "best"], "'fast', 'default', 'quality'"),
            (["--bits", "5"], "8, 6, 4, 2"),
            (["--schedule", "often"], "'asynchronous', 'layered'"),
            (["--calibrate", "gone.npz"], "does not exist"),
            (["--report", "no/such/map.html"], "there is no folder"),
            (["--report", "."], "name a file in it"),
            (["--seed", "-1"], "give a whole number from 0"),
            (["--seed", str(1 << 80)], "give a whole number from 0"),
        ],
        ids=str,
    )
    def test_wrong_options_say_what_is_right(self, folder: Path, words: list[str], says: str):
        assert says in refused(folder, folder / "network.npz", "--chip", "loihi2", *words)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_weights_must_be_finite(self, folder: Path, network: Network, bad: float, monkeypatch: pytest.MonkeyPatch):
        weight = network.projections[0].connection.weight.copy()
        weight[2, 3] = bad
        monkeypatch.setattr("ir.connection.check_finite", lambda *_: None)
        broken = replace(network.projections[0], connection=Dense(weight))
        npz.save(replace(network, projections=(broken, *network.projections[1:])), folder / "network.npz")
        monkeypatch.undo()
        assert "at (2, 3); every value must be finite" in refused(folder, folder / "network.npz", "--chip", "loihi2")

    def test_an_empty_population_is_named(self, folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("ir.network.require", lambda *_: None)
        hollow = Population("hollow", (0,), LIF(tau_mem_s=5e-3))
        npz.save(replace(network, populations=(*network.populations, hollow)), folder / "network.npz")
        monkeypatch.undo()
        assert "'hollow' is empty" in refused(folder, folder / "network.npz", "--chip", "loihi2")

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
    def test_a_bad_chip_file_is_named(self, folder: Path, change: Callable[[str], str], says: str):
        (folder / "bad.toml").write_text(change((CHIPS / "loihi2.toml").read_text()))
        sentence = refused(folder, folder / "network.npz", "--chip", folder / "bad.toml")
        assert "bad.toml" in sentence and says in sentence

    def test_a_network_that_cannot_fit_says_what_is_short(self, folder: Path):
        chip = small_chip(folder, max_neurons=1, usable_cores=3)
        assert "12 cores" in refused(folder, folder / "network.npz", "--chip", chip)

    def test_outside_the_envelope_nothing_is_mapped_unless_allowed(self, folder: Path, mapped: MappedNetwork):
        first = mapped.network.projections[0]
        odd = replace(first, connection=Dense(first.connection.weight + 1))
        npz.save(
            replace(mapped, network=replace(mapped.network, projections=(odd, *mapped.network.projections[1:]))),
            folder / "odd.npz",
        )
        sentence = refused(folder, folder / "odd.npz", "--chip", "loihi2")
        assert "in -> hidden: odd weights of mixed sign (96)" in sentence and "--allow-unsafe" in sentence
        done = call("map", folder / "odd.npz", "--chip", "loihi2", "--allow-unsafe", "--out", folder / "m.npz")
        assert done.exit_code == 0 and "outside the safe envelope: in -> hidden" in done.stdout
        assert "Outside the safe envelope" in (folder / "map.html").read_text()


PLACES = (
    "unlayered.calibration.quantize",
    "mapper.find_partition",
    "mapper.place",
    "unlayered.mapping.utilization",
    "unlayered.report.map_page.draw",
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
