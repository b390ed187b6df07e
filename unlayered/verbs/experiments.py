"""``unlayered experiments``: run a grid of jobs that goes on where it stopped; tell what it gave on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlayered.console import progress, show, table
from unlayered.destinations import check_apart, check_destinations, check_ending
from unlayered.options import Insecure, Json, Workers

if TYPE_CHECKING:
    from unlayered.cluster.place import Place
    from unlayered.experiments.definition import Experiment

ACTIONS = ("run", "report")

Action = Annotated[str, typer.Argument(help="run, or report.", metavar="ACTION")]
Files = Annotated[
    list[Path],
    typer.Argument(help="Python files of experiments; the settings of each lie beside it.", metavar="FILE..."),
]


def experiments(
    action: Action,
    files: Files,
    rows: Annotated[
        Path | None, typer.Option("--rows", help="Folder of the JSON lines; default `rows` beside the first FILE.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The page of report; default RESULTS.md beside the first FILE.")
    ] = None,
    only: Annotated[str, typer.Option("--only", help="Run the jobs whose names hold this.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Small: with the settings' table [quick] laid over them.")
    ] = False,
    most: Annotated[
        int | None, typer.Option("--most", help="Stop after so many jobs; the same command goes on.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the planned CPU hours and run nothing.")] = False,
    workers: Workers = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Run experiments, and write one page of tables and plots about what they gave.

    FILE is a Python program with three functions: jobs(settings) lists what is to be run, run(job) does one and returns
    its rows, parts(settings, rows) tells them as tables and plots. FILE's settings lie
    beside it, in a .toml of the same name.

    run prints the planned CPU hours, then does every job that has no rows yet, in the order of the list, and keeps its
    rows as JSON lines with seed, settings, commit, versions and CPU time. Killed at any moment, it goes on with
    the same command and loses the job at work. A job whose settings have changed is another job.

    report reads nothing but those lines, and says which jobs have not been run.

      unlayered experiments run experiments/settled.py --plan
      unlayered experiments run experiments/settled.py
      unlayered experiments run experiments/settled.py --workers 2
      unlayered experiments report experiments/settled.py
    """
    from ir.check import check_choice, require
    from unlayered.cluster.place import place_asked
    from unlayered.experiments.definition import load_experiment

    check_choice("action", action, ACTIONS)
    place = place_asked(workers, insecure)
    require(place is None or action == "run", "--workers is for run; report reads what is there")
    chosen = [load_experiment(path, quick) for path in dict.fromkeys(files)]
    folder = files[0].parent / "rows" if rows is None else rows
    if action == "report":
        _report(chosen, folder, files[0].parent / "RESULTS.md" if out is None else out, as_json)
    else:
        _run(chosen, folder, (only, most), plan, place, as_json)


def _run(
    chosen: list[Experiment],
    folder: Path,
    which: tuple[str, int | None],
    plan: bool,
    place: Place | None,
    as_json: bool,
) -> None:
    from unlayered.cluster.pool import workers_at
    from unlayered.console import stderr
    from unlayered.experiments.running import PLAN_COLUMNS, one_by_one, plan_of, plan_rows, rows_file, run_experiment
    from unlayered.interruption import go_on

    planned = [line for experiment in chosen for line in plan_of(experiment, folder, which[0])]
    shown = table("planned", PLAN_COLUMNS, plan_rows(planned))
    if plan:
        show({"plan": [vars(line) for line in planned]}, as_json, shown)
        return
    if not as_json:
        stderr().print(shown)
    found: list[dict[str, Any]] = []
    left = which[1]
    with workers_at(place) as pool:
        for experiment in chosen:
            path = rows_file(experiment, folder)

            def kept(done: int, of: int, path: Path = path) -> None:
                go_on(f"{done} of {of} jobs kept in {path}, the same command goes on")

            with progress(experiment.name, as_json) as tick:
                by = one_by_one if pool is None else pool.jobs
                made, left = run_experiment(experiment, folder, (which[0], left), tick, kept, by)
            found.append({"experiment": experiment.name, "file": str(path), "rows": len(made)})
    lines = [f"{x['experiment']}: {x['rows']} rows in {x['file']}" for x in found]
    show({"experiments": found}, as_json, *lines, "tell them with: unlayered experiments report")


def _report(chosen: list[Experiment], folder: Path, out: Path, as_json: bool) -> None:
    from unlayered.experiments.page import written
    from unlayered.experiments.running import rows_file

    check_destinations(out)
    check_ending(out, ".md", "a page of experiments")
    for x in chosen:
        check_apart(out, x.path, x.path.with_suffix(".toml"), rows_file(x, folder))
    page = written(chosen, folder, out)
    plots = sorted(page.plots)
    show(
        {"page": str(out), "plots": plots, "rows": page.rows},
        as_json,
        f"wrote {out}: {page.rows} rows, {len(plots)} plots",
    )
