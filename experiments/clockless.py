"""Does training for asynchrony pay on a chip without a barrier? Seven trainings x two kinds of chip x three mappings.

Trains 2312-64-64-64-10 (or, with --conv, a convolutional network over 18 cores) layered, under four asynchronous
schedules, under the one that ``fit-schedule`` finds, and tuned under that one; maps each to Loihi 2 and to SENECA,
estimates and times it: accuracy, spikes, energy, time to the decision; then how fast a frame may follow the last before
accuracy falls, and how near ``fit-schedule`` comes; last, one published figure that nothing was fitted to.

Stopped, it goes on where it was; what is measured lies in the folder's ``rows``.

python experiments/clockless.py --epochs 4 --samples 3000 --test-samples 200 --seeds 0
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.clockless_rows import (
    Trained,
    fitted,
    last_mapping,
    periods,
    published,
    shortest_within_a_point,
    with_barrier,
    without_barrier,
)
from experiments.clockless_tables import tables
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from stimuli.data_sets import load
from trainer import TrainConfig, preset, train
from trainer.engines.options import TrainingOptions

FITTED = Schedule(F=8, order="fifo", input="queued")
"""What ``fit-schedule`` finds for SENECA, every time so far (its own search stands in the results)."""

CONV = ("conv 8 3 stride 2 pad 1", "conv 16 3 stride 2 pad 1", "64", "10")
NOISELESS = TrainingOptions(input_dropout=0.25)
"""Of trainings whose neurons must do as they will do later: none escapes refractoriness."""


@dataclass(frozen=True)
class Training:
    """A schedule to train under, from the start or, tuned, from the end of another training."""

    schedule: Schedule
    start: str = ""


TRAININGS = {
    "layered": Training(Schedule("layered", F=None)),
    "random": Training(Schedule(F=8, order="random")),
    "momentum": Training(Schedule(F=8, order="momentum")),
    "fifo": Training(Schedule(F=8, order="fifo")),
    "a queue a core": Training(Schedule(F=8, order="momentum", scope="core")),
    "as fitted": Training(FITTED),
    "tuned as fitted": Training(FITTED, "fifo"),
}


def folder(options: argparse.Namespace, name: str, seed: int) -> Path:
    """Where a training lies."""
    return options.out / f"{name.replace(' ', '-')}-{seed}{'-conv' if options.conv else ''}"


def trained(options: argparse.Namespace, data: Callable[[], Stimulus], name: str, seed: int) -> Trained:
    """Train, or go on where a stopped training was."""
    config = configured(options, name, seed)
    into = folder(options, name, seed)
    done = (into / "metrics.json").exists() and len(json.loads((into / "metrics.json").read_text())) == config.epochs
    if not (done and (into / "network.npz").exists()):
        begin = time.process_time()
        train(config, into, resume=True, stimulus=data())
        best = max(m["accuracy"] for m in json.loads((into / "metrics.json").read_text()))
        spent = time.process_time() - begin
        print(f"trained {name}, seed {seed}: {best:.3f} on held-out samples, {spent:.0f} CPU seconds", flush=True)
    return Trained(name, seed, config.schedule, npz.load(into / "network.npz", Network))


BATCHES = {"learning_rate": 1e-3, "batch_size": 64, "validation_share": 0.05}
"""Of every training; batches of 64 learn more in as many epochs."""


def going_on(start: Path) -> dict[str, Any]:
    """What a training says that goes on from a network: its layers and neurons are those of the file."""
    fresh = {key: getattr(TrainConfig(), key) for key in ("layers", "tau_mem_s", "v_threshold", "initial_density")}
    return {**fresh, "start": str(start)}


def configured(options: argparse.Namespace, name: str, seed: int) -> TrainConfig:
    """The preset of the data, with the schedule and a curriculum on F."""
    what = TRAININGS[name]
    sizes: dict[str, Any] = {"limit": options.samples, "epochs": options.epochs, "seed": seed, "data": options.data}
    config = preset("digits" if options.data == "digits" else "nmnist", **sizes)
    changes: dict[str, Any] = {
        "schedule": what.schedule,
        **BATCHES,
        "loss": "count" if what.schedule.input == "queued" else options.loss,
    }
    if options.conv:
        changes["layers"] = CONV
    if what.schedule.kind == "layered" or what.schedule.input == "queued":
        changes["options"] = NOISELESS
    if what.schedule.kind != "layered" and not what.start:
        changes["f_curriculum"] = ((0, 64), (options.epochs // 4, 16), (options.epochs // 2, 8))
    if what.schedule.scope == "core":
        changes["partition"] = str(partition(options))
    if what.start:
        changes |= {**going_on(folder(options, what.start, seed) / "network.npz"), "epochs": options.tune_epochs}
    return replace(config, **changes)


def partition(options: argparse.Namespace) -> Path:
    """The cores that each get a queue in training: those of the last mapping."""
    path = options.out / f"partition{'-conv' if options.conv else ''}.npz"
    if not path.exists():
        layered = npz.load(folder(options, "layered", 0) / "network.npz", Network)
        npz.save(last_mapping(layered, options.many), path)
    return path


def rows_of(options: argparse.Namespace, name: str, seed: int) -> Path:
    """Where what was measured of a training lies."""
    return options.out / "rows" / f"{folder(options, name, seed).name}.json"


def measured(options: argparse.Namespace, test: Stimulus, net: Trained, barrier_ps: int) -> dict[str, Any]:
    """All that is said of a network; read where it was measured before."""
    path = rows_of(options, net.name, net.seed)
    if path.exists():
        return json.loads(path.read_text())
    begin = time.process_time()
    rows = with_barrier(net, test, options.many) + without_barrier(net, test, options.many, barrier_ps)
    found: dict[str, Any] = {"rows": [{"trained": net.name, "seed": net.seed, **row} for row in rows]}
    if not options.rows_only:
        curve = periods(net, test, options.many)
        found["periods"] = {"curve": curve, "shortest_ps": shortest_within_a_point(curve)}
        found["fit"] = fitted(net, test, options.many)
    path.parent.mkdir(parents=True, exist_ok=True)
    npz.write_atomically(path, json.dumps(found, indent=1).encode())
    print(f"measured {net.name}, seed {net.seed}, {time.process_time() - begin:.0f} CPU seconds", flush=True)
    return found


def wanted(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Names and seeds, seed by seed."""
    return [(name, seed) for seed in options.seeds for name in TRAININGS if name in options.only]


