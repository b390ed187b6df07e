"""What a person sees: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import io
import json
import math
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ir.check import MAX_SENTENCE, word

MAX_WORD = 16
"""Columns of text up to this long stay on one line."""

Tick = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


def stdout() -> Console:
    """Results for a person."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """Progress and errors, so that standard output stays clean."""
    return Console(stderr=True, highlight=False)


def plain(value: Any) -> Any:
    """Numpy numbers and arrays as plain Python values; NaN and infinity as None, for JSON has neither."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def show(value: dict[str, Any], as_json: bool, *lines: str | Table) -> None:
    """Print the result: ``value`` as JSON, or ``lines`` for a person."""
    if as_json:
        sys.stdout.write(json.dumps(plain(value), indent=1) + "\n")
        return
    console = stdout()
    for line in lines:
        console.print(printed(line), markup=False) if isinstance(line, str) else console.print(line)


def printed(text: str) -> str:
    """Lines as they print: names in them come from strangers' files."""
    return "\n".join(word(line, 10 * MAX_SENTENCE) for line in text.split("\n"))


def text_of(*lines: str | Table) -> str:
    """Lines as one text of up to 120 columns."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=120, highlight=False)
    for line in lines:
        console.print(printed(line), markup=False) if isinstance(line, str) else console.print(line)
    return buffer.getvalue()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table whose numeric columns are right-aligned."""
    made = Table(title=Text(word(title)), title_justify="left", title_style="bold", show_edge=False)
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(row[i] is None or isinstance(row[i], (int, float)) for row in rows)
        shares = bool(rows) and all(str(row[i]).endswith((" %", "-")) for row in rows)
        whole = not numeric and all(len(str(row[i])) <= MAX_WORD for row in rows)
        words = [*name.replace("_", " ").split(), *([short(row[i]) for row in rows] if numeric else [])]
        made.add_column(
            name.replace("_", " "),
            justify="right" if numeric or shares else "left",
            overflow="fold",
            no_wrap=whole,
            min_width=min(MAX_WORD, max(map(len, words), default=0)),
        )
    for row in rows:
        made.add_row(*(Text(short(x)) for x in row))
    return made


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names and values, without lines."""
    made = Table(
        title=Text(word(title)), title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False
    )
    for name, value in pairs:
        made.add_row(Text(short(name.replace("_", " "))), Text(short(value)))
    return made


def short(x: Any) -> str:
    """A value as a person likes to read it."""
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return "-"
    if isinstance(x, float):
        return f"{x:#.4g}" if abs(x) < 1000 else f"{x:,.0f}"
    return f"{x:,}" if isinstance(x, int) and not isinstance(x, bool) else word(x)


@contextmanager
def progress(title: str, quiet: bool = False) -> Generator[Tick]:
    """A progress bar on standard error; nothing where that is no terminal or ``quiet``."""
    console = stderr()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(word(title), total=None)

        def tick(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tick


class Stages:
    """One bar on standard error that says which of several stages is at work, and how far it is where that is known."""

    def __init__(self, title: str, names: Sequence[str], quiet: bool = False) -> None:
        console = stderr()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[known]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
        self.title, self.names = word(title), list(names)
        self.task = self.bar.add_task(self.title, total=None, known="")

    def __enter__(self) -> Stages:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def begin(self, name: str) -> None:
        """Go on to a stage."""
        place = self.names.index(name) + 1
        text = f"{self.title}: {name} ({place} of {len(self.names)})"
        self.bar.update(self.task, description=text, completed=0, total=None, known="")

    def tick(self, done: int, total: int) -> None:
        """Say how far the stage is."""
        self.bar.update(self.task, completed=done, total=total, known=f"{done}/{total}")


class Stopwatch:
    """Says on standard error what took how long."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.start = quiet, time.perf_counter()

    def lap(self, what: str) -> None:
        """Print ``what`` with the seconds since the last lap."""
        now = time.perf_counter()
        if not self.quiet:
            stderr().print(f"{now - self.start:7.1f} s  {what}", markup=False)
        self.start = now
