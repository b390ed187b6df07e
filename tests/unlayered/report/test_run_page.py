"""One page about whatever is given: names are text, nothing is loaded, and every kind has its panels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange import npz
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from tests.unlayered.report.conftest import one_more
from tests.unlayered.verbs import call, refused
from unlayered.commands import flags_of
from unlayered.mapping import look_again
from unlayered.report import page
from unlayered.report.figures import confusion_table
from unlayered.report.map_panels import rates_of
from unlayered.report.material import Material, digest
from unlayered.report.run_page import run_page

HOSTILE = "</script><img src=x onerror=alert(1)>$\\frac{1}{</title>_"


@pytest.fixture
def given(folder: Path, asynchronous: Trace, layered: Trace) -> Path:
    """The folder with runs a (asynchronous), b (the same), c (one spike more), d (layered), and a train folder."""
    for name, trace in (("a", asynchronous), ("b", asynchronous), ("c", one_more(asynchronous)), ("d", layered)):
        npz.save(trace, folder / f"{name}.npz")
    train = folder / "net"
    train.mkdir()
    (folder / "network.npz").rename(train / "network.npz")
    (train / "metrics.json").write_text(json.dumps([{"epoch": i, "loss": 2 - i, "accuracy": i / 2} for i in range(3)]))
    (train / "config.json").write_text(json.dumps({"data": "digits", "epochs": 3}))
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take a tenth of a second each; what is said beside them does not need them."""
    monkeypatch.setattr(page, "draw", lambda *_, **__: "<svg></svg>")


def made(folder: Path, *words: object) -> str:
    out = folder / "page.html"
    done = call("report", *(folder / w if (folder / str(w)).exists() else w for w in words), "--out", out)
    assert done.exit_code == 0, done.output
    return out.read_text()


