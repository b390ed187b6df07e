"""``unlayered chips``: what can be mapped to."""

from __future__ import annotations

from exchange.chip_toml import find_chip
from unlayered.console import show, table
from unlayered.options import Json
from unlayered.sources import chip_names

SOURCES = "all limits, and where each number comes from: unlayered chips --json"


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
            "asynchronous": chip.asynchronous,
            "limits": vars(chip.limits),
            "weight": vars(chip.weight),
            "sources": chip.sources,
        }
        for chip in found
    ]
    columns = ("chip", "cores", "neurons a core", "synapse words", "input axons", "weights", "queue")
    lines = [
        (
            chip.name,
            chip.mesh.n_cores,
            chip.limits.max_neurons,
            chip.limits.max_synapse_words,
            chip.limits.max_input_axons,
            f"{chip.weight.lo}..{chip.weight.hi} by {chip.weight.step}",
            "yes" if chip.asynchronous else "no",
        )
        for chip in found
    ]
    show({"chips": rows}, as_json, table("Chips (queue: could run the asynchronous schedule)", columns, lines), SOURCES)
