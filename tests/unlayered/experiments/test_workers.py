"""``unlayered experiments run --workers``: the rows of one process, resumed, a killed worker's job done again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unlayered.experiments.test_experiments import lines, page, ran, run
from tests.unlayered.verbs import call, refused

pytest.importorskip("distributed", reason="Dask distributed is not installed; pip install 'unlayered[cluster]'")
pytestmark = pytest.mark.filterwarnings(  # Dask leaves the sockets of who is gone to the garbage collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

KILLED = """
    import os, signal
    if job.what["n"] == 5 and not (HERE / "killed").exists():
        (HERE / "killed").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    (HERE / f"{job.what['n']} of").write_text(str(os.getpid()))
    return [{"""


def without_time(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("cpu_s", "wall_s")}


def in_order(file: Path, rows: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (rows / f"{file.stem}.jsonl").read_text().splitlines()]
    return sorted(map(without_time, found), key=lambda row: (row["job"], row["seed"]))


def test_workers_keep_the_rows_of_one_process_and_a_killed_ones_job_is_done_again(file: Path, tmp_path: Path):
    file.write_text(file.read_text().replace("\n    return [{", KILLED))
    (tmp_path / "killed").write_text("nobody")  # not yet: in this process
    run(file, "--rows", tmp_path / "one")
    (tmp_path / "killed").unlink()
    told = run(file, "--rows", tmp_path / "two", "--workers", 2)
    assert in_order(file, tmp_path / "two") == in_order(file, tmp_path / "one") and len(told["experiments"]) == 1
    assert told["experiments"][0]["rows"] == 6
    assert ran(file)[3:].count("job 5") == 2
    killed, *who = (int((tmp_path / name).read_text()) for name in ("killed", "3 of", "5 of", "7 of"))
    assert killed != who[1] and os.getpid() not in who
    pages = [page(file, "--rows", tmp_path / name).replace(f"/{name}", "") for name in ("one", "two")]
    told_rows = [[x for x in text.splitlines() if x.startswith(("| job 3", "| job 5", "| job 7"))] for text in pages]
    assert told_rows[0] == told_rows[1] and len(told_rows[0]) == 6


def test_workers_go_on_where_a_run_stopped_and_stop_after_the_jobs_that_were_asked_for(file: Path):
    run(file, "--most", 1)
    before = lines(file)
    run(file, "--most", 1, "--workers", 1)
    assert ran(file) == ["job 3", "job 5"] and lines(file)[:2] == before
    run(file, "--workers", 1)
    assert ran(file) == ["job 3", "job 5", "job 7"] and len(lines(file)) == 6


def test_a_job_that_fails_on_a_worker_is_one_sentence_and_the_others_rows_stay(file: Path):
    file.write_text(
        file.read_text().replace(
            "    return [{", "    if job.what['n'] == 7:\n        raise ValueError('no seven')\n    return [{"
        )
    )
    done = call("experiments", "run", file, "--workers", 1)
    assert done.exit_code == 2 and done.stderr.rstrip().endswith("unlayered: no seven"), done.output
    assert {x["job"] for x in lines(file)} == {"job 3", "job 5"}


def test_a_report_takes_no_workers(file: Path):
    assert "--workers is for run" in refused(2, "experiments", "report", file, "--workers", 2)
