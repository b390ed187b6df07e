"""``unlayered sweep``: a row a schedule, equal to a run of its own; kept after each, and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from exchange import npz
from ir.chip import Range
from ir.connection import Dense
from ir.schedule import Schedule
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run
from tests.unlayered.schema import check
from tests.unlayered.verbs import call, refused
from unlayered import sweeping

SCHEMA = json.loads(Path(sweeping.__file__).with_name("sweeping.schema.json").read_text())


def swept(folder: Path, *more: object, network: str = "mapped.npz") -> dict:
    done = call("sweep", folder / network, "--data", folder / "data.npz", "--out", folder / "s.json", *more, "--json")
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    check(value, SCHEMA, SCHEMA)
    check(json.loads((folder / "s.json").read_text()), SCHEMA, SCHEMA)
    return value


def test_each_row_is_a_run_under_its_schedule(folder: Path, mapped, stimulus):
    rows = swept(folder, "--F", "1,3,all", "--order", "momentum,fifo")["rows"]
    assert [(r["schedule"], r["F"], r["order"]) for r in rows] == [
        ("layered", None, None),
        ("asynchronous", 1, "momentum"),
        ("asynchronous", 1, "fifo"),
        ("asynchronous", 3, "momentum"),
        ("asynchronous", 3, "fifo"),
        ("asynchronous", "all", "momentum"),
    ]
    schedules = [Schedule("layered"), Schedule(F=1), Schedule(F=1, order="fifo"), Schedule(F=3)]
    for row, schedule in zip(rows, schedules):
        numbers = statistics(run(mapped, stimulus, schedule))
        assert row["accuracy"] == numbers.accuracy and row["spikes"] == numbers.spikes_per_sample.mean()
        assert row["forward_steps"] == numbers.forward_steps_per_time_step
        assert row["energy_pj"][1] < row["energy_pj"][0] < row["energy_pj"][2]


def test_the_plot_and_the_table_are_there(folder: Path):
    swept(folder)
    ElementTree.fromstring((folder / "s.svg").read_text()[(folder / "s.svg").read_text().index("<svg") :])
    words = "sweep", folder / "mapped.npz", "--data", folder / "data.npz", "--out", folder / "s.json"
    done = call(*words)
    assert done.exit_code == 0 and "layered" in done.stdout and "momentum" in done.stdout


def test_a_sweep_goes_on_where_it_was_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    swept(folder, "--F", "1,2", "--order", "fifo")
    before = json.loads((folder / "s.json").read_text())["rows"]
    ran = []
    measured = sweeping.measured
    monkeypatch.setattr(sweeping, "measured", lambda *words: ran.append(words[2]) or measured(*words))
    more = swept(folder, "--F", "2,4", "--order", "fifo")["rows"]
    assert [s.F for s in ran] == [4] and [r["F"] for r in more] == [None, 2, 4]
    after = json.loads((folder / "s.json").read_text())["rows"]
    assert after[: len(before)] == before and len(after) == len(before) + 1


def test_a_stopped_sweep_keeps_the_rows_that_were_done(folder: Path, monkeypatch: pytest.MonkeyPatch):
    measured, done = sweeping.measured, []

    def stops(*words):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(words[2])
        return measured(*words)

    monkeypatch.setattr(sweeping, "measured", stops)
    ended = call("sweep", folder / "mapped.npz", "--data", folder / "data.npz", "--out", folder / "s.json")
    assert ended.exit_code == 130 and "2 of 17 schedules kept in" in ended.stderr
    assert len(json.loads((folder / "s.json").read_text())["rows"]) == 2


def test_floats_are_swept_without_energy(folder: Path):
    rows = swept(folder, "--F", "1", network="network.npz")["rows"]
    assert all(r["energy_pj"] is None and r["spikes"] > 0 for r in rows)


def test_an_output_that_is_of_something_else_is_refused(folder: Path, mapped, stimulus):
    swept(folder, "--F", "1")
    kept = (folder / "s.json").read_bytes()
    words = "--data", folder / "data.npz", "--out", folder / "s.json"
    other = Dense(np.array(mapped.network.projections[0].connection.weight) + 2)
    edges = replace(mapped.network.projections[0], connection=other), mapped.network.projections[1]
    npz.save(replace(mapped, network=replace(mapped.network, projections=edges)), folder / "other.npz")
    assert "is a sweep of another network or of other samples" in refused(2, "sweep", folder / "other.npz", *words)
    assert "of other samples" in refused(2, "sweep", folder / "mapped.npz", *words, "--samples", 2)
    assert (folder / "s.json").read_bytes() == kept
    for text in (
        "[]",
        "no json",
        '{"format": "unlayered sweep 1", "made_of": "", "rows": [{}]}',
        '{"format": "unlayered sweep ²"}',
    ):
        (folder / "s.json").write_text(text)
        assert "is no sweep of ours" in refused(2, "sweep", folder / "mapped.npz", *words)


def test_rows_of_another_chip_or_another_rest_of_the_schedule_are_refused(folder: Path, mapped):
    swept(folder, "--F", "1")
    kept = (folder / "s.json").read_bytes()
    dear = {**mapped.chip.costs, "synop_dense_pj": Range(200.0, 100.0, 300.0)}
    body, places = mapped.network, [c.slot for c in mapped.cores]
    moved = tuple(replace(c, slot=slot) for c, slot in zip(mapped.cores, [*places[1:], max(places) + 1]))
    others = {
        "costs": replace(mapped, chip=replace(mapped.chip, costs=dear)),
        "stop": replace(mapped, network=replace(body, schedule=replace(body.schedule, stop_after=1))),
        "seed": replace(mapped, network=replace(body, schedule=replace(body.schedule, seed=7))),
        "places": replace(mapped, cores=moved),
    }
    for name, other in others.items():
        npz.save(other, folder / f"{name}.npz")
        words = "sweep", folder / f"{name}.npz", "--data", folder / "data.npz", "--out", folder / "s.json"
        assert "is a sweep of another network or of other samples" in refused(2, *words), name
    assert (folder / "s.json").read_bytes() == kept


def test_a_sweep_in_its_train_folder_goes_on_with_the_same_command(folder: Path):
    (folder / "net").mkdir()
    (folder / "network.npz").rename(folder / "net" / "network.npz")
    words = "sweep", folder / "net", "--F", "1", "--data", folder / "data.npz", "--out", folder / "net" / "s.json"
    assert [call(*words).exit_code for _ in range(2)] == [0, 0]


def test_a_sweep_is_named_so_that_it_can_be_read_and_replaces_nothing_that_it_reads(folder: Path):
    (folder / "s.svg").symlink_to("network.npz")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    words = "sweep", folder / "network.npz", "--data", folder / "data.npz", "--out"
    assert "a sweep ends in .json; name it so" in refused(2, *words, folder / "s.txt")
    assert "s.svg: it is read here, too, and would be gone" in refused(2, *words, folder / "s.json")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--F", "1,0"), "--F holds '0'"),
        (("--F", "1,"), "--F holds ''"),
        (("--F", "1,²"), "--F holds '²'; give whole numbers from 1, or all"),
        (("--F", "x"), "--F holds 'x'"),
        (("--order", "momentun"), "--order"),
    ],
)
def test_bad_words_are_one_sentence_and_leave_nothing(folder: Path, words: tuple[str, ...], said: str):
    before = sorted(folder.iterdir())
    base = "sweep", folder / "mapped.npz", "--data", folder / "data.npz", "--out", folder / "s.json"
    assert said in refused(2, *base, *words)
    assert "asked to hold two results" in refused(2, *base[:-1], folder / "s.svg")
    assert sorted(folder.iterdir()) == before
