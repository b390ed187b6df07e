"""``unlayered inspect``: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from unlayered.console import show, text_of
from unlayered.options import As, Dt, Json


def inspect(
    file: Annotated[
        Path, typer.Argument(help="A network, mapped or not, a trace, a stimulus, a state, or a train folder.")
    ],
    as_: As = None,
    dt: Dt = None,
    explain: Annotated[
        list[str] | None,
        typer.Option("--explain", help="Of a map: a neuron (17, layer0[3]) or 'core 0', and why there."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a file holds: populations, projections, cores, schedule, or the numbers of a run.

    unlayered inspect mapped.npz
    unlayered inspect trace.npz --json
    unlayered inspect mapped.npz --explain "layer0[3]"
    """
    from unlayered.description import describe, open_any, tables

    value = open_any(file, as_, dt)
    if explain:
        lines = _explained(value, explain)
        show({"explained": text_of(*lines)}, as_json, *lines)
        return
    described = describe(value)
    show(described, as_json, *tables(file, described))


def _explained(value: Any, words: list[str]) -> list[Table | str]:
    from ir.mapped import MappedNetwork
    from unlayered.explain import explain_all
    from unlayered.mapping import look_again

    if not isinstance(value, MappedNetwork):
        raise ValueError(f"--explain needs a mapped network, this is a {type(value).__name__}; map it first")
    return explain_all(look_again(value), words)
