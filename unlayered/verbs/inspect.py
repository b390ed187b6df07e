"""``unlayered inspect``: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.console import show
from unlayered.options import As, Dt, Json


def inspect(
    file: Annotated[Path, typer.Argument(help="A network, a mapped network, a trace, a stimulus, or a train folder.")],
    as_: As = None,
    dt: Dt = None,
    as_json: Json = False,
) -> None:
    """Say what a file holds: populations, projections, cores, schedule, or the numbers of a run.

    unlayered inspect mapped.npz
    unlayered inspect trace.npz --json
    """
    from unlayered.description import describe, open_any, tables

    value = open_any(file, as_, dt)
    described = describe(value)
    show(described, as_json, *tables(file, described))
