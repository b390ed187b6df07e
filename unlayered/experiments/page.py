"""One page of what experiments gave: tables and plots, with the command and the run time of each; nothing but rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange import npz
from ir.words import counted
from unlayered.console import short
from unlayered.experiments.definition import Experiment, Part, Row, jobs_of
from unlayered.experiments.lines import read_lines
from unlayered.experiments.running import PLAN_COLUMNS, Planned, hours, plan_of, plan_rows, rows_file
from unlayered.report.svg import draw

PLOT_HEIGHT_IN = 3.2
QUICK = " **These are quick runs**: small, to see that everything works; their figures say little."


@dataclass(frozen=True)
class Page:
    """The page and its plots, by file name."""

    text: str
    plots: dict[str, str]
    rows: int


def written(experiments: Sequence[Experiment], folder: Path, out: Path) -> Page:
    """Write the page at ``out`` and its plots into a folder beside it, ``plots``."""
    page = page_of(experiments, folder, out)
    plots = out.parent / "plots"
    if page.plots:
        plots.mkdir(exist_ok=True)
    for name, svg in page.plots.items():
        npz.write_atomically(plots / name, svg.encode())
    npz.write_atomically(out, page.text.encode())
    return page


def page_of(experiments: Sequence[Experiment], folder: Path, out: Path) -> Page:
    """The page of all experiments."""
    plots: dict[str, str] = {}
    planned = [line for experiment in experiments for line in plan_of(experiment, folder)]
    parts = [_head(experiments, folder, out, planned)]
    n_rows = 0
    for experiment in experiments:
        text, n = _told(experiment, folder, plots)
        parts.append(text)
        n_rows += n
    return Page("\n\n".join(parts) + "\n", plots, n_rows)


def _head(experiments: Sequence[Experiment], folder: Path, out: Path, planned: list[Planned]) -> str:
    quick = any(x.quick for x in experiments)
    names = " ".join(_place(x.path, out) for x in experiments)
    rows = plan_rows(planned)
    return "\n\n".join([
        "# Results of experiments",
        "Written by `unlayered experiments report` from JSON lines alone; not to be edited. "
        f"Again: `unlayered experiments report {names}{' --quick' * quick}`."
        + QUICK * quick,
        "CPU hours, planned before the first run and spent, of the jobs that are done:",
        table(PLAN_COLUMNS, rows),
    ])  # fmt: skip


def _place(path: Path, out: Path) -> str:
    """A file as it is called from the folder above the page's, where that lies above it."""
    return Path(os.path.relpath(path.resolve(), out.resolve().parent.parent)).as_posix()


def _told(experiment: Experiment, folder: Path, plots: dict[str, str]) -> tuple[str, int]:
    """The page's section on an experiment, and how many rows it tells."""
    path, jobs = rows_file(experiment, folder), jobs_of(experiment)
    lines = read_lines(path)
    keys = [job.key for job in jobs]
    rows = sorted((row for row in lines if row["key"] in keys), key=lambda row: keys.index(row["key"]))
    done = {row["key"] for row in rows}
    missing = [job.name for job in jobs if job.key not in done]
    command = f"unlayered experiments run {experiment.path.parent.name}/{experiment.path.name}"
    said = [f"## {experiment.name}", experiment.told, f"`{command}{' --quick' * experiment.quick}`: {_price(rows)}"]
    if missing:
        named = ", ".join(missing[:12]) + (", ..." if len(missing) > 12 else "")
        said.append(f"**Not run** ({len(missing)} of {len(jobs)} jobs): {named}.")
    if len(lines) > len(rows):
        said.append(f"{counted(len(lines) - len(rows), 'row')} of other settings lie there, too, and are left out.")
    parts = experiment.parts(experiment.settings, [told(row) for row in rows]) if rows else []
    said += [_part(experiment, part, plots) for part in parts]
    return "\n\n".join(said), len(rows)


def told(row: Row) -> Row:
    """A row as experiments see it: its results, its seed, its job's name and what that was made of."""
    return {**row["what"], **row["result"], "seed": row["seed"], "job": row["job"], "cpu_s": row["cpu_s"]}


def _price(rows: list[Row]) -> str:
    """What the rows took and of which code they are, in a sentence."""
    if not rows:
        return "no rows yet."
    cpu, wall = sum(row["cpu_s"] for row in rows), sum(row["wall_s"] for row in rows)
    commits = sorted({str(row["commit"])[:9] + "+" * str(row["commit"]).endswith("+") for row in rows})
    seeds = sorted({row["seed"] for row in rows if row["seed"] is not None})
    packages = sorted({f"{name} {row['versions'].get(name)}" for row in rows for name in ("python", "torch", "numpy")})
    return (
        f"{counted(len(rows), 'row')}, seeds {', '.join(map(str, seeds)) or '-'}, {hours(cpu):.3g} CPU h "
        f"({hours(wall):.3g} h by the clock); commit {', '.join(commits) or '-'}; {', '.join(packages)}."
    )


def _part(experiment: Experiment, part: Part, plots: dict[str, str]) -> str:
    said = [f"### {part.title}"] + ([part.text] if part.text else [])
    if part.rows:
        said.append(table(part.columns, part.rows))
    if part.paint is not None:
        name = f"{experiment.name}-{part.plot}{'-quick' * experiment.quick}.svg"
        plots[name] = draw(part.paint, PLOT_HEIGHT_IN, "white", salt=name)
        said.append(f"![{part.title}](plots/{name})")
    return "\n\n".join(said)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown; numbers to the right."""
    numeric = [all(row[i] is None or isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    lines = [list(columns), ["---:" if x else "---" for x in numeric]]
    lines += [[short(x).replace("|", "\\|") for x in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
