"""Runs what an experiment has not run yet, job by job; and the plan: how many CPU hours that takes."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ir.check import require
from unlayered.console import Tick
from unlayered.experiments.definition import Experiment, Job, Row, jobs_of
from unlayered.experiments.lines import add_lines, read_lines
from unlayered.versions import versions

HOUR_S = 3600.0


def rows_file(experiment: Experiment, folder: Path) -> Path:
    """Where the rows of an experiment lie; those of a quick run beside, under a name of their own."""
    return folder / f"{experiment.name}{'-quick' * experiment.quick}.jsonl"


@dataclass(frozen=True)
class Planned:
    """A line of the plan.

    Attributes:
        done: jobs whose rows are there. planned_s: CPU seconds that all jobs are planned to take.
        spent_s: CPU seconds that those done have taken. left_s: planned for the others.
    """

    experiment: str
    group: str
    jobs: int
    done: int
    planned_s: float
    spent_s: float
    left_s: float


def plan_of(experiment: Experiment, folder: Path, only: str = "") -> list[Planned]:
    """What an experiment takes, a line a group of jobs."""
    took: dict[str, float] = {}
    for row in read_lines(rows_file(experiment, folder)):
        took[row["key"]] = took.get(row["key"], 0.0) + row["cpu_s"]
    groups: dict[str, list[Job]] = {}
    for job in chosen(experiment, only):
        groups.setdefault(job.group, []).append(job)
    return [
        Planned(
            experiment.name,
            group,
            len(jobs),
            sum(job.key in took for job in jobs),
            sum(job.cpu_s for job in jobs),
            sum(took.get(job.key, 0.0) for job in jobs),
            sum(job.cpu_s for job in jobs if job.key not in took),
        )
        for group, jobs in groups.items()
    ]


def chosen(experiment: Experiment, only: str) -> list[Job]:
    """The jobs whose names hold ``only``.

    Raises:
        ValueError: there is none.
    """
    jobs = jobs_of(experiment)
    found = [job for job in jobs if only in job.name]
    names = ", ".join(repr(job.name) for job in jobs[:8])
    require(bool(found), f"no job of {experiment.path} has {only!r} in its name; among them are {names}")
    return found


def run_experiment(
    experiment: Experiment, folder: Path, which: tuple[str, int | None], tick: Tick, kept: Callable[[int, int], None]
) -> tuple[list[Row], int | None]:
    """Run the jobs that have no rows yet; each is kept as soon as it is done.

    Args:
        which: a part of the names of the jobs to run, and how many of them at most; None = all.
        tick: called with jobs done and in all, before each.
        kept: called with the same after each has been kept.

    Returns:
        All rows of the chosen jobs, in their order, and how many more may be run.
    """
    path, jobs, left = rows_file(experiment, folder), chosen(experiment, which[0]), which[1]
    for i, job in enumerate(jobs):
        tick(i, len(jobs))
        if left == 0:
            break
        if not any(row["key"] == job.key for row in read_lines(path)):
            add_lines(path, _rows_of(experiment, job))
            kept(i + 1, len(jobs))
            left = None if left is None else left - 1
    tick(len(jobs), len(jobs))
    keys = [job.key for job in jobs]
    rows = sorted((row for row in read_lines(path) if row["key"] in keys), key=lambda row: keys.index(row["key"]))
    return rows, left


def _rows_of(experiment: Experiment, job: Job) -> list[Row]:
    """Run a job; its CPU time is shared out over its rows."""
    cpu, wall = _cpu_s(), time.perf_counter()
    results = experiment.run(job)
    cpu, wall = _cpu_s() - cpu, time.perf_counter() - wall
    require(bool(results), f"job {job.name!r} of {experiment.path} gave no row; a job gives one or more")
    said = {
        "experiment": experiment.name,
        "job": job.name,
        "key": job.key,
        "what": job.what,
        "commit": commit_of(experiment.path),
        "versions": versions(),
        "cpu_s": round(cpu / len(results), 3),
        "wall_s": round(wall / len(results), 3),
    }
    return [
        {**said, "seed": row.get("seed"), "result": {k: v for k, v in row.items() if k != "seed"}} for row in results
    ]


def _cpu_s() -> float:
    """CPU seconds of this process and of those it has waited for."""
    import resource

    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def commit_of(path: Path) -> str:
    """The commit that a file is of, with ``+`` behind it where files of the repository differ; empty without git."""
    git, folder = shutil.which("git"), path.resolve().parent
    if git is None:
        return ""

    def said(*words: str) -> str | None:
        done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    commit = said("rev-parse", "HEAD")
    return "" if not commit else commit + ("+" if said("status", "--porcelain", "--untracked-files=no") else "")


def hours(seconds: float) -> float:
    """CPU hours of seconds."""
    return seconds / HOUR_S


def plan_rows(planned: Sequence[Planned]) -> list[tuple[Any, ...]]:
    """The lines of a plan as a table's, and their sum."""
    rows: list[tuple[Any, ...]] = [
        (p.experiment, p.group, p.jobs, p.done, hours(p.planned_s), hours(p.spent_s), hours(p.left_s)) for p in planned
    ]
    return [*rows, ("all", "", *(sum(row[i] for row in rows) for i in range(2, 7)))]


PLAN_COLUMNS = ("experiment", "jobs of", "jobs", "done", "planned CPU h", "spent CPU h", "left CPU h")
