"""Digit networks of one shape on Loihi 2's integers, under every order: trained in layers, asynchronously, order-free.

All with the same loss, learning rate, epochs and price of a spike. Prints accuracy and spikes of the 450 test images; a
network that no order changes has the same numbers in every column (docs/order_free.md). Run
``python examples/order_free.py --help``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import unlayered as ul
from ir.order_free import why_order_matters
from ir.schedule import Schedule
from trainer import preset, train

OURS = preset("digits-order-free", spike_penalty_after=12)  # asynchronous training has to begin to spike first
TRAININGS = {
    "layered": replace(OURS, order_free=False),
    "asynchronous, momentum, F = 8": replace(
        OURS, order_free=False, schedule=preset("digits").schedule, options=preset("digits").options
    ),
    "order-free": OURS,
}
SCHEDULES = {
    "layered": Schedule("layered"),
    "momentum, F = 8": Schedule(order="momentum", F=8),
    "random, F = 1": Schedule(order="random", F=1),
    "fifo, F = 1": Schedule(order="fifo", F=1),
}


def main() -> None:
    """Train, map, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/order-free"), help="folder of the networks")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=OURS.epochs)
    options = parser.parse_args()
    images, console = ul.data("digits", samples=450), Console()
    found: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in TRAININGS}
    why = {}
    jobs = [(name, seed) for name in TRAININGS for seed in range(options.seeds)]
    for name, seed in track(jobs, "train and run", console=console):
        config = replace(TRAININGS[name], seed=seed, epochs=options.epochs)
        mapped = ul.map(train(config, options.out / f"{name.split(',')[0]}-{seed}").export(), "loihi2")
        numbers = [ul.statistics(ul.run(mapped, images, at)) for at in SCHEDULES.values()]
        found[name].append([(float(x.accuracy or 0), float(x.spikes_per_sample.mean())) for x in numbers])
        why[name] = why_order_matters(mapped) or "no"
    table = Table("trained", *SCHEDULES, title="accuracy %, spikes a digit")
    for name, of_seeds in found.items():
        cells = (f"{100 * accuracy:.1f}, {spikes:.0f}" for accuracy, spikes in np.mean(of_seeds, 0))
        table.add_row(name, *cells)
    console.print(table)
    for name, reason in why.items():
        console.print(f"{name}: does the order matter? {reason}")


if __name__ == "__main__":
    main()
