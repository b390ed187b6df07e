"""What an experiment is: a Python file with its settings beside it: it names jobs, runs one, and tells the results."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from exchange import toml
from exchange.plain import check_readable
from ir.check import FormatError

PARTS = ("jobs", "run", "parts")
QUICK = "quick"
"""The table of a settings file whose values stand in the place of the others in a quick run."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A piece of an experiment that is run as a whole and kept when it is done.

    Attributes:
        name: of its own in the experiment.
        what: everything its result depends on, plain values: a job whose ``what`` has changed is another job.
        cpu_s: what it is planned to take.
        group: jobs that one line of the plan counts together.
    """

    name: str
    what: dict[str, Any]
    cpu_s: float
    group: str = ""

    @property
    def key(self) -> str:
        """A fingerprint of the name and of ``what``."""
        text = json.dumps([self.name, self.what], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Part:
    """A part of the page: a heading, sentences, a table, a plot.

    Attributes:
        paint: draws the plot; the page names it after ``plot``.
    """

    title: str
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    plot: str = ""
    paint: Callable[[Figure], None] | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be run and told.

    Attributes:
        told: the first sentence of its file.
        settings: of its TOML, with those of a quick run laid over them or not.
        jobs: makes all jobs of the settings, most telling first.
        run: does a job; its rows, each a table of plain values with a ``seed``.
        parts: what the page says of rows, ``(settings, rows) -> parts``; a row has its job's name under ``job``.
    """

    path: Path
    told: str
    settings: dict[str, Any] = field(repr=False)
    quick: bool
    jobs: Callable[[dict[str, Any]], list[Job]]
    run: Callable[[Job], list[Row]]
    parts: Callable[[dict[str, Any], list[Row]], list[Part]]

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.path.stem


def load_experiment(path: Path, quick: bool = False) -> Experiment:
    """Read an experiment; its file is a Python program and runs as one.

    Raises:
        FormatError: the file or its settings are missing, or it lacks a function.
    """
    if path.suffix != ".py":
        raise FormatError(f"{path} is no experiment: name its Python file; the settings lie beside it, in a .toml")
    check_readable(path)
    settings = toml.read_toml(path.with_suffix(".toml"), "settings ")
    small = settings.pop(QUICK, {})
    if not isinstance(small, dict) or set(small) - set(settings):
        raise FormatError(
            f"settings {path.with_suffix('.toml')}: [{QUICK}] has keys that the settings lack; name some of theirs"
        )
    module = _module(path)
    missing = [name for name in PARTS if not callable(getattr(module, name, None))]
    if missing:
        raise FormatError(f"{path} is no experiment: it has no function {missing[0]!r}; it needs {', '.join(PARTS)}")
    told = (module.__doc__ or path.stem).strip().split("\n\n")[0].replace("\n", " ")
    return Experiment(
        path, told, {**settings, **(small if quick else {})}, quick, module.jobs, module.run, module.parts
    )


def jobs_of(experiment: Experiment) -> list[Job]:
    """Its jobs, each with a name of its own.

    Raises:
        FormatError: two jobs are called the same.
    """
    found = experiment.jobs(experiment.settings)
    names = [job.name for job in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError(f"{experiment.path} has two jobs called {twice[0]!r}; give each a name of its own")
    return found


def _module(path: Path) -> Any:
    """The file as a module; what lies beside it and above it can be imported, as when Python runs it."""
    for folder in (path.resolve().parent.parent, path.resolve().parent):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location(f"unlayered_experiment_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses of the file look it up
    spec.loader.exec_module(module)
    return module
