"""Does a queue at each receiving core, in training, close the gap between a schedule and a chip without a barrier?

Goes on from the networks that ``experiments/clockless.py`` left in its folder (``tuned as fitted``, one queue for all):
tunes each a little more with a queue at every core of the mapping over most cores, F = 8, and judges both on that
mapping, under the schedule of each training and on SENECA. The plain engine trains, some 30 samples a second.

python experiments/receivers.py runs/clockless --seeds 0 1 2 --samples 4000
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.clockless import BATCHES, FITTED, NOISELESS, going_on
from experiments.clockless_rows import last_mapping, mappings
from ir.check import SlowerWarning
from ir.network import Network
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference.compare.statistics import statistics
from stimuli.data_sets import load
from targets.clockless.options import Timekeeping
from targets.clockless.run import run as run_timed
from trainer import preset, run, train

AT_RECEIVERS = replace(FITTED, scope="receiver")
CORES = 4
"""Of the first population on the mapping over most cores, as in ``clockless.py``."""


def tuned(options: argparse.Namespace, start: Path, seed: int, data: Stimulus) -> Path:
    """The folder of a network trained on at receivers; made where it is not there yet."""
    out = options.out / f"tuned-at-receivers-{seed}"
    if (out / "network.npz").exists():
        return out
    options.out.mkdir(parents=True, exist_ok=True)
    partition = options.out / f"partition-{seed}.npz"
    npz.save(last_mapping(npz.load(start, Network), CORES), partition)
    config = replace(
        preset("nmnist", limit=options.samples, epochs=options.epochs, seed=seed, data="nmnist-like"),
        schedule=AT_RECEIVERS,
        loss="count",
        options=NOISELESS,
        partition=str(partition),
        **BATCHES,
        **going_on(start),
    )
    begin = time.process_time()
    train(config, out, stimulus=data)
    print(f"tuned seed {seed}, {time.process_time() - begin:.0f} CPU seconds", flush=True)
    return out


def judged(name: str, seed: int, network: Path, schedule: Schedule, test: Stimulus) -> dict[str, Any]:
    """Accuracy under a schedule on the mapping over most cores, and on the chip on all three mappings."""
    chip = find_chip("seneca")
    made = mappings(quantize(npz.load(network, Network), chip), chip, CORES)
    last = list(made)[-1]
    own = run(made[last], test, schedule, record=(), engine="auto")
    on_chip = {where: statistics(run_timed(m, test, time=Timekeeping(), record=())) for where, m in made.items()}
    row = {
        "trained": name,
        "seed": seed,
        "own": statistics(own).accuracy,
        "chip": {where: found.accuracy for where, found in on_chip.items()},
        "mismatch": statistics(own).accuracy - on_chip[last].accuracy,  # type: ignore[operator]
        "spikes": float(on_chip[last].spikes_per_sample.mean()),
    }
    print(json.dumps(row), flush=True)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Means over the seeds."""
    lines = ["| trained | seeds | own schedule % | on SENECA % | mismatch | on the other mappings % | spikes |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name in dict.fromkeys(row["trained"] for row in rows):
        own = [row for row in rows if row["trained"] == name]

        def mean(values: list[float]) -> float:
            return sum(values) / len(values)

        chip = [list(row["chip"].values()) for row in own]
        shown = [100 * mean([row["own"] for row in own]), 100 * mean([c[-1] for c in chip])]
        gaps = ", ".join(f"{100 * row['mismatch']:.1f}" for row in own)
        others = ", ".join(f"{100 * mean([c[i] for c in chip]):.1f}" for i in range(len(chip[0]) - 1))
        spikes = mean([row["spikes"] for row in own])
        lines += [f"| {name} | {len(own)} | {shown[0]:.1f} | {shown[1]:.1f} | {gaps} | {others} | {spikes:.0f} |"]
    return "\n".join(lines)


def main() -> int:
    """Tune, judge, print; rows as JSON in the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="--out of experiments/clockless.py")
    parser.add_argument("--out", type=Path, default=Path("runs/receivers"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=4_000, help="training samples")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--test-samples", type=int, default=1_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore", SlowerWarning)
    test = load("nmnist-like", None, "test", options.test_samples, True, npz)
    data = load("nmnist-like", None, "train", 16_000, True, npz).select(slice(options.samples))
    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        start = options.folder / f"tuned-as-fitted-{seed}" / "network.npz"
        rows.append(judged("one queue", seed, start, FITTED, test))
        at_receivers = tuned(options, start, seed, data) / "network.npz"
        rows.append(judged("a queue a receiver", seed, at_receivers, AT_RECEIVERS, test))
        npz.write_atomically(options.out / "receivers.json", json.dumps(rows, indent=1).encode())
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
