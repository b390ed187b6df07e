"""What a person sees of mapping: tables and the page, the options, integers that pass through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.neurons import LIF
from ir.stimulus import Stimulus
from tests.unlayered.verbs import call, made, small_chip


def test_mapping_shows_what_intels_compiler_shows_and_writes_a_page(folder: Path):
    done = call("map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz")
    assert done.exit_code == 0, done.output
    for word in ("AxonIn", "Neurons", "Synapses", "AxonMap", "Quantization", "hidden", "hottest link"):
        assert word in done.stdout
    page = (folder / "m.html").read_text()
    assert page.count("<svg") == 4 and "http://" not in page.replace("http://www.w3.org", "")
    for word in ("Neurons", "Synapses", "Packets in", "Link load", "Quantization", "Inside the safe envelope"):
        assert word in page


def test_a_map_over_two_chips_says_what_passes_between_them(folder: Path):
    chip = small_chip(folder, max_neurons=4, width=2, height=1, cores_per_tile=1, usable_cores=2)
    chip.write_text(chip.read_text().replace("[mesh]", "[mesh]\nchips_x = 2"))
    words = [
        "map",
        folder / "network.npz",
        "--chip",
        chip,
        "--out",
        folder / "m.npz",
        "--calibrate",
        folder / "data.npz",
    ]
    shown, page = call(*words).stdout, (folder / "m.html").read_text()
    for text in (shown, page):
        assert "packets between chips" in text and "hottest link between two chips" in text and "2 of 2" in text
    value = json.loads(call(*words, "--json").stdout)
    assert 0 < value["report"]["hottest_chip_link"] <= value["report"]["packets_between_chips"]
    assert value["cost"]["note"].endswith("packets over links between chips, whose cost nobody has published")
    assert (
        "between chips" not in call("map", folder / "network.npz", "--chip", "loihi2", "--out", folder / "m.npz").stdout
    )


def test_the_page_goes_where_it_is_asked_to(folder: Path):
    page = folder / "look.html"
    done = call(
        "map", folder / "network.npz", "--chip", "loihi1", "--out", folder / "m.npz", "--report", page, "--json"
    )
    assert json.loads(done.stdout)["page"] == str(page)
    assert page.exists() and not (folder / "m.html").exists()


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


@pytest.mark.parametrize("bits", [8, 6, 4, 3, 2])
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
        for text in (shown, (folder / "m.html").read_text()):
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


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say who runs on which core")
def test_any_number_of_cores_finds_the_same_map(folder: Path):
    """With one core and one thread, as `taskset` and batch systems give them, and with all."""
    chip, root = small_chip(folder, max_neurons=3), str(Path(__file__).parents[2])
    words = [
        "-m",
        "unlayered",
        "map",
        folder / "network.npz",
        "--chip",
        chip,
        "--preset",
        "quality",
        "--seed",
        4,
        "--out",
    ]
    one = {min(os.sched_getaffinity(0))}
    for name, threads, narrow in (("one.npz", "1", lambda: os.sched_setaffinity(0, one)), ("all.npz", "3", None)):
        env = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        done = [sys.executable, *map(str, words), str(folder / name)]
        subprocess.run(done, env=env, preexec_fn=narrow, check=True, capture_output=True, timeout=300)
    assert (folder / "one.npz").read_bytes() == (folder / "all.npz").read_bytes()


def test_warnings_are_shown_and_written_to_the_page(folder: Path, network: Network, stimulus: Stimulus):
    hidden, out = network.populations
    deaf = replace(hidden, neuron=LIF(tau_mem_s=5e-3, v_threshold=1e-6))
    never = replace(out, neuron=LIF(tau_mem_s=5e-3, v_threshold=1e3))
    npz.save(replace(network, populations=(deaf, never)), folder / "network.npz")
    words = ["--chip", "loihi2", "--calibrate", folder / "data.npz", "--out", folder / "m.npz"]
    shown = " ".join(call("map", folder / "network.npz", *words).stdout.split())
    page = (folder / "m.html").read_text()
    for said in ("hidden: threshold rounds to 0", "out: no activity: neither"):
        assert said in shown and said in page
