"""Runs what an experiment has not run yet, job by job; and the plan: how many CPU hours that takes."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ir.check import require
from unlayered.console import Tick
from unlayered.experiments.definition import Experiment, Job, Row, jobs_of, load_experiment
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
    require(bool(jobs), f"{experiment.path} lists no job with its settings; let jobs(settings) return one or more")
    found = [job for job in jobs if only in job.name]
    names = ", ".join(repr(job.name) for job in jobs[:8])
    require(bool(found), f"no job of {experiment.path} has {only!r} in its name; among them are {names}")
    return found


ByJobs = Callable[[Experiment, Iterator[Job]], Iterable[list[Row]]]
"""Runs every job; yields the rows of each as it is done, in any order."""


def one_by_one(experiment: Experiment, jobs: Iterator[Job]) -> Iterator[list[Row]]:
    """Run them in this process, one after the other."""
    for job in jobs:
        yield rows_of(experiment, job)


def run_experiment(
    experiment: Experiment,
    folder: Path,
    which: tuple[str, int | None],
    tick: Tick,
    kept: Callable[[int, int], None],
    by: ByJobs = one_by_one,
) -> tuple[list[Row], int | None]:
    """Run the jobs that have no rows yet; each is kept as soon as it is done.

    Args:
        which: a part of the names of the jobs to run, and how many of them at most; None = all.
        tick: called with jobs that have rows and jobs in all, before the first and after each.
        kept: called with the same after each has been kept.
        by: who runs them; the rows are the same whoever did.

    Returns:
        All rows of the chosen jobs, in their order, and how many more may be run.
    """
    path, jobs, left = rows_file(experiment, folder), chosen(experiment, which[0]), which[1]

    def done() -> set[str]:  # looked up each time: another process may be at work on the same file
        return {row["key"] for row in read_lines(path)}

    def count(*told: Callable[[int, int], None]) -> None:
        n = len(done() & {job.key for job in jobs})
        for tell in told:
            tell(n, len(jobs))

    count(tick)
    wanted = (job for job in jobs if job.key not in done())
    for rows in by(experiment, islice(wanted, left)):
        add_lines(path, rows)
        count(kept, tick)
        left = None if left is None else left - 1
    keys = [job.key for job in jobs]
    rows = sorted((row for row in read_lines(path) if row["key"] in keys), key=lambda row: keys.index(row["key"]))
    return rows, left


def rows_there(path: str, quick: bool, job: Job) -> list[Row]:
    """What a worker is asked to do: it reads the experiment anew, from the place where it lies for the client.

    Raises:
        ValueError: no such file there, or one that knows no such job.
    """
    experiment = load_experiment(Path(path), quick)
    require(
        job.key in {one.key for one in jobs_of(experiment)},
        f"{path} of a worker has no such job {job.name!r}: all machines need the same experiments and settings",
    )
    return rows_of(experiment, job)


def rows_of(experiment: Experiment, job: Job) -> list[Row]:
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
