"""The whole road on a few digits: train, map, four executors, report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange import npz
from ir.check import TargetError
from ir.mapped import MappedNetwork
from ir.trace import Trace
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.equality import first_samples
from targets.lava.interpreter import find_python
from unlayered.demo import KINDS, DemoConfig, differing, run_demo, tables

SMALL = DemoConfig(epochs=2, train_samples=300, test_samples=20, lava_samples=3, seed=1)


def lava_is_there() -> bool:
    try:
        return bool(find_python())
    except TargetError:
        return False


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that a small demo leaves."""
    if not lava_is_there():
        pytest.skip("no Python 3.10 with lava-nc 0.10.0")
    out = tmp_path_factory.mktemp("demo")
    run_demo(SMALL, out, quiet=True)
    yield out


@pytest.fixture(scope="module")
def report(road: Path) -> dict[str, Any]:
    return json.loads((road / "report.json").read_text())


def test_the_report_has_its_keys_and_no_others(report: dict[str, Any]):
    assert set(report) == {"table", "equal", "chips", "versions", "seed"}
    columns = {"trained", "tested", "accuracy", "spikes_per_sample", "density", "forward_steps", "latency"}
    assert all(set(row) == columns for row in report["table"])
    assert {(row["trained"], row["tested"]) for row in report["table"]} == {(a, b) for a in KINDS for b in KINDS}
    assert all(0 <= row["accuracy"] <= 1 for row in report["table"])
    assert report["seed"] == 1 and report["versions"]["lava-nc"] == "0.10.0"


def test_every_executor_agrees_spike_for_spike(report: dict[str, Any]):
    pairs = {(row["a"], row["b"], row["schedule"]) for row in report["equal"]}
    assert pairs == {(*ab, kind) for ab in (("E1", "E2"), ("E1", "E3"), ("E2", "E3")) for kind in KINDS}
    for row in report["equal"]:
        assert set(row) == {"a", "b", "schedule", "samples", "spikes_compared", "differing"}
        assert row["differing"] == 0 and row["spikes_compared"] > 0
    assert not differing(report)


def test_the_report_shows_both_kinds_of_chip(report: dict[str, Any], road: Path):
    rows, whens = report["chips"], ("at the barrier", "0 ns after quiescence", "200 ns after quiescence")
    assert [(row["trained"], row["next_frame"]) for row in rows] == [(kind, when) for kind in KINDS for when in whens]
    for barrier, ideal, detected in (rows[:3], rows[3:]):
        assert "Loihi" in barrier["chip"] and "SENECA" in ideal["chip"] and "SENECA" in detected["chip"]
        assert ideal["spikes_per_sample"] == detected["spikes_per_sample"] > 0, "frames apart change no spike"
        assert all("J (" in row["energy"] for row in (barrier, ideal, detected))
    assert "Two kinds of chip" in (road / "report.html").read_text()
    assert (road / "timed-layered.npz").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_it_leaves_say_the_same_again(road: Path, kind: str):
    mapped = npz.load(road / f"mapped-{kind}.npz", MappedNetwork)
    lava, reference = (npz.load(road / f"{name}-{kind}.npz", Trace) for name in ("lava", "reference"))
    assert len(mapped.cores) > 1 and lava.executor == "E3" and reference.executor == "E2"
    assert lava.core_of_neuron is not None and len(set(lava.core_of_neuron.tolist())) == len(mapped.cores)
    n = len(lava.sample_ids)
    assert 0 < n < len(reference.sample_ids) and len(lava.spikes) > 0
    assert first_divergence(first_samples(reference, n), lava) is None


def test_the_page_needs_nothing_from_elsewhere(road: Path):
    page = (road / "report.html").read_text()
    assert page.count("<svg") == 9 and page.count('class="player"') == 1 and "</html>" in page
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)""", page) == []
    assert "@import" not in page and "url(http" not in page


def test_a_difference_is_shown_and_counted(report: dict[str, Any]):
    row = {**report["equal"][0], "differing": 1, "first": "sample 3, time step 0, forward step 1: neuron 2"}
    parted = {**report, "equal": [row, *report["equal"][1:]]}
    assert differing(parted)
    assert any("sample 3, time step 0" in str(line) for line in tables(parted))
