"""How much of a loss at 3 bits does the command that `unlayered diff --remedy` prints bring back?

Trains small networks, layered and asynchronous, and does what a user would type: `unlayered map NET --bits 3`, with
and without `--calibrate`, then `unlayered diff NET MAP --remedy`, then the first command that it prints at the same
bits. Accuracies are of test samples; searches, tunings and rankings saw training samples alone. Each row is a file:
a run goes on where it was stopped. Run ``python -m experiments.remedies``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from exchange import npz
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule
from stimuli.data_sets import load
from trainer import preset, train
from trainer.config import TrainConfig
from trainer.engines.options import TrainingOptions
from unlayered.causes.remedy import accuracy

BITS, CHIP, HALF = 3, "loihi2", 0.5
SCHEDULES = {"layered": Schedule("layered"), "momentum": Schedule(F=8), "random": Schedule(F=8, order="random")}


@dataclass(frozen=True)
class Kind:
    """A network to train.

    Attributes:
        limit: training samples; 0 = all.
        schedules: names of ``SCHEDULES`` under which it is trained and run.
    """

    data: str
    layers: tuple[str, ...]
    schedules: tuple[str, ...]
    limit: int = 0
    epochs: int = 6
    learning_rate: float = 5e-3


THREE = ("conv 4 5 stride 2 pad 2", "conv 4 3 stride 2 pad 1", "conv 8 3 stride 2 pad 1", "10")
TWO = ("conv 4 5 stride 2", "conv 8 3 stride 2", "10")
NETWORKS = {
    "digits-mlp": Kind("digits", ("24", "24", "24", "10"), ("layered", "momentum"), 0, 12, 3e-3),
    "digits-conv": Kind("digits", TWO, ("layered", "momentum", "random"), 0, 12, 3e-3),
    "events-conv": Kind("nmnist-like-17", THREE, ("layered", "momentum", "random"), 5000),
}
"""Narrow and deep: wide networks forgive 3 bits."""

MAPPINGS: dict[str, tuple[str, ...]] = {"plain": (), "calibrated": ("--calibrate",)}
"""How a user maps: without data, or with some."""


@dataclass(frozen=True)
class Case:
    """A network, a schedule and a seed."""

    network: str
    schedule: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.network}-{self.schedule}-{self.seed}"

    @property
    def data(self) -> str:
        return NETWORKS[self.network].data

    def config(self, epochs: int) -> TrainConfig:
        """How it is trained; 0 epochs = as ``NETWORKS`` says."""
        kind, schedule = NETWORKS[self.network], SCHEDULES[self.schedule]
        options = TrainingOptions(refractory_dropout=0.0 if schedule.kind == "layered" else 0.8)
        return preset(
            "digits", data=kind.data, layers=kind.layers, limit=kind.limit, epochs=epochs or kind.epochs,
            learning_rate=kind.learning_rate, rate_schedule="cosine", initial_density=0.05, options=options,
            schedule=schedule, seed=self.seed,
        )  # fmt: skip


def typed(folder: Path, command: str | Sequence[str], codes: tuple[int, ...] = (0,)) -> str:
    """Run a command as a user types it, in a folder; what it printed.

    Raises:
        RuntimeError: it ends otherwise than it should.
    """
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHON": sys.executable}
    if isinstance(command, str):  # as printed, through a shell: `unlayered` is this one
        words = ["bash", "-euc", f'unlayered() {{ "$PYTHON" -m unlayered "$@"; }}\n{command}']
    else:
        words = [sys.executable, "-m", "unlayered", *command]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def row_of(case: Case, mapping: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Map; where that costs enough, diff, do as it says, and judge by the test part."""
    data = ["--data", case.data]
    flags = [word for flag in MAPPINGS[mapping] for word in (flag, case.data)]
    typed(folder, ["map", "net", "--chip", CHIP, "--bits", str(BITS), *flags, "--out", "b.npz"])
    test = load(case.data, None, "test", options.judged, store=npz)
    made: dict[str, Any] = {"floats": npz.load(folder / "net" / "network.npz", Network)}
    made["mapped"] = npz.load(folder / "b.npz", MappedNetwork)
    row: dict[str, Any] = {"case": case.name, "mapping": mapping, "judged by": test.n_samples}
    row |= {name: accuracy(network, test) for name, network in made.items()}
    if 100 * (row["floats"] - row["mapped"]) < options.least:
        return {**row, "notes": [f"costs less than {options.least:g} points"]}
    words = ["diff", "net", "b.npz", *data, "--samples", str(options.compared), "--remedy", "--json"]
    (pair,) = json.loads(typed(folder, words, (0, 1)))["pairs"]
    told = [r for r in pair["remedies"] if not r["more"]]
    row |= {"notes": pair["notes"], "told": pair["remedies"]}
    if told:
        best = told[0]
        typed(folder, best["command"])
        remedied = npz.load(folder / "remedied.npz", MappedNetwork)
        row |= {"what": best["what"], "command": best["command"], "seconds": best["seconds"]}
        row |= {"remedied": accuracy(remedied, test), "cores": best["cores"], "energy": best["energy"]}
        row["recovered"] = (row["remedied"] - row["mapped"]) / max(row["floats"] - row["mapped"], 1e-9)
    return row


def shown(rows: list[dict[str, Any]]) -> Table:
    """A line a row."""
    table = Table("network, schedule, seed", "mapped", "floats", "3 bits", "remedied", "recovered", "what")
    for row in rows:
        cells = [f"{100 * row[name]:.1f}" for name in ("floats", "mapped")]
        told = "remedied" in row
        cells += [f"{100 * row['remedied']:.1f}", f"{100 * row['recovered']:.0f} %"] if told else ["-", "-"]
        table.add_row(row["case"], row["mapping"], *cells, row.get("what", "; ".join(row["notes"])))
    return table


def main() -> int:
    """Train, map, ask, do as told, print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/remedies"), help="keeps trained networks and rows")
    parser.add_argument("--only", nargs="*", default=[], help="cases whose names begin so")
    parser.add_argument("--mappings", nargs="*", default=list(MAPPINGS), choices=list(MAPPINGS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=0, help="of the first training; 0 = each case's own")
    parser.add_argument("--judged", type=int, default=2000, help="test samples that judge")
    parser.add_argument("--compared", type=int, default=200, help="test samples that diff runs on")
    parser.add_argument("--least", type=float, default=3.0, help="points that a map must cost to be asked about")
    options = parser.parse_args()
    cases = [Case(n, s, seed) for seed in options.seeds for n in NETWORKS for s in NETWORKS[n].schedules]
    rows: list[dict[str, Any]] = []
    for case in (c for c in cases if not options.only or any(c.name.startswith(x) for x in options.only)):
        folder = options.out / case.name
        train(case.config(options.epochs), folder / "net", resume=True)
        for mapping in options.mappings:
            file = folder / f"{mapping}.json"
            if not file.exists():
                row = row_of(case, mapping, folder, options)
                npz.write_atomically(file, json.dumps(row, indent=1).encode())
            rows.append(json.loads(file.read_text()))
            print(*(f"{name} {value}" for name, value in rows[-1].items() if name != "told"), sep=", ", flush=True)
    Console(width=140).print(shown(rows))
    return int(any(row.get("recovered", 0.0) < HALF for row in rows if "told" in row))


if __name__ == "__main__":
    sys.exit(main())
