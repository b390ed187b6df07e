"""``unlayered compare``: are two runs the same, spike for spike?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ir.words import counted
from unlayered.console import show
from unlayered.options import Json


def compare(
    a: Annotated[Path, typer.Argument(help="A trace, as `unlayered run --out` writes it; .pieces too.")],
    b: Annotated[Path, typer.Argument(help="Another trace of the same samples.")],
    as_json: Json = False,
) -> None:
    """Compare two traces without tolerance: spikes, membranes, forward steps.

    Exit 0 equal; 1 different, with the first event in which they part (sample, time step, forward step, population,
    neuron, both membranes, core); 2 bad input.

      unlayered compare reference.npz lava.npz
      unlayered compare e.npz e.pieces
    """
    from sim_reference.compare.in_pieces import compared
    from unlayered.sources import open_trace

    first, second = open_trace(a), open_trace(b)
    found, parted = compared(first, second)
    executors = first.rest.executor, second.rest.executor
    value: dict[str, Any] = {
        "equal": parted is None,
        "a": executors[0],
        "b": executors[1],
        "samples": found.samples,
        "spikes_compared": found.spikes_compared,
        "values_compared": found.values_compared,
        "differing": found.differing,
        "first": None if parted is None else {**vars(parted), "sentence": str(parted)},
    }
    lines = [
        f"{a} ({executors[0]}) and {b} ({executors[1]}), {counted(found.samples, 'sample')}: "
        f"{counted(found.spikes_compared, 'spike')} and {counted(found.values_compared, 'membrane or step count')} "
        f"compared, {found.differing:,} differing"
    ]
    lines.append("equal" if parted is None else f"first divergence: {parted}")
    show(value, as_json, *lines)
    if parted is not None:
        raise typer.Exit(1)
