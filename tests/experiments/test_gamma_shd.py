"""Spoken digits of a speaker left out: jobs are run once, go on where they stopped, and pair what they compare."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import gamma_shd
from experiments.gamma_shd_price import priced
from experiments.gamma_shd_tables import by_recording, interval
from stimuli.spoken import recordings
from tests.stimuli.test_spoken import written
from unlayered.experiments.definition import Experiment, load_experiment
from unlayered.experiments.page import page_of
from unlayered.experiments.running import jobs_of, rows_file, run_experiment

FILE = Path(__file__).parents[2] / "experiments" / "gamma_shd.py"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """The experiment on drawn recordings, a few of them, and without prices."""
    folder = tmp_path / "datasets" / "shd_like_fsdd"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        written(folder, part, 60, True)
    monkeypatch.setenv("UNLAYERED_DATA", str(tmp_path))
    whole = load_experiment(FILE, quick=True)
    return replace(whole, settings={**whole.settings, "samples": 10, "test_samples": 6, "priced_steps": []})


def run(experiment: Experiment, folder: Path, most: int | None, only: str = "") -> list[dict]:
    return run_experiment(experiment, folder, (only, most), lambda i, n: None, lambda i, n: None)[0]


def test_a_run_that_stopped_goes_on_and_the_page_tells_what_lies_there(small: Experiment, tmp_path: Path) -> None:
    first = run(small, tmp_path, 2)
    assert [row["what"]["network"] for row in first] == ["SpikingGamma", "LIF"]
    before = rows_file(small, tmp_path).read_bytes()
    rows = run(small, tmp_path, 2)
    assert rows_file(small, tmp_path).read_bytes().startswith(before) and len(rows) == 4
    assert [(row["what"]["network"], row["what"]["n_steps"]) for row in rows] == [
        ("SpikingGamma", 100), ("LIF", 100), ("recurrent LIF", 100), ("SpikingGamma", 1000)
    ]  # fmt: skip
    for row in rows:
        own, result = row["what"]["n_steps"], row["result"]
        bits = result[f"right at {own}"]
        assert len(bits) == 6 and result[f"accuracy at {own}"] == pytest.approx(bits.count("1") / 6)
        other = f"right at {1100 - own}"
        assert (other in result) == (row["what"]["network"] != "recurrent LIF")
        assert json.loads(json.dumps(row["what"])) == row["what"]
    text = page_of([small], tmp_path, tmp_path / "page.md").text
    assert "Tested at another time step" in text and "**Not run** (3 of 7 jobs)" in text


def test_each_speaker_is_left_out_and_the_most_telling_comes_first() -> None:
    jobs = jobs_of(load_experiment(FILE))
    whats = [job.what for job in jobs if "network" in job.what]
    assert len(whats) == (2 * 3 + 1) * 6 * 3 and len({job.key for job in jobs}) == len(jobs)
    first = [(w["network"], w["n_steps"], w["speaker"], w["seed"]) for w in whats[:6]]
    assert first == [("SpikingGamma", 100, s, 0) for s in range(6)]
    assert {w["config"]["loss_steps"] for w in whats if w["n_steps"] == 1000} == {200}
    assert all("priced" in job.what for job in jobs[:15])


def test_a_network_trained_at_both_time_steps_is_one(small: Experiment, tmp_path: Path) -> None:
    (row,) = run(small, tmp_path, None, "trained at both")
    assert row["what"]["epochs"] == 2 and {"right at 100", "right at 1000"} <= set(row["result"])
    here, there = (
        gamma_shd.begun(
            gamma_shd.BOTH, gamma_shd.config_of(gamma_shd.BOTH, n, 4, 1, 0), recordings().frames(range(3), 100)
        )
        for n in (1000, 100)
    )
    gamma_shd.share(here, there)
    assert [id(p) for p in here.parameters()] == [id(p) for p in there.parameters()]
    assert here.dt_s < there.dt_s


def test_differences_are_paired_by_recording() -> None:
    rows = [
        {"speaker": 0, "right at 100": "1100", "right at 1000": "1010"},
        {"speaker": 0, "right at 100": "1000", "right at 1000": "1000"},
        {"speaker": 3, "right at 100": "1111", "right at 1000": "1111"},
    ]
    here, there = (by_recording(rows, f"right at {n}") for n in (100, 1000))
    assert here[0, 1] == 0.5 and here[3, 2] == 1 and len(here) == 8
    mean, low, high = interval([there[key] - here[key] for key in here])
    assert mean == pytest.approx(0) and low < 0 < high
    assert interval([0.02] * 50) == pytest.approx((2, 2, 2))
    rng = np.random.default_rng(1)
    mean, low, high = interval(list((rng.random(2_000) < 0.5) * 1.0))
    assert high - low == pytest.approx(2 * 1.96 * 50 / 2_000**0.5, rel=0.1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the highest memory is Linux's to tell")
def test_memory_of_the_online_rule_is_that_of_its_traces_however_long_the_sample() -> None:
    assert priced("SpikingGamma, trace", 400, 8, 16)["bytes"] < 2_000_000


def test_the_rows_that_lie_here_are_of_today_s_jobs() -> None:
    """A field that a configuration gets, and that is off here, makes no job another one."""
    whole = load_experiment(FILE)
    known = {job.key for job in jobs_of(whole)}
    lines = (FILE.parent / "rows" / "gamma_shd.jsonl").read_text().splitlines()
    assert len(lines) > 100 and {json.loads(line)["key"] for line in lines} <= known
