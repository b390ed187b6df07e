"""No network leaves the safe envelope unknowingly: refused with the layer and the number, or run and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.network import Input, Network
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper import map_network
from targets.lava import doctor
from tests.unlayered.verbs import call, refused

LOIHI1 = find_chip("loihi1")


def wide(weight: np.ndarray) -> MappedNetwork:
    """One dense layer on Loihi 1, whose accumulator holds 129 weights of 254."""
    network = QuantizedNetwork(
        (Input("in", (weight.shape[1],)),),
        (FixedPopulation("hidden", (weight.shape[0],), FixedLIF(decay_v=400, v_threshold=250)),),
        (FixedProjection("in", "hidden", Dense(weight)),),
        "hidden",
        arithmetic="loihi1",
        schedule=Schedule("layered"),
    )
    return map_network(network, LOIHI1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """wide.npz overflows where all 200 inputs come at once (all.npz), not where a few do (few.npz)."""
    npz.save(wide(np.full((3, 200), 254, np.int32)), tmp_path / "wide.npz")
    npz.save(Stimulus(np.ones((2, 1, 200), np.int32)), tmp_path / "all.npz")
    few = np.zeros((2, 1, 200), np.int32)
    few[:, :, :100] = 1
    npz.save(Stimulus(few), tmp_path / "few.npz")
    return tmp_path


def run(folder: Path, network: str, data: str, *more: str, on: str = "reference") -> list[object]:
    out = folder / "out.npz"
    return ["run", folder / network, "--on", on, "--data", folder / data, "--out", out, *more]


@pytest.mark.parametrize("on", ["reference", "trainer", "lava"])
def test_an_overflow_on_the_data_at_hand_is_refused_before_anything_runs(folder: Path, on: str):
    sentence = refused(2, *run(folder, "wide.npz", "all.npz", on=on))
    assert "hidden" in sentence and str(200 * 254 << 6) in sentence and "--allow-unsafe" in sentence
    assert not (folder / "out.npz").exists()


def test_data_that_stay_inside_run_though_the_worst_input_would_not(folder: Path):
    done = call(*run(folder, "wide.npz", "few.npz", "--json"))
    value = json.loads(done.stdout)
    assert done.exit_code == 0 and value["outside_envelope"] == [] and not any(value["limits_reached"].values())


def test_allowed_overflows_are_counted_and_shown(folder: Path):
    words = run(folder, "wide.npz", "all.npz", "--allow-unsafe")
    value = json.loads(call(*words, "--json").stdout)
    assert "hidden: the summed drive" in value["outside_envelope"][0]
    assert value["limits_reached"]["accumulator"] == 2 * 3  # two time steps, three neurons
    text = call(*words).stdout
    assert "outside the safe envelope: hidden" in text and "accumulators 6 times" in text


def test_integers_of_another_arithmetic_say_whose_edges_are_counted(folder: Path):
    mapped = wide(np.full((3, 200), 254, np.int32))
    npz.save(replace(mapped, network=replace(mapped.network, arithmetic="loihi2")), folder / "other.npz")
    said = "overflows are counted at the edges of arithmetic 'loihi2'"
    assert said in call(*run(folder, "other.npz", "all.npz", "--allow-unsafe")).stdout
    assert said not in call(*run(folder, "other.npz", "few.npz", "--allow-unsafe")).stdout
    assert "at the edges of" not in call(*run(folder, "wide.npz", "all.npz", "--allow-unsafe")).stdout


def test_odd_weights_of_mixed_sign_are_refused_with_their_number(folder: Path):
    npz.save(wide(np.array([[3, -2, 4, 5]], np.int32)), folder / "odd.npz")
    npz.save(Stimulus(np.ones((2, 1, 4), np.int32)), folder / "four.npz")
    sentence = refused(2, *run(folder, "odd.npz", "four.npz"))
    assert "in -> hidden: odd weights of mixed sign (2)" in sentence and "even weights" in sentence


def test_an_unmapped_network_of_integers_runs_as_it_is_off_the_chip(folder: Path):
    odd = wide(np.array([[3, -2, 4, 5]], np.int32)).network
    npz.save(odd, folder / "odd.npz")
    npz.save(Stimulus(np.ones((2, 1, 4), np.int32)), folder / "four.npz")
    assert call(*run(folder, "odd.npz", "four.npz")).exit_code == 0
    assert "odd weights" in refused(2, *run(folder, "odd.npz", "four.npz", "--chip", "loihi1"))
    assert "odd weights" in refused(2, *run(folder, "odd.npz", "four.npz", on="lava"))


def test_lossy_exponents_are_refused_with_their_number(folder: Path):
    mapped = wide(np.array([[4, -2, 4, 6]], np.int32))
    shifted = replace(mapped.network.projections[0], weight_exp=-2)
    npz.save(replace(mapped, network=replace(mapped.network, projections=(shifted,))), folder / "lossy.npz")
    npz.save(Stimulus(np.ones((2, 1, 4), np.int32)), folder / "four.npz")
    assert "weights lose bits to exponent -2 (2)" in refused(2, *run(folder, "lossy.npz", "four.npz"))


def test_a_network_of_floats_runs_on_lava_without_being_mapped(folder: Path, network: Network, stimulus: Stimulus):
    """Also one that forgets all from one time step to the next: a decay of 4096, as Loihi's offset bit allows."""
    brief = replace(network.populations[0], neuron=LIF(tau_mem_s=1e-5, v_threshold=0.5))
    npz.save(replace(network, populations=(brief, network.populations[1])), folder / "brief.npz")
    npz.save(stimulus, folder / "data.npz")
    done = call(*run(folder, "brief.npz", "data.npz", "--samples", "1", on="lava"))
    assert done.exit_code == (0 if any(found.usable for found in doctor()) else 3)
    assert "envelope" not in done.output
