"""JSON of a difference or a sweep is read as far as a page shows it, and refused in one sentence where it is spoilt."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from exchange import npz
from ir.trace import Trace
from sim_reference.compare.difference import difference
from tests.unlayered.report.conftest import one_more
from tests.unlayered.verbs import call, refused
from unlayered.causes.experiment import Tried
from unlayered.causes.value import Diff, Remedy
from unlayered.console import plain
from unlayered.report.results import read_results
from unlayered.sweeping import Row, Sweep

TRIED = {"kind": "threshold", "population": "hidden", "what": "v_threshold 250 -> 251", "alone": 0.75, "added": 0.5,
         "together": 0.75, "refused": None, "combined": False, "effect": 0.75}  # fmt: skip
DIFF: dict[str, Any] = {
    "fine": False,
    "pairs": [
        {
            "format": "unlayered diff 1",
            "a": {"name": "net (E0)", "executor": "E0"},
            "b": {"name": "mapped.npz (E2)", "executor": "E2"},
            "samples": 3,
            "differing": 12,
            "rate_error": 0.1,
            "accuracy": [0.9, 0.6],
            "flips": [2],
            "decisions": [[0, 1, 2], [0, 1, 1]],
            "tau_steps": 10.0,
            "populations": [
                {"name": "hidden", "neurons": 8, "spikes": [40, 44], "differing": 10, "rate_error": 0.1,
                 "correlation": None, "van_rossum": 0.25, "count_difference": [0] * 8,
                 "van_rossum_of_neuron": [0.0] * 8}
            ],
            "first": {"sentence": "sample 2, time step 1, forward step 0: neuron 3"},
            "tried": [TRIED, {**TRIED, "kind": "decay", "alone": 0.0, "added": 0.0, "effect": 0.0},
                      {**TRIED, "kind": "delay", "alone": None, "added": None, "effect": 0.0, "refused": "no room"}],
            "causes": [{"kind": "threshold", "population": "hidden", "effect": 0.75}],
            "left": 0.25,
            "runs": 9,
            "remedies": [
                {"command": "unlayered map net --bits 4 --out better.npz", "what": "another scale",
                 "accuracy": [0.9, 0.6, 0.8], "recovered": 0.66, "samples": 100, "seconds": 3.0,
                 "cores": [4, 4], "energy": [2000.0, 1900.0], "more": False}
            ],
            "notes": ["one side is a trace"],
        }
    ],
}  # fmt: skip

ROW: dict[str, Any] = {
    "schedule": "asynchronous", "F": 1, "order": "momentum", "accuracy": 0.8, "spikes": 200.0, "forward_steps": 9.0,
    "latency": 4.0, "decided": None, "undecided": 0.25, "energy_pj": [2000.0, 1000.0, 3000.0], "time_ns": None,
}  # fmt: skip
SWEEP: dict[str, Any] = {
    "format": "unlayered sweep 1",
    "network": "net",
    "made_of": "00",
    "samples": 30,
    "rows": [{**ROW, "schedule": "layered", "F": None, "order": None}, ROW, {**ROW, "F": "all"}],
}


def written(folder: Path, value: object) -> Path:
    path = folder / "result.json"
    path.write_text(json.dumps(value))
    return path


def test_a_difference_is_shown_with_its_causes_and_remedies(tmp_path: Path):
    page = tmp_path / "page.html"
    assert call("report", written(tmp_path, DIFF), "--out", page).exit_code == 0
    text = page.read_text()
    for words in ("net (E0)", "threshold of hidden", "75.0 %", "v_threshold 250 -&gt; 251", "another scale",
                  "Left with", "unlayered map net --bits 4 --out better.npz",
                  "could not be tried: delay of hidden: no room",
                  "1 further setting", "sample 2, time step 1", "0.9000 to 0.6000", "one side is a trace"):  # fmt: skip
        assert words in text, words


def test_a_sweep_is_a_table_and_a_curve(tmp_path: Path):
    page = tmp_path / "page.html"
    assert call("report", written(tmp_path, SWEEP), "--out", page).exit_code == 0
    text = page.read_text()
    assert text.count("<svg") == 1 and "Accuracy against spikes, net" in text and "Means of 30 samples" in text
    assert text.count("<td>asynchronous</td>") == 2 and "2.00 nJ (1.00 to 3.00)" in text and "25.0 %" in text


def test_a_sweep_without_accuracy_is_a_table(tmp_path: Path):
    page = tmp_path / "page.html"
    rows = [{**ROW, "accuracy": None}]
    assert call("report", written(tmp_path, {**SWEEP, "rows": rows}), "--out", page).exit_code == 0
    assert "<svg" not in page.read_text() and "<td>momentum</td>" in page.read_text()


@pytest.mark.parametrize(
    "change",
    [{"order": "best"}, {"schedule": "none"}, {"F": "x"}, {"spikes": None}, {"energy_pj": [1]}, {"F": True},
     {"time_ns": [1, 2, "x"]}, {"energy_pj": [1, 2, -3]}, {"energy_pj": [1, 2, 3]},
     {"spikes": float("nan")}, {"spikes": float("inf")}, {"accuracy": 10**400}, {"energy_pj": [1, 1, float("inf")]}],
)  # fmt: skip
def test_a_spoilt_sweep_is_refused(tmp_path: Path, change: dict[str, Any]):
    path = written(tmp_path, {**SWEEP, "rows": [{**ROW, **change}]})
    assert "write it anew" in refused(2, "report", path, "--out", tmp_path / "page.html")


def test_what_sweep_writes_is_read(tmp_path: Path):
    row = Row("asynchronous", 2, "fifo", 0.5, 3.0, 4.0, None, 6.0, 0.5, (2.0, 1.0, 3.0), None)
    made = Sweep("net", "00", 30, (row,))
    ((kind, found),) = read_results(written(tmp_path, made.to_dict()))
    assert kind == "sweep" and found == made


def test_what_diff_prints_is_read(folder: Path, asynchronous: Trace):
    for name, trace in (("a", asynchronous), ("c", one_more(asynchronous))):
        npz.save(trace, folder / f"{name}.npz")
    printed = call("diff", folder / "a.npz", folder / "c.npz", "--json").stdout
    (folder / "diff.json").write_text(printed)
    ((kind, pair),) = read_results(folder / "diff.json")
    said = json.loads(printed)["pairs"][0]
    assert kind == "difference" and pair.differing == said["differing"] == 1
    assert pair.first == said["first"]["sentence"] and pair.populations[0][0] == "hidden"


def test_causes_and_remedies_of_a_diff_are_read(tmp_path: Path, asynchronous: Trace):
    other = one_more(asynchronous)
    tried = Tried("threshold", "hidden", "250 -> 251", 0.5, 0.25, 0.5), Tried("seed", None, "0 -> 1", 0.0, 0.0, 0.5)
    accuracy, ranked, cost = (0.9, 0.5, 0.8), (0.9, 0.6, 0.9), (2.0, (3, 4), (5.0, 6.0))
    remedy = Remedy("unlayered map net --bits 8", "more bits", accuracy, 0.75, 40, ranked, 30, *cost, True)
    found = Diff(("a", "b"), ("E2", "E2"), difference(asynchronous, other), None, tried, 0.5, 7, (remedy,), ("n",))
    value = json.loads(json.dumps(plain({"pairs": [found.to_dict()], "fine": False})))
    ((_, pair),) = read_results(written(tmp_path, value))
    assert pair.causes == (("threshold of hidden", 0.5, 0.25, 0.5, "250 -> 251"),) and pair.quiet == 1
    assert pair.remedies[0]["accuracy"] == (0.9, 0.5, 0.8) and pair.remedies[0]["cores"] == (3, 4)
    assert (pair.left, pair.runs, pair.notes) == (0.5, 7, ("n",))


HOSTILE = "<img src=x onerror=alert(1)>"


def hostile(value: Any) -> Any:
    """The same with every word, and every name of the sweep's own, a piece of markup."""
    if isinstance(value, dict):
        return {k: hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(x) for x in value]
    return HOSTILE if isinstance(value, str) else value


