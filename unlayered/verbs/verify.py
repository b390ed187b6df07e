"""``unlayered verify``: do the rules give what was recorded?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ir.words import counted
from unlayered.console import Stages, show, table
from unlayered.options import Insecure, Json, Workers


def verify(
    network: Annotated[Path, typer.Argument(help="A lava-dl .net file.")],
    against: Annotated[
        Path, typer.Option("--against", help="The folder of recordings, with its verify.toml; or of such folders.")
    ],
    workers: Workers = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Replay recorded currents, voltages and spikes, and name the first value that differs; exit 1 where one does.

    A folder of folders holds a sample in each; --workers replays them side by side.

      unlayered verify examples/model.net --against examples/recordings
    """
    from sim_reference.verify import one_by_one
    from sim_reference.verify import verify as replay
    from unlayered.cluster.place import place_asked
    from unlayered.cluster.pool import workers_at

    place = place_asked(workers, insecure)
    with workers_at(place) as pool, Stages(str(network), ("replay",), as_json) as stages:
        stages.begin("replay")
        found = replay(network, against, one_by_one if pool is None else pool.each)
    rows = [(x.name, x.quantity, x.compared, x.differing) for x in found.layers]
    last = "equal" if found.first is None else f"first difference: {found.first}"
    told = f"{counted(found.compared, 'value')} compared, {found.differing:,} differing"
    shown = table(f"{network} against {against}", ("layer", "quantity", "compared", "differing"), rows)
    show(found.as_dict(), as_json, shown, told, last)
    if found.differing:
        raise typer.Exit(1)
