"""The options that several verbs share, and the schedule they spell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ir.schedule import ALL, Schedule, group_of
from unlayered.completing import chips, offered
from unlayered.sources import chip_names

RULES = "ir.schedule"
"""Where the tables of a schedule's words are."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
Out = Annotated[Path, typer.Option("--out", help="Where to write; appears whole or not at all.")]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="A data set (digits, ...), a file of frames (.npz of ours, .npy), or folder:PATH.",
        autocompletion=offered("stimuli.data_sets", "NAMES"),
    ),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data-option", help="How folder:PATH becomes frames: KEY=VALUE (docs/data.md); may be repeated."),
]
Chip = Annotated[
    str,
    typer.Option(
        "--chip",
        help=f"{', '.join(chip_names())} or a .toml file; see `unlayered chips`.",
        autocompletion=chips,
    ),
]
Root = Annotated[Path | None, typer.Option("--root", help="The folder that holds the data set.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Use only the first N samples.")]
Split = Annotated[str, typer.Option("--split", help="Which part of a data set: train or test.")]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Whose semantics a foreign file has, e.g. norse.",
        autocompletion=offered("exchange.nir", "FRAMEWORKS"),
    ),
]
Dt = Annotated[float | None, typer.Option("--dt", help="Seconds a time step of a NIR file.")]

Kind = Annotated[
    str | None,
    typer.Option(
        "--schedule", help="layered or asynchronous (default: the network's).", autocompletion=offered(RULES, "KINDS")
    ),
]
F = Annotated[str | None, typer.Option("--F", help="Queue entries served in a forward step, or 'all'.")]
Order = Annotated[
    str | None,
    typer.Option("--order", help="Served first: random, momentum or fifo.", autocompletion=offered(RULES, "ORDERS")),
]
Scope = Annotated[
    str | None,
    typer.Option(
        "--scope",
        help="One queue for the network, or one a core that sends or receives.",
        autocompletion=offered(RULES, "SCOPES"),
    ),
]
InputRule = Annotated[
    str | None,
    typer.Option(
        "--input", help="How a frame enters: first, paced or queued.", autocompletion=offered(RULES, "INPUT_RULES")
    ),
]
R = Annotated[int | None, typer.Option("--R", help="Input events a forward step, with --input paced.")]
StopAfter = Annotated[int | None, typer.Option("--stop-after", help="At most N forward steps a time step.")]
StopAfterOutput = Annotated[
    int | None, typer.Option("--stop-after-output", help="Stop N forward steps after the first output spike.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the random order.")]

AllowUnsafe = Annotated[
    bool,
    typer.Option("--allow-unsafe", help="Go on outside the safe envelope; overflows are counted and shown."),
]

Workers = Annotated[
    str | None,
    typer.Option(
        "--workers", help="Spread over N processes here, or over a Dask scheduler's workers: tcp:// or tls://HOST:PORT."
    ),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let --workers reach another machine without TLS (docs/scale.md).")
]


@dataclass(frozen=True)
class ScheduleFlags:
    """What the command line says of the schedule; None = as the network says."""

    kind: str | None = None
    F: str | None = None
    order: str | None = None
    scope: str | None = None
    input: str | None = None
    R: int | None = None
    stop_after: int | None = None
    stop_after_output: int | None = None
    seed: int | None = None

    def on(self, default: Schedule) -> Schedule:
        """The network's schedule with the flags laid over it."""
        changes: dict[str, Any] = {name: value for name, value in vars(self).items() if value is not None}
        if self.F is not None:
            changes["F"] = parse_f(self.F)
        return replace(default, **changes)


def parse_f(text: str) -> int | None:
    """A group size; ``all`` serves everything."""
    if text != ALL and not text.isdecimal():
        raise ValueError(f"--F is {text!r}; give a whole number or {ALL!r}")
    return group_of(int(text) if text.isdecimal() else text)
