"""``unlayered fit-schedule``: the schedule of training that comes closest to a chip without a barrier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.clock import Clock, timekeeping
from unlayered.completing import chips
from unlayered.console import progress, show, table
from unlayered.options import As, Data, DataOption, Dt, Json, Root, Samples, Split

MOST = 8
COLUMNS = ("schedule", "F", "order", "scope", "input", "distance", "accuracy")

Receivers = Annotated[
    bool | None,
    typer.Option(
        "--receivers/--no-receivers",
        help="Try queues at receiving cores too, which the plain simulator runs; by itself up to 1,000 neurons.",
    ),
]


def fit_schedule(
    network: Annotated[Path, typer.Argument(help="A mapped network, a train folder, or a network file.")],
    data: Data,
    chip: Annotated[
        str, typer.Option("--chip", help="seneca or a .toml file of a clockless chip.", autocompletion=chips)
    ] = "seneca",
    root: Root = None,
    split: Split = "train",
    samples: Samples = 64,
    data_option: DataOption = None,
    clock: Clock = None,
    as_: As = None,
    dt: Dt = None,
    receivers: Receivers = None,
    as_json: Json = False,
) -> None:
    """Find the F, order, scope and input rule whose spike counts come closest to those of a chip without a barrier.

    Half of the samples choose, on the network's mapping; the rest judge, there and with a population a core. The
    distance is the sum of differences in spike counts over the chip's spikes; accuracies stand beside it. Last comes
    the command that tunes the network under the closest schedule.

      unlayered fit-schedule timed.npz --chip seneca --data digits --samples 40
    """
    from exchange.chip_toml import find_chip
    from ir.mapped import MappedNetwork
    from ir.network import Network
    from mapper import map_network
    from stimuli.own.options import options_of_words
    from unlayered.fitting import fit, flags, tuning
    from unlayered.sources import check_width, open_network, open_stimulus, plain_network, whole_stimulus

    opened, target, time = open_network(network, as_, dt), find_chip(chip), timekeeping(clock or [])
    time.core(target)
    found = open_stimulus(data, root, split, samples, options_of_words(data_option or ()), stamps=True)
    check_width(found, plain_network(opened).n_data, data)
    stimulus = whole_stimulus(found, data)
    mapped = opened if isinstance(opened, MappedNetwork) else map_network(opened, target)
    with progress("schedules", as_json) as tick:
        fitted = fit(mapped, target, stimulus, time, tick, receivers)
    rows = [[fit.row()[name] for name in COLUMNS] for fit in fitted.fits[:MOST]]
    held = {"on the samples that judge": fitted.held_out, "and a population a core": fitted.elsewhere}
    held["layered, on the samples that judge"] = fitted.layered
    judged = [[name, fit.distance, fit.accuracy] for name, fit in held.items()]
    accuracies = zip(judged, (*fitted.chip_accuracy.values(), fitted.chip_accuracy["held_out"]))
    lines = [[*row, accuracy] for row, accuracy in accuracies]
    show(
        fitted.as_json(),
        as_json,
        table(f"Closest to {target.title}, on the samples that choose", COLUMNS, rows),
        table("The closest, judged", ("where", "distance", "accuracy", "chip's accuracy"), lines),
        f"closest: {flags(fitted.best.schedule)}",
        f"tune: {tuning(fitted.best.schedule, network, isinstance(opened, Network), data, root)}",
    )
