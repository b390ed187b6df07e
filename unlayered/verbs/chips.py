"""``unlayered chips``: what can be mapped to."""

from __future__ import annotations

from exchange.chip_toml import find_chip
from ir.chip import Chip
from unlayered.console import show, table
from unlayered.options import Json
from unlayered.sources import chip_names

LIMITS = ("max_neurons", "max_synapse_words", "max_input_axons")
SOURCES = "all limits, and where each number comes from: unlayered chips --json"


def _told(chip: Chip, name: str) -> int | str:
    table, number = name.split(".")
    return "unknown" if name in chip.unknown else getattr(getattr(chip, table), number)


def chips(as_json: Json = False) -> None:
    """List the chips that ship with unlayered, their limits and where each number comes from (--json).

    A chip of your own is a TOML file like these: unlayered map NETWORK --chip mine.toml.
    """
    found = [find_chip(name) for name in chip_names()]
    rows = [
        {
            "name": chip.name,
            "title": chip.title,
            "cores": chip.mesh.n_cores,
            "kind": chip.kind,
            "asynchronous": chip.asynchronous,
            "limits": vars(chip.limits),
            "weight": vars(chip.weight),
            "unknown": chip.unknown,
            "sources": chip.sources,
        }
        for chip in found
    ]
    columns = ("chip", "kind", "cores", "neurons a core", "synapse words", "input axons", "weights", "queue")
    lines = [
        (
            chip.name,
            chip.kind,
            *(_told(chip, name) for name in ("mesh.n_cores", *(f"limits.{name}" for name in LIMITS))),
            f"{chip.weight.lo}..{chip.weight.hi} by {chip.weight.step}",
            "yes" if chip.asynchronous else "no",
        )
        for chip in found
    ]
    show({"chips": rows}, as_json, table("Chips (queue: could run the asynchronous schedule)", columns, lines), SOURCES)
