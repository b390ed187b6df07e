"""``unlayered report``: one page about whatever was trained, mapped, run, compared or swept."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unlayered.console import Stages, show
from unlayered.destinations import check_apart, check_destinations, check_ending
from unlayered.options import DataOption, Json, Root, Split

if TYPE_CHECKING:
    from ir.stimulus import Stimulus

Runs = Annotated[
    list[Path],
    typer.Argument(help="Train folders, maps, traces; JSON of diff or sweep; as many as you like.", metavar="RUN..."),
]
Data = Annotated[
    str | None,
    typer.Option("--data", help="What the runs were given: adds energy, input traffic and the player's other run."),
]


def report(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", help="Where the page goes.")] = Path("report.html"),
    data: Data = None,
    root: Root = None,
    split: Split = "test",
    data_option: DataOption = None,
    sample: Annotated[
        int | None, typer.Option("--sample", help="The sample to draw and play; default where runs part, or the first.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one page about everything that is given: it opens from a file, on a phone too, and loads nothing.

    Training curves; where neurons lie and what the links carry; spikes by population, rasters with the first difference
    marked, decisions, latency, energy with its range; causes and remedies of a diff, the curve of a sweep; and with a
    map a player of one sample's spikes on the mesh. Traces are held to each other in the order given.

      unlayered report net mapped.npz a.npz
      unlayered report net mapped.npz a.npz b.npz --data digits
      unlayered report mapped.npz a.npz c.npz --data digits --sample 1350 --out page.html
    """
    from exchange import npz
    from unlayered.report.material import open_material
    from unlayered.report.run_page import run_page

    check_destinations(out)
    check_ending(out, ".html", "a page")
    chosen = list(dict.fromkeys(runs))
    check_apart(out, *(path for path in chosen if path.is_file()))
    with Stages("report", ("read", "draw"), as_json) as stages:
        stages.begin("read")
        material = open_material(chosen)
        stimulus = None if data is None else _stimulus(data, root, split, data_option)
        if sample is not None and not any(sample in trace.sample_ids for _, trace in material.traces):
            raise ValueError(f"no run that is given holds sample {sample}; `unlayered compare` names those that differ")
        command = _command(chosen, out, data, root, split, data_option, sample)
        stages.begin("draw")
        text, value = run_page(f"unlayered: {', '.join(map(str, chosen))}", material, stimulus, sample, command)
    npz.write_atomically(out, text.encode())
    lines = [f"{p['a']} and {p['b']}: {'equal' if p['equal'] else p['first']}" for p in value["pairs"]]
    show({"page": str(out), **value}, as_json, *lines, f"wrote {out}")


def _stimulus(data: str, root: Path | None, split: str, words: list[str] | None) -> Stimulus:
    from stimuli.own.options import options_of_words
    from unlayered.sources import open_stimulus, whole_stimulus

    found = open_stimulus(data, root, split, None, options_of_words(words or ()))
    return whole_stimulus(found, data)


def _command(
    runs: list[Path],
    out: Path,
    data: str | None,
    root: Path | None,
    split: str,
    data_options: list[str] | None,
    sample: int | None,
) -> str:
    """The command that makes the page again."""
    given = [("--data", data), ("--root", root), ("--split", split if split != "test" else None), ("--sample", sample)]
    words = ["unlayered", "report", *map(str, runs), "--out", str(out)]
    words += [x for flag, value in given if value is not None for x in (flag, str(value))]
    words += [x for option in data_options or () for x in ("--data-option", option)]
    return shlex.join(words)