def test_words_of_results_are_text(tmp_path: Path):
    for value, n in ((hostile(DIFF), 5), ({**SWEEP, "network": HOSTILE, HOSTILE: 3}, 0)):
        page = tmp_path / "page.html"
        assert call("report", written(tmp_path, value), "--out", page).exit_code == 0
        text = page.read_text()
        assert "<img" not in text and text.count("&lt;img") > n


def spoilt() -> list[tuple[str, Any]]:
    """Every member of the difference, missing or of another kind."""
    found: list[tuple[str, Any]] = []
    for name in DIFF["pairs"][0]:
        if name not in ("format", "rate_error", "decisions", "tau_steps", "causes"):
            for value in ("absent", {"a": 1}, [None], "word"):
                other = copy.deepcopy(DIFF)
                if value == "absent":
                    del other["pairs"][0][name]
                else:
                    other["pairs"][0][name] = value
                found.append((f"{name} {value}", other))
    return found


@pytest.mark.parametrize("what, value", spoilt(), ids=lambda x: x if isinstance(x, str) else "")
def test_a_spoilt_difference_is_one_sentence_or_still_a_page(tmp_path: Path, what: str, value: Any):
    path, page = written(tmp_path, value), tmp_path / "page.html"
    done = call("report", path, "--out", page)
    if what in ("notes [None]",):
        assert done.exit_code == 0
    else:
        assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "write it anew" in done.stderr
        assert not page.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"pairs": 3}', '{"rows": 3}', '{"rows": [3]}',
                                  '{"pairs": [3]}', "[" * 100_000, "\ud800"])  # fmt: skip
def test_other_json_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(2, "report", path, "--out", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
