"""``unlayered demo``: the whole road with one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.console import show
from unlayered.options import Json


def demo(
    out: Annotated[Path, typer.Option("--out", help="The folder for report.html, report.json and networks.")] = Path(
        "demo"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="A smaller run, for a first look.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.")] = 0,
    as_json: Json = False,
) -> None:
    """Train two networks, map them, run them in four executors, compare every spike, write a report.

    Handwritten digits before an emulated event camera; one network trained with layers, one asynchronously; both
    tested under both schedules; trainer, reference simulator and Lava compared spike for spike. Exit 1 where anything
    differs, 3 where Lava is absent.

      unlayered demo
      unlayered demo --quick --out /tmp/look
    """
    from unlayered.demo import DemoConfig, differing, run_demo, tables

    report = run_demo(DemoConfig.quick(seed) if quick else DemoConfig(seed=seed), out, as_json)
    show(report, as_json, *tables(report), f"wrote {out / 'report.html'} and {out / 'report.json'}")
    if differing(report):
        raise typer.Exit(1)
