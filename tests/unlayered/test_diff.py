"""``unlayered diff`` on the command line: sides of every kind, thresholds, exit codes, JSON, sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import npz
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from sim_reference.fast import run
from tests.unlayered.schema import check
from tests.unlayered.verbs import call, refused
from unlayered.causes import value as values

SCHEMA = json.loads(Path(values.__file__).with_name("schema.json").read_text())


@pytest.fixture
def files(folder: Path, mapped: MappedNetwork, stimulus) -> Path:
    """Beside the files of ``folder``: other.npz, the map with one threshold changed, and traces of both."""
    first, *rest = mapped.network.populations
    changed = replace(first, neuron=replace(first.neuron, v_threshold=150))
    other = replace(mapped, network=replace(mapped.network, populations=(changed, *rest)))
    npz.save(other, folder / "other.npz")
    for name, one in (("a", mapped), ("b", other)):
        npz.save(run(one, stimulus), folder / f"{name}.npz")
    npz.save(run(mapped, stimulus, Schedule(F=1, order="fifo")), folder / "c.npz")
    return folder


def told(*words: Any) -> dict[str, Any]:
    """The JSON of a diff; it keeps to the schema."""
    done = call("diff", *words, "--json")
    assert done.exit_code in (0, 1), done.output
    value = json.loads(done.stdout)
    check(value, SCHEMA, SCHEMA)
    assert done.exit_code == (0 if value["fine"] else 1)
    return value


def test_two_files_name_the_setting_that_differs(files: Path):
    (pair,) = told(files / "mapped.npz", files / "other.npz", "--data", files / "data.npz")["pairs"]
    assert pair["causes"] == [{"kind": "threshold", "population": "hidden", "effect": 1.0}] and pair["left"] == 0
    assert pair["differing"] > 0 and pair["first"]["population"] == "hidden"


def test_a_file_and_a_trace_name_it_too(files: Path):
    for sides in (("mapped.npz", "b.npz"), ("b.npz", "mapped.npz")):
        (pair,) = told(*(files / name for name in sides), "--data", files / "data.npz")["pairs"]
        assert [(x["kind"], x["population"]) for x in pair["causes"]] == [("threshold", "hidden")]


def test_another_schedule_of_a_trace_is_named_by_what_it_changes(files: Path):
    (pair,) = told(files / "mapped.npz", files / "c.npz", "--data", files / "data.npz")["pairs"]
    assert {x["kind"] for x in pair["causes"]} <= {"F", "order"} and pair["causes"]


def test_traces_alone_are_compared_and_say_why_nothing_is_tried(files: Path):
    (pair,) = told(files / "a.npz", files / "b.npz")["pairs"]
    assert pair["differing"] > 0 and pair["tried"] == [] and "no network is given" in pair["notes"][0]


def test_floats_and_all_executors_of_the_integers_in_a_row(files: Path):
    words = files / "network.npz", files / "mapped.npz", "--data", files / "data.npz", "--on", "trainer,reference"
    first, second = told(*words)["pairs"]
    assert [first["a"]["executor"], first["b"]["executor"], second["b"]["executor"]] == ["E0", "E1", "E2"]
    assert second["first"] is None and second["differing"] == 0


def test_equal_runs_exit_0_and_different_ones_1(files: Path):
    assert call("diff", files / "a.npz", files / "a.npz").exit_code == 0
    done = call("diff", files / "mapped.npz", files / "other.npz", "--data", files / "data.npz")
    assert done.exit_code == 1 and "threshold of hidden" in done.stdout and "first difference: " in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--max-flips", 3), 0),
        (("--max-rate-error", 100.0), 0),
        (("--max-rate-error", 0.0), 1),
        (("--max-flips", 3, "--max-rate-error", 0.0), 1),
    ],
)
def test_thresholds_decide_where_they_are_given(files: Path, words: tuple[Any, ...], code: int):
    done = call("diff", files / "a.npz", files / "b.npz", *words)
    assert done.exit_code == code and f"{'within' if code == 0 else 'outside'} the thresholds" in done.stdout


def test_flips_above_the_threshold_fail(files: Path, mapped: MappedNetwork, stimulus):
    first, last = mapped.network.projections
    turned = replace(last, connection=Dense(np.array(last.connection.weight)[::-1]))  # class 0 becomes class 3
    npz.save(
        run(replace(mapped, network=replace(mapped.network, projections=(first, turned))), stimulus), files / "d.npz"
    )
    (pair,) = told(files / "a.npz", files / "d.npz")["pairs"]
    n = len(pair["flips"])
    assert n > 0 and call("diff", files / "a.npz", files / "d.npz", "--max-flips", n - 1).exit_code == 1
    assert call("diff", files / "a.npz", files / "d.npz", "--max-flips", n).exit_code == 0


def test_bad_sides_are_one_sentence(files: Path, stimulus):
    assert "needs samples to run on; give --data" in refused(2, "diff", files / "mapped.npz", files / "a.npz")
    assert "one thing alone has no difference" in refused(2, "diff", files / "a.npz")
    assert "does not exist" in refused(2, "diff", files / "a.npz", files / "absent.npz")
    words = "diff", files / "a.npz", files / "b.npz"
    assert "van Rossum time constant is 0.0" in refused(2, *words, "--tau", 0)
    npz.save(stimulus.select(slice(2)), files / "few.npz")
    said = refused(2, "diff", files / "mapped.npz", files / "a.npz", "--data", files / "few.npz")
    assert "a.npz holds sample 2, which" in said and "lacks (2 samples)" in said
    assert "--on" in refused(
        2, "diff", files / "mapped.npz", files / "a.npz", "--data", files / "data.npz", "--on", "x"
    )


def test_runs_of_other_networks_are_refused(files: Path, mapped: MappedNetwork, stimulus):
    first, *rest = mapped.network.populations
    named = replace(first, name="other")
    edges = [replace(mapped.network.projections[0], post="other"), replace(mapped.network.projections[1], pre="other")]
    other = replace(mapped.network, populations=(named, *rest), projections=tuple(edges))
    npz.save(other, files / "named.npz")
    words = "diff", files / "mapped.npz", files / "named.npz", "--data", files / "data.npz"
    assert "the traces are of different runs" in refused(2, *words)


def test_a_trace_holds_its_samples_in_any_order(files: Path, mapped: MappedNetwork, stimulus):
    npz.save(run(mapped, stimulus.select(np.array([2, 0]))), files / "some.npz")
    (pair,) = told(files / "mapped.npz", files / "some.npz", "--data", files / "data.npz")["pairs"]
    assert pair["samples"] == 2 and pair["first"] is None