def headings(text: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", text)


def test_everything_given_is_on_the_page(given: Path):
    text = made(given, "net", "mapped.npz", "a.npz", "c.npz", "d.npz", "--data", given / "data.npz")
    found = " | ".join(headings(text))
    for words in ("Training", "Map: ", "Player: ", "Runs", "Run against run", "Every spike of one sample",
                  "Spikes by population", "Decisions", "Energy and time of a sample",
                  "To make the same again"):  # fmt: skip
        assert words in found, words
    for words in ("Confusion", "Until the first output spike", "Rates over time", "Neuron by neuron", "Link load",
                  "Energy by component", "layer by layer", "Training</figcaption>", "first difference",
                  "only "):  # fmt: skip
        assert words in text, words
    assert text.count('class="player"') == 1 and json.loads(moves_of(text))["runs"][1]["title"].startswith("asynchr")


def moves_of(text: str) -> str:
    return re.findall(r'class="moves">(.*?)</script>', text, re.S)[0]


def test_nothing_is_loaded_from_elsewhere(given: Path):
    text = made(given, "net", "mapped.npz", "a.npz", "d.npz")
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)""", text) == []
    assert "@import" not in text and "url(http" not in text and "default-src 'none'" in text


def test_equal_runs_are_said_to_be_equal_and_drawn_in_one_panel(given: Path):
    text = made(given, "a.npz", "b.npz")
    assert "Runs that must be equal are, spike for spike: 1 pair." in text
    assert text.count("<figcaption>Sample ") == 1 and ": no difference, " in text
    assert text.count("<figcaption>Confusion") == 1


@pytest.mark.usefixtures("undrawn")
def test_a_difference_comes_first(given: Path):
    text = made(given, "a.npz", "c.npz")
    head = text[text.index("<h1>") : text.index("<h2>")]
    assert 'class="verdict bad"' in head and "first difference: sample 1" in head
    assert "Sample 1: " in text


@pytest.mark.usefixtures("undrawn")
def test_a_run_under_another_schedule_is_no_fault(given: Path):
    text = made(given, "a.npz", "d.npz")
    assert 'class="verdict bad"' not in text and "(asynchronous, F = 2, momentum first against layered)" in text


@pytest.mark.usefixtures("undrawn")
def test_the_missing_run_is_made_where_the_input_is_known(given: Path):
    text = made(given, "mapped.npz", "a.npz", "--data", given / "data.npz")
    runs = json.loads(moves_of(text))["runs"]
    assert [run["title"] for run in runs] == ["layered", "asynchronous, F = 2, momentum first"]
    alone = made(given, "mapped.npz", "a.npz")
    assert len(json.loads(moves_of(alone))["runs"]) == 1 and "No layered run beside it" in alone


@pytest.mark.usefixtures("undrawn")
def test_energy_needs_the_input_and_says_so(given: Path):
    assert "Energy needs the input" in made(given, "mapped.npz", "a.npz")
    text = made(given, "mapped.npz", "a.npz", "--data", given / "data.npz")
    assert "Energy needs the input" not in text and "A range is what those constants leave open" in text
    assert "updates, active" in text


@pytest.mark.usefixtures("undrawn")
def test_the_energy_of_the_page_is_the_one_that_run_prints(given: Path, tmp_path: Path):
    done = call("run", given / "mapped.npz", "--on", "reference", "--data", given / "data.npz", "--out",
                tmp_path / "x.npz", "--json")  # fmt: skip
    cost = json.loads(done.stdout)["cost"]
    text = made(given, "mapped.npz", tmp_path / "x.npz", "--data", given / "data.npz")
    assert f"<td>{cost['energy']}</td><td>{cost['time']}</td>" in text


@pytest.mark.usefixtures("undrawn")
def test_a_sample_can_be_chosen(given: Path):
    text = made(given, "mapped.npz", "a.npz", "d.npz", "--sample", "2")
    assert "Sample 2: " in text and ", sample 2</h2>" in text and "Sample 0: " not in text
    sentence = refused(2, "report", given / "a.npz", "--sample", "9", "--out", given / "x.html")
    assert "no run that is given holds sample 9" in sentence and not (given / "x.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_runs_of_unlike_samples_are_compared_on_those_they_share(given: Path, asynchronous: Trace):
    from ir.trace_parts import select

    npz.save(select(asynchronous, np.array([2, 0])), given / "few.npz")
    text = made(given, "a.npz", "few.npz")
    assert "2 samples: equal" in text and "the 2 samples that all runs hold" in text


def test_names_from_files_are_text(given: Path, mapped: MappedNetwork, asynchronous: Trace, stimulus: Stimulus):
    names = {"hidden": HOSTILE, "out": "_" + HOSTILE}
    network = mapped.network
    populations = tuple(replace(p, name=names[p.name]) for p in network.populations)
    projections = tuple(replace(e, pre=names.get(e.pre, e.pre), post=names[e.post]) for e in network.projections)
    other = replace(network, populations=populations, projections=projections, output=names["out"])
    renamed = tuple((names[name], n) for name, n in asynchronous.populations)
    trace = replace(asynchronous, populations=renamed, output=names["out"])
    plain = run_page("t", material(mapped, asynchronous), stimulus, None, "c")[0]
    text = run_page(HOSTILE, material(replace(mapped, network=other), trace), stimulus, None, HOSTILE)[0]
    assert "<img" not in text and HOSTILE not in text
    for tag in ("<script", "</script", "<title", "</title", "<table", "<svg", "<section", "<figure"):
        assert text.count(tag) == plain.count(tag), tag


def material(mapped: MappedNetwork, trace: Trace) -> Material:
    name = "a" if mapped.network.populations[0].name == "hidden" else HOSTILE
    return Material((), ((name, mapped),), ((name, trace), (name + "2", one_more(trace))), (), (), ())


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_only_counted_has_numbers_and_no_rasters(given: Path, asynchronous: Trace):
    npz.save(replace(asynchronous, spikes=None), given / "counted.npz")
    text = made(given, "mapped.npz", "counted.npz", "a.npz")
    assert "Runs" in headings(text) and "<figcaption>Confusion" in text
    alone = made(given, "counted.npz")
    assert "<figcaption>Sample" not in alone


def test_an_empty_run_has_a_page(given: Path, mapped: MappedNetwork):
    from sim_reference.simulate import run

    npz.save(run(mapped, Stimulus(np.zeros((0, 0, 12), np.int32)), mapped.network.schedule), given / "none.npz")
    npz.save(run(mapped, Stimulus(np.zeros((3, 2, 12), np.int32)), mapped.network.schedule), given / "silent.npz")
    for words in (("none.npz",), ("silent.npz",), ("mapped.npz", "none.npz"), ("mapped.npz", "silent.npz")):
        assert "Runs" in headings(made(given, *words))


@pytest.mark.usefixtures("undrawn")
def test_a_map_alone_has_its_board(given: Path):
    text = made(given, "mapped.npz")
    assert headings(text)[0].startswith("Map: ") and "no run of this map is given" in text and "<script" not in text


def test_traffic_is_that_of_the_run(mapped: MappedNetwork, asynchronous: Trace):
    made_of = look_again(mapped, rates_of(asynchronous, None, 12))
    counts = asynchronous.counts.sum(0)
    weight = mapped.network.projections[1].connection.weight
    core = mapped.core_of_neuron
    packets = sum(
        int(counts[pre]) * len({int(core[8 + post]) for post in np.flatnonzero(weight[:, pre])} - {int(core[pre])})
        for pre in range(8)
    )
    assert made_of.traffic.routes.packets == pytest.approx(packets / 15, rel=1e-3)


def test_confusion_counts_every_sample_once(asynchronous: Trace):
    table = confusion_table(asynchronous)
    assert table.shape == (4, 5) and table.sum() == 3 and table.sum(1).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(F=3, order="random", seed=7, stop_after=4),
                                      Schedule(kind="layered"), Schedule(F=None, input="paced", R=2)])  # fmt: skip
def test_a_runs_flags_run_it_again(given: Path, mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule):
    from sim_reference.simulate import run

    first = run(mapped, stimulus, schedule)
    done = call("run", given / "mapped.npz", "--on", "reference", "--data", given / "data.npz",
                *flags_of(schedule).split(), "--out", given / "again.npz")  # fmt: skip
    assert done.exit_code == 0, done.output
    npz.save(first, given / "first.npz")
    assert call("compare", given / "first.npz", given / "again.npz").exit_code == 0


@pytest.mark.usefixtures("undrawn")
def test_files_are_named_with_their_digest(given: Path):
    text = made(given, "net", "a.npz")
    assert digest(given / "a.npz") in text and digest(given / "net" / "network.npz") in text


def test_what_is_no_run_is_refused(given: Path, network: Network, mapped: MappedNetwork):
    npz.save(network, given / "plain.npz")
    npz.save(mapped.network, given / "integers.npz")
    (given / "words.txt").write_text("a")
    (given / "empty").mkdir()
    told = {"plain.npz": "map it first", "integers.npz": "map it first", "data.npz": "give it as --data"}
    told |= {"words.txt": "is no run", "absent.npz": "does not exist", "empty": "holds no network"}
    for name, said in told.items():
        assert said in refused(2, "report", given / name, "--out", given / "x.html")
        assert not (given / "x.html").exists()
    assert "ends in .html" in refused(2, "report", given / "a.npz", "--out", given / "x.npz")


def test_a_spoilt_train_folder_is_refused(given: Path):
    for text in ("3", "{", '[{"epoch": 0}]', '[{"loss": "x", "accuracy": 1}]', "[3]"):
        (given / "net" / "metrics.json").write_text(text)
        assert "metrics.json" in refused(2, "report", given / "net", "--out", given / "x.html")


@pytest.mark.usefixtures("undrawn")
def test_json_says_the_same(given: Path):
    done = call("report", given / "a.npz", given / "c.npz", "--out", given / "x.html", "--json")
    value = json.loads(done.stdout)
    assert value["pairs"][0]["equal"] is False and value["sample"] == 1 and value["player"] is False
