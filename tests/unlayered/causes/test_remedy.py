"""A remedy is tried before it is told: its command, run as printed, gives the accuracy that was promised."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run
from tests.unlayered.schema import check
from tests.unlayered.verbs import call, refused
from trainer.batches import split
from trainer.config import TrainConfig
from trainer.said import said_to
from unlayered.causes import value as values
from unlayered.causes import ward as wards
from unlayered.causes import ways
from unlayered.causes.remedy import accuracy
from unlayered.sources import open_stimulus

SCHEMA = json.loads(Path(values.__file__).with_name("schema.json").read_text())


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small layered network on digits, trained for a moment; and its map on 2 bits."""
    from trainer import preset, train

    folder = tmp_path_factory.mktemp("ward")
    config = preset("digits-layered", epochs=4, limit=400, layers=("12", "10"), tau_mem_s=0.03, initial_density=0.1)
    train(config, folder / "net")
    assert call("map", folder / "net", "--chip", "loihi2", "--bits", 2, "--out", folder / "two.npz").exit_code == 0
    return folder


def test_the_printed_command_does_what_was_measured(net: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(net)
    monkeypatch.setattr(ways, "TUNINGS", ((2, 2e-3),))
    done = call("diff", "net", "two.npz", "--data", "digits", "--samples", 150, "--remedy", "--json")
    assert done.exit_code == 1, done.output
    value = json.loads(done.stdout)
    check(value, SCHEMA, SCHEMA)
    (pair,) = value["pairs"]
    assert pair["remedies"], pair["notes"]
    order = [(r["more"], -r["ranked"][2]) for r in pair["remedies"]]
    assert order == sorted(order) and any("--epochs 2" in r["command"] for r in pair["remedies"])
    samples = open_stimulus("digits", None, "test", 150)
    ranking = open_stimulus("digits", None, "train", 400).select(wards.parted(400)[1])
    for r in pair["remedies"]:
        for line in r["command"].split("\n"):
            ran = call(*shlex.split(line)[1:])
            assert ran.exit_code == 0, ran.output
        mapped = npz.load("remedied.npz", MappedNetwork)
        assert statistics(run(mapped, samples)).accuracy == r["accuracy"][2]
        assert accuracy(mapped, ranking) == r["ranked"][2] > r["ranked"][1]
        assert (r["samples"], r["ranking_samples"]) == (150, ranking.n_samples)
        assert r["recovered"] == pytest.approx(
            (r["accuracy"][2] - r["accuracy"][1]) / (r["accuracy"][0] - r["accuracy"][1])
        )
        assert r["cores"] == [1, 1] and len(r["energy"]) == 2 and re.search(r"--bits [23]\b", r["command"])


def test_samples_that_a_search_saw_are_no_judge(net: Path, folder: Path):
    words = "diff", folder / "network.npz", folder / "mapped.npz", "--data", folder / "data.npz", "--remedy"
    assert "judges by the test part" in refused(2, *words)
    assert "judges by the test part" in refused(
        2, "diff", net / "net", net / "two.npz", "--data", "digits", "--samples", 5, "--split", "train", "--remedy"
    )


def test_where_nothing_is_lost_nothing_is_tried(net: Path):
    done = call("diff", net / "net", net / "net", "--data", "digits", "--samples", 5, "--remedy", "--json")
    assert json.loads(done.stdout)["pairs"][0]["remedies"] == []


@pytest.mark.parametrize("bits", [8, 6, 4, 3, 2])
def test_the_width_of_integers_is_read_off_their_grid(network, bits: int):
    chip = find_chip("loihi2")
    assert ways.width_of(quantize(network, chip, bits), chip) == bits


def test_a_schedule_is_spelled_whole_or_the_way_is_not_told(network, mapped, stimulus):
    def ward(schedule: Schedule) -> wards.Ward:
        changed = replace(mapped, network=replace(mapped.network, schedule=schedule))
        return wards.Ward(network, Path("a b.npz"), changed, "digits", None, stimulus, stimulus, stimulus, {})

    chip, stopped = find_chip("loihi2"), Schedule(F=2, stop_after=3)
    words = ways.tuning_words(ward(stopped), chip, 4, 5, 1e-3)
    assert words is not None and "--F 2 --order momentum --set schedule.stop_after=3 --bits 4" in words
    assert ways.search_words(ward(stopped), chip, 4) is None  # `map` has no such flag, and the floats run on
    assert ways.tuning_words(ward(Schedule(scope="core")), chip, 4, 5, 1e-3) is None
    words = ways.tuning_words(ward(Schedule(F=None, order="fifo")), chip, 4, 5, 1e-3)
    assert words is not None and "--schedule asynchronous --F all --order fifo --bits 4" in words
    assert shlex.split(words)[3] == "a b.npz" and np.all([x.startswith("unlayered ") for x in words.split("\n")])
    for schedule in (network.schedule, Schedule("layered")):
        assert "--calibrate digits --samples 3 --schedule" in (ways.search_words(ward(schedule), chip, 4) or "")


@pytest.mark.parametrize("n", [1, 2, 40, 256, 300, 1347, 10_000])
def test_samples_that_rank_were_neither_searched_nor_tuned_with(n: int):
    n_search, ranking = wards.parted(n)
    config = said_to(TrainConfig(), [f"validation_share={wards.SHARE}"])
    stimulus = Stimulus(np.zeros((1, n, 1), np.int8), np.arange(n) + 500, np.zeros(n, np.int64))
    tuned = split(stimulus, config)[0].sample_ids
    assert tuned is not None
    assert not set(ranking + 500) & set(tuned.tolist()) and n_search <= min(n, wards.SAMPLES)
    assert (ranking >= n_search).all() and len(ranking) <= wards.RANKING
    assert len(ranking) > 0.05 * min(n, 10_000) or n < 40


def test_a_tuning_goes_on_as_the_network_was_trained(net: Path, stimulus):
    ward = wards.how_trained(net / "net", "digits")
    assert ward["limit"] == 400 and ward["loss"] == "rate"
    assert wards.how_trained(net / "net" / "network.npz", "digits") == ward
    assert wards.how_trained(net / "net", "nmnist") == wards.how_trained(net / "two.npz", "digits") == {}
    (net / "other").mkdir()
    (net / "other" / "config.json").write_text("[1")
    assert wards.how_trained(net / "other", "digits") == {}
