"""``unlayered map``: quantize, partition, place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unlayered.console import facts, show, table
from unlayered.options import As, Dt, Json, Out, Root, Samples


def map_(
    network: Annotated[Path, typer.Argument(help="A train folder or a network file.")],
    chip: Annotated[str, typer.Option("--chip", help="loihi1, loihi2 or a .toml file; see `unlayered chips`.")],
    out: Out,
    calibrate: Annotated[
        str | None, typer.Option("--calibrate", help="Data whose spike rates guide quantization and partition.")
    ] = None,
    root: Root = None,
    samples: Samples = 256,
    as_: As = None,
    dt: Dt = None,
    as_json: Json = False,
) -> None:
    """Give a network the chip's integers and every neuron an address.

    unlayered map net --chip loihi2 --out mapped.npz
    unlayered map net --chip loihi1 --calibrate digits --out mapped.npz
    unlayered map model.nir --as norse --chip mine.toml --out mapped.npz
    """
    from ir.formats import npz
    from ir.formats.chip_toml import find_chip
    from mapper import map_network
    from unlayered.sources import MappedNetwork, check_width, open_network, open_stimulus

    described = find_chip(chip)
    opened = open_network(network, as_, dt)
    if isinstance(opened, MappedNetwork):
        opened = opened.network
    calibration = None if calibrate is None else open_stimulus(calibrate, root, "train", samples)
    if calibration is not None:
        check_width(calibration, opened.n_inputs, str(calibrate))
    mapped = map_network(opened, described)
    npz.save(mapped, out)
    value: dict[str, Any] = {
        "out": str(out),
        "chip": described.name,
        "neurons": mapped.network.n_neurons,
        "cores": len(mapped.cores),
        "report": mapped.report,
    }
    rows = [(c.index, f"chip {c.chip} ({c.x}, {c.y}).{c.slot}", n) for c, n in zip(mapped.cores, per_core(mapped))]
    shown = table(f"{network} on {described.title}", ("core", "place", "neurons"), rows[:40])
    numbers = facts("Mapping", sorted(mapped.report.items()))
    more = [f"... and {len(rows) - 40} more cores"] if len(rows) > 40 else []
    show(value, as_json, shown, *more, numbers, f"wrote {out}")


def per_core(mapped: Any) -> list[int]:
    """Neurons on each core."""
    counts = [0] * len(mapped.cores)
    for core in mapped.core_of_neuron.tolist():
        counts[core] += 1
    return counts
