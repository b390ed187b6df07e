"""``unlayered diff``: how far two runs are apart, where they part, why, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stimuli.own.folder import is_folder
from unlayered.completing import offered
from unlayered.console import Stages, show
from unlayered.options import AllowUnsafe, DataOption, Insecure, Json, Root, Samples, Split, Workers

if TYPE_CHECKING:
    from ir.stimulus import Stimulus
    from sim_reference.compare.in_pieces import InPieces
    from unlayered.causes.sides import Named
    from unlayered.causes.value import Diff
    from unlayered.cluster.place import Place

STAGES = ("run", "experiment", "remedy")

On = Annotated[
    str,
    typer.Option(
        "--on",
        help="Executors of integers: reference, trainer, lava; or several, by comma.",
        autocompletion=offered("unlayered.execute", "EXECUTORS"),
    ),
]
MaxFlips = Annotated[int | None, typer.Option("--max-flips", min=0, help="Exit 1 above so many flipped decisions.")]
MaxRateError = Annotated[
    float | None, typer.Option("--max-rate-error", min=0.0, help="Exit 1 where a population's rate is off by more.")
]
Data = Annotated[
    str | None, typer.Option("--data", help="What networks are run on: a data set, a file of frames, folder:PATH.")
]
Remedies = Annotated[
    bool,
    typer.Option("--remedy", help="Also try remedies, and measure them: searched scales, some epochs of training."),
]


def diff(
    sides: Annotated[list[Path], typer.Argument(help="Networks, train folders, mapped files or traces; two or more.")],
    data: Data = None,
    root: Root = None,
    split: Split = "test",
    samples: Samples = 200,
    data_option: DataOption = None,
    on: On = "reference",
    tau: Annotated[float, typer.Option("--tau", help="Of the van Rossum distance, in time steps.")] = 10.0,
    max_flips: MaxFlips = None,
    max_rate_error: MaxRateError = None,
    remedy: Remedies = False,
    allow_unsafe: AllowUnsafe = False,
    workers: Workers = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Say how far two runs are apart, where they part first, and why: each setting that differs is switched and run.

    Floats run as E0, integers on the executors of --on; each side is compared with the one before it. A trace is taken
    as it is. Exit 0: no spike differs, or the thresholds hold; 1: else; 2: bad input (docs/diff.md).

      unlayered diff net mapped.npz --data digits    # exit 1: trained floats against the chip's integers
      unlayered diff mapped.npz c.npz --data digits  # exit 1: a map against a trace of another run
      unlayered diff a.npz b.npz
      unlayered diff e.npz e.pieces
      unlayered diff net mapped.npz --data digits --workers 2  # exit 1: the same, shared out
      unlayered diff net mapped.npz --data digits --remedy  # exit 1: the same, and what helps
      unlayered diff net mapped.npz --data digits --on trainer,reference --max-flips 40 --max-rate-error 0.5
    """
    from stimuli.own.options import options_of_words
    from unlayered.causes import sides as sided
    from unlayered.cluster.place import place_asked
    from unlayered.sources import open_stimulus

    place = place_asked(workers, insecure)
    if remedy:
        _check_parts(data, split, data_option)
    opened = [(str(path), sided.open_side(path)) for path in sides]
    if (stored := sided.stored_traces(opened)) is not None:
        return _show(_of_stored(stored, tau, as_json), max_flips, max_rate_error, as_json)
    named = sided.sides_of(sided.in_memory(opened), on.split(","))
    sided.check_data(named, data)
    stimulus = None
    if data is not None:
        found = open_stimulus(data, root, split, samples, options_of_words(data_option or ()), sided.take_stamps(named))
        bare, stimulus = sided.bodies_on(named, found, data)
        if remedy and bare != named:
            raise ValueError("--remedy searches on the data themselves, not on an encoder's spikes; leave it out")
        named = bare
    with Stages("diff", STAGES, as_json) as stages:
        diffs = _diffs(named, stimulus, stages, allow_unsafe, tau, place)
        if remedy:
            stages.begin("remedy")
            diffs = _with_remedies(diffs, named, stimulus, data, root)
    _show(diffs, max_flips, max_rate_error, as_json)


def _of_stored(traces: Sequence[tuple[str, InPieces]], tau: float, quiet: bool) -> list[Diff]:
    """Compare traces that are not held in memory, each with the one before it."""
    from unlayered.causes.stored import diff_of_stored

    with Stages("diff", STAGES, quiet) as stages:
        stages.begin("run")
        return [diff_of_stored(a, b, tau, stages.tick) for a, b in pairwise(traces)]


def _show(diffs: list[Diff], max_flips: int | None, max_rate_error: float | None, as_json: bool) -> None:
    """Print what was found; exit 1 where it is not fine."""
    from unlayered.causes.told import told

    fine, said = _judged(diffs, max_flips, max_rate_error)
    lines = [line for d in diffs for line in told(d)]
    show({"pairs": [d.to_dict() for d in diffs], "fine": fine}, as_json, *lines, *said)
    if not fine:
        raise typer.Exit(1)


def _diffs(
    named: Sequence[Named],
    stimulus: Stimulus | None,
    stages: Stages,
    allow_unsafe: bool,
    tau: float,
    place: Place | None,
) -> list[Diff]:
    """Run every side, then compare each with the one before it."""
    from unlayered.causes.experiment import here
    from unlayered.causes.pair import diff_of
    from unlayered.causes.sides import run_side
    from unlayered.cluster.pool import workers_at

    with workers_at(place) as pool:
        stages.begin("run")
        by = None if pool is None else pool.execute
        ran = [run_side(one, stimulus, stages.tick, allow_unsafe, by) for one in named]
        stages.begin("experiment")
        some = here if pool is None else pool.over_samples
        return [diff_of(a, b, stimulus, stages.tick, tau, some) for a, b in pairwise(ran)]


def _check_parts(data: str | None, split: str, words: list[str] | None) -> None:
    """Raise unless there is a training part to search and another one to judge by."""
    parts = data is not None and (is_folder(data) or not Path(data).exists())
    if not parts or split == "train" or words:
        raise ValueError("--remedy searches the training part and judges by the test part; give a data set by name")


def _with_remedies(
    diffs: list[Diff],
    named: Sequence[Named],
    stimulus: Stimulus | None,
    data: str | None,
    root: Path | None,
) -> list[Diff]:
    """The diffs of floats and their integers with what was tried against the loss."""
    from ir.network import Network
    from ir.trace import Trace
    from unlayered.causes.remedy import remedied
    from unlayered.causes.ward import ward_of

    assert data is not None and stimulus is not None
    changed: list[Diff] = []
    for diff, (a, b) in zip(diffs, pairwise(named)):
        if isinstance(a.value, Network) and not isinstance(b.value, (Network, Trace)):
            diff = remedied(diff, ward_of(a.value, Path(a.name), b.value, (data, root), stimulus))
        changed.append(diff)
    return changed


def _judged(diffs: list[Diff], max_flips: int | None, max_rate_error: float | None) -> tuple[bool, list[str]]:
    """Whether all pairs keep the thresholds, where any is given, or else are equal; and what is said of it."""
    if max_flips is None and max_rate_error is None:
        return not any(d.differs for d in diffs), []
    flips = max_flips is None or all(len(d.difference.flips) <= max_flips for d in diffs)
    rates = max_rate_error is None or all(d.difference.rate_error <= max_rate_error for d in diffs)
    return flips and rates, [f"{'within' if flips and rates else 'outside'} the thresholds"]
