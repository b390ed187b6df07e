"""``unlayered map``: quantize, partition, place, check; a report to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlayered.completing import offered
from unlayered.console import Stages, show, text_of
from unlayered.destinations import check_all_apart, check_destinations, check_ending
from unlayered.options import (
    AllowUnsafe,
    As,
    Chip,
    DataOption,
    Dt,
    F,
    Json,
    Kind,
    Order,
    Out,
    Root,
    Samples,
    ScheduleFlags,
)

if TYPE_CHECKING:
    from ir.stimulus import Stimulus

STAGES = ("quantize", "partition", "place", "check")

Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        help="How hard to search: fast, default or quality.",
        autocompletion=offered("mapper.search.search", "PRESETS"),
    ),
]


def map_(
    network: Annotated[Path, typer.Argument(help="A train folder or a network file.")],
    chip: Chip,
    out: Out,
    calibrate: Annotated[
        str | None,
        typer.Option("--calibrate", help="Data that guide quantization and partition, and tell rates and cost."),
    ] = None,
    root: Root = None,
    samples: Samples = 256,
    data_option: DataOption = None,
    bits: Annotated[int, typer.Option("--bits", help="Of a weight: 8, 6, 4, 3 or 2.")] = 8,
    preset: Preset = "default",
    seed: Annotated[int, typer.Option("--seed", help="Of the search; same seed, same map.")] = 0,
    schedule: Kind = None,
    f: F = None,
    order: Order = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where the page goes; default as --out, in .html.")
    ] = None,
    explain: Annotated[
        list[str] | None, typer.Option("--explain", help="A neuron (17, layer0[3]) or 'core 0'; may be repeated.")
    ] = None,
    allow_unsafe: AllowUnsafe = False,
    as_: As = None,
    dt: Dt = None,
    as_json: Json = False,
) -> None:
    """Give a network the chip's integers and every neuron a core; write a page about the map beside it (mapped.html).

    The mapped network carries the schedule it is meant for: the one it was trained under, or --schedule, --F, --order.
    Networks that were trained on the chip's integers pass through unchanged.

      unlayered map net --chip loihi2 --out mapped.npz
      unlayered map net --chip loihi1 --calibrate digits --bits 4 --out mapped.npz
      unlayered map net --chip loihi2 --preset quality --explain "layer0[3]" --explain "core 0" --out mapped.npz
      unlayered map examples/model.nir --as norse --chip mine.toml --schedule layered --out m.npz
    """
    from exchange import npz
    from exchange.chip_toml import find_chip
    from unlayered.explain import check_words, explain_all
    from unlayered.mapping import MapOptions, map_whole, shown, with_schedule
    from unlayered.mapping import as_json as plain
    from unlayered.report.map_page import map_page
    from unlayered.sources import chip_file, open_network, path_of

    where = report or out.parent / f"{out.stem}.html"
    data = None if calibrate is None else path_of(calibrate, root)
    _check_paths((out, where), network, data, chip_file(chip))
    options, described = MapOptions(preset, seed, bits, allow_unsafe), find_chip(chip)
    opened = with_schedule(open_network(network, as_, dt), ScheduleFlags(schedule, f, order))
    check_words(opened, explain or ())
    stimulus = None if calibrate is None else _calibration(calibrate, root, samples, data_option, opened)
    with Stages(str(network), STAGES, as_json) as stages:
        made = map_whole(opened, described, options, stimulus, stages)
    answers = explain_all(made, explain or ())
    contents = {out: npz.encoded(made.mapped), where: map_page(f"{network} on {described.title}", made).encode()}
    npz.write_together(contents)
    value = {"out": str(out), "page": str(where), **plain(made), "explained": text_of(*answers)}
    show(value, as_json, *shown(str(network), made), *answers, f"wrote {out} and {where}")


def _check_paths(written: tuple[Path, Path], network: Path, *read: Path | None) -> None:
    """Raise unless map and page go to files of their own, and the map into one that is read again."""
    check_destinations(*written)
    check_ending(written[0])
    check_all_apart(written, network, *read)


def _calibration(data: str, root: Path | None, samples: int | None, words: list[str] | None, network: Any) -> Stimulus:
    from stimuli.own.options import options_of_words
    from unlayered.sources import check_width, open_stimulus, takes_stamps, whole_stimulus

    stamps = takes_stamps(network.schedule)
    found = open_stimulus(data, root, "train", samples, options_of_words(words or ()), stamps)
    check_width(found, network.n_data, data)
    return whole_stimulus(found, data)