def known(options: argparse.Namespace) -> dict[str, Any]:
    """What has been measured so far."""
    paths = {f"{name} {seed}": rows_of(options, name, seed) for name, seed in wanted(options)}
    return {who: json.loads(path.read_text()) for who, path in paths.items() if path.exists()}


def made(options: argparse.Namespace) -> dict[str, Any]:
    """Train and measure what has not been yet; all lands in ``clockless.json``, too."""
    test = load(options.data, None, "test", options.test_samples, True, npz)
    kept: list[Stimulus] = []

    def data() -> Stimulus:
        if not kept:
            kept.append(load(options.data, None, "train", options.samples, True, npz))
        return kept[0]

    barrier_ps = round(find_chip("loihi2").costs["barrier_ns"].value * 1000)
    found: dict[str, Any] = {}
    for name, seed in wanted(options):
        found[f"{name} {seed}"] = measured(options, test, trained(options, data, name, seed), barrier_ps)
        told = {"nets": found, "published": published()}
        npz.write_atomically(options.out / f"clockless{'-conv' * options.conv}.json", json.dumps(told).encode())
    return found


def main() -> int:
    """Train, map, time, print."""
    options = _arguments()
    begin = time.process_time()
    found = known(options) if options.measured else made(options)
    print("\n".join(tables(found)))
    print(published())
    print(f"{time.process_time() - begin:.0f} CPU seconds in this process")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/clockless"))
    parser.add_argument("--data", default="nmnist-like", help="nmnist-like or digits")
    parser.add_argument("--conv", action="store_true", help="a convolutional network over 16 cores and more")
    parser.add_argument("--samples", type=int, default=16_000, help="training samples")
    parser.add_argument("--test-samples", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--tune-epochs", type=int, default=2)
    parser.add_argument("--loss", default="count", help="of the trainings whose input is not queued: count or rate")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="which")
    parser.add_argument("--only", nargs="+", choices=list(TRAININGS), default=list(TRAININGS), help="these trainings")
    parser.add_argument("--rows-only", action="store_true", help="leave frame periods and fit-schedule out")
    parser.add_argument("--measured", action="store_true", help="only tell what is measured already")
    options = parser.parse_args()
    options.many = 8 if options.conv else 4
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
