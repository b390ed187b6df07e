"""A training run as a person watches it, and the history it leaves."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.train_files import read_history
from ir.check import word
from ir.words import counted
from trainer.fit import Metrics
from unlayered.console import stderr


class TrainingBar:
    """On a terminal a bar with the time left; elsewhere a line an epoch; both on standard error."""

    def __init__(self, title: str, epochs: int, quiet: bool) -> None:
        console = stderr()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
        self.title, self.epochs, self.last = word(title), epochs, ""
        self.console = None if quiet or console.is_terminal else console
        self.whole = -1

    def __enter__(self) -> TrainingBar:
        self.bar.start()
        self.task = self.bar.add_task(self.title, total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def report(self, metrics: Metrics, batch: int, n_batches: int) -> None:
        """Show where the run is; what ``trainer.fit.train`` calls."""
        if metrics.accuracy == metrics.accuracy:
            self.last = f", validation accuracy {metrics.accuracy:.3f}"
        if batch == n_batches:
            self._line(metrics)
        text = f"{self.title}: loss {metrics.loss:.3f}{self.last}, {metrics.samples_per_s:,.0f} samples/s"
        total = self.epochs * n_batches
        self.bar.update(self.task, description=text, completed=metrics.epoch * n_batches + batch, total=total)

    def _line(self, metrics: Metrics) -> None:
        """Say how an epoch went: the trainer reports its last batch, then the epoch as a whole."""
        if self.console is not None and self.whole == metrics.epoch:
            done = f"{self.title}: epoch {metrics.epoch + 1} of {self.epochs}, loss {metrics.loss:.3f}{self.last}"
            self.console.print(done, markup=False, soft_wrap=True)
        self.whole = metrics.epoch


def history(folder: Path) -> list[dict[str, Any]]:
    """The metrics of each epoch of a train folder."""
    return read_history(folder)


def kept_of_earlier(folder: Path, resume: bool) -> str:
    """How to go on if a run is interrupted before it has a checkpoint of its own."""
    if not (folder / "last.pt").exists():
        return "it had no checkpoint yet, the same command begins again"
    if resume:
        return f"{folder} holds what it had before, the same command goes on"
    return f"{folder} still holds the run before this one, whole"


def way_on(folder: Path, epochs: int) -> str:
    """How to go on from a checkpoint."""
    return f"{counted(epochs, 'epoch')} kept in {folder}, the same command with --resume goes on"
