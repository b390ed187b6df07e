"""``unlayered sweep``: one network under many schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlayered.console import progress, show
from unlayered.destinations import check_all_apart, check_destinations, check_ending
from unlayered.options import AllowUnsafe, As, Data, DataOption, Dt, Insecure, Json, Root, Samples, Split, Workers

Sizes = Annotated[str, typer.Option("--F", help="Group sizes, by comma: whole numbers, or 'all'.")]
Rules = Annotated[str, typer.Option("--order", help="Order rules, by comma: momentum, random, fifo.")]


def sweep(
    network: Annotated[Path, typer.Argument(help="A mapped network, a train folder, or a network file.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The rows as JSON, kept after each; the plot lies beside (.svg).")],
    root: Root = None,
    split: Split = "test",
    samples: Samples = None,
    data_option: DataOption = None,
    as_: As = None,
    dt: Dt = None,
    f: Sizes = "1,2,4,8,16,all",
    order: Rules = "momentum,random,fifo",
    allow_unsafe: AllowUnsafe = False,
    workers: Workers = None,
    insecure: Insecure = False,
    as_json: Json = False,
) -> None:
    """Run a network under every group size and order, and layered: accuracy, spikes, forward steps, energy.

    One table and one plot, accuracy against spikes. What --out holds already is not run again: a sweep that was stopped
    goes on with the same command. Integers run in the reference simulator, floats as E0; energy needs a mapped network.

      unlayered sweep net --data digits --out sweep.json
      unlayered sweep mapped.npz --F 1,8,all --order momentum,random --data digits --out mapped.json
      unlayered sweep mapped.npz --data digits --workers 2 --out mapped.json
    """
    from exchange import npz
    from stimuli.own.options import options_of_words
    from unlayered import sources
    from unlayered.cluster.place import place_asked
    from unlayered.cluster.pool import workers_at
    from unlayered.interruption import go_on
    from unlayered.report.svg import draw
    from unlayered.sweeping import one_by_one, paint, schedules_of, swept, told

    place, plot = place_asked(workers, insecure), out.with_suffix(".svg")
    _check_paths(out, plot, network, sources.path_of(data, root))
    opened = sources.open_network(network, as_, dt)
    schedules = schedules_of(sources.plain_network(opened).schedule, f.split(","), order.split(","))
    stamps = any(map(sources.takes_stamps, schedules))
    found = sources.open_stimulus(data, root, split, samples, options_of_words(data_option or ()), stamps)
    sources.check_width(found, sources.plain_network(opened).n_data, data)
    stimulus = sources.whole_stimulus(found, data)
    with workers_at(place) as pool, progress("schedules", as_json) as tick:
        made = swept(
            str(network),
            opened,
            stimulus,
            schedules,
            out,
            allow_unsafe,
            tick,
            lambda n: go_on(f"{n} of {len(schedules)} schedules kept in {out}, the same command goes on"),
            one_by_one if pool is None else pool.measured,
        )
    npz.write_atomically(plot, draw(lambda figure: paint(figure, made), 3.4, "white").encode())
    show({**made.to_dict(), "plot": str(plot)}, as_json, told(made), f"wrote {out} and {plot}")


def _check_paths(out: Path, plot: Path, network: Path, data: Path) -> None:
    """Raise unless rows and plot go to files of their own, and the rows into one that is read again."""
    check_destinations(out, plot)
    check_ending(out, ".json", "a sweep")
    check_all_apart((out, plot), network, data)
