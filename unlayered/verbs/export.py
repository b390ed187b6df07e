"""``unlayered export``: a network as a file of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.completing import offered
from unlayered.console import show
from unlayered.options import As, Dt, Json, Out


def export(
    network: Annotated[Path, typer.Argument(help="A train folder or a network file.")],
    to: Annotated[
        str,
        typer.Option("--to", help="nir, onnx or net (lava-dl).", autocompletion=offered("exchange.open", "WRITERS")),
    ],
    out: Out,
    as_: As = None,
    dt: Dt = None,
    as_json: Json = False,
) -> None:
    """Write a network for other tools; what the format leaves open goes into its metadata.

    unlayered export net --to nir --out net.nir
    unlayered export net --to onnx --out net.onnx
    unlayered export mapped.npz --to net --out net.net
    """
    from exchange.open import WRITERS
    from exchange.plain import target_of
    from ir.check import check_choice
    from unlayered.destinations import check_all_apart, check_destinations, check_ending
    from unlayered.sources import open_network

    check_choice("--to", to, WRITERS)
    check_destinations(out)
    check_all_apart((out,), network)
    target_of(out)
    check_ending(out, f".{to}", f"a {to} file")
    WRITERS[to](open_network(network, as_, dt), out)
    show({"out": str(out), "to": to, "bytes": out.stat().st_size}, as_json, f"wrote {out}")
