"""``unlayered check``: can this file run on that chip, and what will its spikes mean?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.console import show, table
from unlayered.options import As, Chip, Dt, Json


def check(
    file: Annotated[Path, typer.Argument(help="A train folder or a network file: .nir, .onnx, .net or .npz.")],
    chip: Chip,
    as_: As = None,
    dt: Dt = None,
    as_json: Json = False,
) -> None:
    """Say of every node whether it can run on the chip, why not and what to do; exit 1 where one cannot.

    A second table shows what the file says of its time step, what was assumed, and what the chip does.

      unlayered check examples/model.nir --as norse --chip loihi2
      unlayered check examples/model.onnx --chip loihi1 --json
    """
    from exchange.chip_toml import find_chip
    from unlayered.check import check_file

    report = check_file(file, find_chip(chip), as_, dt)
    nodes = [(n.name, n.kind, "ok" if n.ok else "no", n.reason, n.remedy) for n in report.nodes]
    meanings = [(s.question, s.file, s.assumed, s.chip) for s in report.semantics]
    lines = [
        table(f"{file} on {chip}", ("node", "kind", "", "reason", "remedy"), nodes),
        table("What a time step means", ("", "the file", "assumed", "the chip"), meanings),
    ]
    show(report.as_json(), as_json, *lines)
    if not report.ok:
        raise typer.Exit(1)
