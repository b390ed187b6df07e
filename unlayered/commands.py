"""Commands that are printed for a user to type: a schedule as flags, and a training that goes on from a network."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ir.schedule import Schedule, group_word


def flags_of(schedule: Schedule, always: Collection[str] = ()) -> str:
    """A schedule as ``unlayered run`` takes it: kind, group size and order, and what is not as usual.

    Args:
        always: what is said though it is as usual, for a network whose own schedule has something else.

    >>> flags_of(Schedule(F=None, seed=3)), flags_of(Schedule(kind="layered"))
    ('--schedule asynchronous --F all --order momentum --seed 3', '--schedule layered')
    """
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in _said(schedule, always))


def train_flags_of(schedule: Schedule) -> str:
    """A schedule as ``unlayered train`` takes it; a scope of its own needs a partition beside it.

    >>> train_flags_of(Schedule(F=4, input="queued", stop_after=9))
    '--schedule asynchronous --F 4 --order momentum --input queued --set schedule.stop_after=9'
    """
    own = ("schedule", "F", "order", *(["input"] if schedule.input != "paced" else []))  # paced and R go together
    said = sorted(_said(schedule, ()), key=lambda pair: pair[0] not in own)
    return " ".join(f"--{name} {x}" if name in own else f"--set schedule.{name}={x}" for name, x in said)


def _said(schedule: Schedule, always: Collection[str]) -> list[tuple[str, Any]]:
    """The names and values by which a schedule is told."""
    if schedule.kind == "layered":
        return [("schedule", "layered")]
    said: list[tuple[str, Any]] = [("schedule", "asynchronous"), ("F", group_word(schedule.F))]
    usual = Schedule()
    for name in ("order", "scope", "input", "R", "stop_after", "stop_after_output", "seed"):
        value = getattr(schedule, name)
        if name == "order" or name in always or value != getattr(usual, name):
            said.append((name, value))
    return said


def tuning_command(start: str, data: str, root: Path | None, schedule: Schedule, rest: Sequence[str]) -> str:
    """The command that goes on training a network under a schedule and leaves the folder ``tuned``.

    Args:
        start: a path as a shell takes it, or a word that stands for one.
        rest: further flags, as a shell takes them.
    """
    words = ["unlayered train --start", start, data_words(data, root), train_flags_of(schedule), *rest, "--out tuned"]
    return " ".join(words)


def data_words(data: str, root: Path | None, flag: str = "--data") -> str:
    """Data by name and where they lie, as flags.

    >>> data_words("folder:my recordings", None)
    "--data 'folder:my recordings'"
    """
    return f"{flag} {shlex.quote(data)}" + ("" if root is None else f" --root {shlex.quote(str(root))}")
