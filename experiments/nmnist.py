"""The paper's N-MNIST network from scratch: emulated training data, emulated and real test data, on a chip's integers.

Trains 2312-64-64-64-10 asynchronously (momentum, F = 8, a curriculum on F) and layered, tests both on emulated and
real recordings, then maps: 8 bits after training, 4 bits in training. Run ``python experiments/nmnist.py --help``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.recordings import real_root
from ir import Network, QuantizedNetwork, Schedule, Stimulus
from mapper.quantize import Calibration, quantize
from sim_reference.compare.divergence import first_divergence
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run as run_integers
from stimuli.data_sets import load
from trainer import TrainConfig, preset, run, train
from trainer.engines.options import TrainingOptions

MOMENTUM = Schedule(F=8, order="momentum")
LAYERED = Schedule("layered")


@dataclass(frozen=True)
class Case:
    """A trained network and the schedule it is trained for."""

    name: str
    config: TrainConfig


def cases(options: argparse.Namespace) -> list[Case]:
    """The networks to train: asynchronous and layered, each in floats and on 4-bit weights."""
    size = {"data": "nmnist-like", "limit": options.samples, "epochs": options.epochs, "seed": options.seed}
    asynchronous = replace(
        preset("nmnist", **size),
        learning_rate=1e-3,
        f_curriculum=((0, 64), (options.epochs // 4, 16), (options.epochs // 2, 8)),
        validation_share=0.05,
    )
    layered = replace(asynchronous, schedule=LAYERED, f_curriculum=(), options=TrainingOptions(input_dropout=0.25))
    both = [Case("asynchronous", asynchronous), Case("layered", layered)]
    return both + [Case(f"{c.name}, 4 bits", replace(c.config, weight_bits=4)) for c in both]


def main() -> int:
    """Train, test, quantize, print."""
    options = _arguments()
    console = Console()
    tests = _test_sets(options)
    rows: list[dict[str, Any]] = []
    for case in cases(options):
        begin = time.perf_counter()
        folder = options.out / case.name.replace(", ", "-").replace(" ", "-")
        network = train(case.config, folder, resume=True, report=_print_epoch(console, case.name))
        seconds = time.perf_counter() - begin
        schedule = case.config.schedule
        frozen: Network | QuantizedNetwork = network.export()
        if network.quantization is not None:
            frozen = network.quantization.quantized(network.export())
        rows += [_row(case.name, seconds, kind, frozen, stimulus, schedule) for kind, stimulus in tests.items()]
        if isinstance(frozen, Network):
            rows += _post_training(case.name, frozen, schedule, tests)
        else:
            _assert_exact(frozen, tests["emulated"], schedule, console)
        npz.write_atomically(options.out / "nmnist.json", json.dumps(rows, indent=1).encode())
    console.print(_table(rows))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/nmnist"))
    parser.add_argument("--samples", type=int, default=30_000, help="emulated training samples, from MNIST")
    parser.add_argument("--test-samples", type=int, default=10_000, help="emulated test samples")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def _test_sets(options: argparse.Namespace) -> dict[str, Stimulus]:
    emulated = load("nmnist-like", None, "test", options.test_samples, store=npz)
    with real_root() as root:
        real = {f"real, {split}": load("nmnist", root, split, store=npz) for split in ("train", "test")}
    return {"emulated": emulated, **real}


def _print_epoch(console: Console, name: str) -> Any:
    def report(metrics: Any, done: int, of: int) -> None:
        if done == of and metrics.accuracy == metrics.accuracy:
            console.print(f"{name}: {metrics}")

    return report


def _row(
    name: str, seconds: float, kind: str, network: Network | QuantizedNetwork, stimulus: Stimulus, schedule: Schedule
) -> dict[str, Any]:
    numbers = statistics(run(network, stimulus, schedule))
    latency = None if numbers.first_correct is None else numbers.first_correct.mean()[0]
    return {
        "network": name, "tested": kind, "accuracy": numbers.accuracy, "density": numbers.density,
        "spikes": float(numbers.spikes_per_sample.mean()), "first_correct": latency, "train_seconds": round(seconds),
    }  # fmt: skip


def _post_training(name: str, trained: Network, schedule: Schedule, tests: dict[str, Stimulus]) -> list[dict[str, Any]]:
    """The same network rounded to 8 bits with calibration on emulated training samples."""
    samples = load("nmnist-like", None, "train", 256, store=npz)
    calibration = Calibration(
        run(trained, samples, schedule), lambda q: run_integers(q, samples, schedule), samples.frames
    )
    fixed = quantize(trained, find_chip("loihi2"), 8, calibration)
    return [
        _row(f"{name}, 8 bits after training", 0.0, kind, fixed, stimulus, schedule) for kind, stimulus in tests.items()
    ]


def _assert_exact(fixed: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule, console: Console) -> None:
    few = stimulus.select(slice(0, 500))
    ours, meaning = run(fixed, few, schedule), run_integers(fixed, few, schedule)
    difference = first_divergence(ours, meaning)
    assert ours.spikes is not None
    console.print(f"E1 = E2 on {few.n_samples} samples, {len(ours.spikes)} spikes: {difference or 'no difference'}")
    if difference is not None:
        raise SystemExit(1)


def _table(rows: list[dict[str, Any]]) -> Table:
    keys = ("network", "tested", "accuracy", "density", "spikes", "first_correct", "train_seconds")
    table = Table(*keys)
    for row in rows:
        table.add_row(*(f"{row[k]:.4g}" if isinstance(row[k], float) else str(row[k]) for k in keys))
    return table


if __name__ == "__main__":
    sys.exit(main())
