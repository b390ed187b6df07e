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
from mapper.quantize import quantize
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run
from tests.unlayered.schema import check
from tests.unlayered.verbs import call, refused
from unlayered.causes import remedy
from unlayered.causes import value as values
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
    monkeypatch.setattr(remedy, "EPOCHS", (2,))
    done = call("diff", "net", "two.npz", "--data", "digits", "--samples", 150, "--remedy", "--json")
    assert done.exit_code == 1, done.output
    value = json.loads(done.stdout)
    check(value, SCHEMA, SCHEMA)
    (pair,) = value["pairs"]
    assert pair["remedies"], pair["notes"]
    assert [r["more"] for r in pair["remedies"]] == sorted(r["more"] for r in pair["remedies"])
    samples = open_stimulus("digits", None, "test", 150)
    for r in pair["remedies"]:
        for line in r["command"].split("\n"):
            ran = call(*shlex.split(line)[1:])
            assert ran.exit_code == 0, ran.output
        mapped = npz.load("remedied.npz", MappedNetwork)
        assert statistics(run(mapped, samples)).accuracy == r["accuracy"][2] > r["accuracy"][1]
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
    assert remedy.width_of(quantize(network, chip, bits), chip) == bits


def test_a_schedule_that_flags_do_not_spell_is_not_tuned(network, mapped, stimulus):
    def ward(schedule: Schedule) -> remedy.Ward:
        changed = replace(mapped, network=replace(mapped.network, schedule=schedule))
        return remedy.Ward(network, Path("a b.npz"), changed, "digits", None, stimulus, stimulus)

    chip = find_chip("loihi2")
    assert remedy.tuning_words(ward(Schedule(stop_after=3)), chip, 4, 5) is None
    words = remedy.tuning_words(ward(Schedule(F=None, order="fifo")), chip, 4, 5)
    assert words is not None and "--schedule asynchronous --F all --order fifo --bits 4" in words
    assert shlex.split(words)[3] == "a b.npz" and np.all([x.startswith("unlayered ") for x in words.split("\n")])
