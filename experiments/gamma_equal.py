"""SpikingGamma beside LIF of equal accuracy on digits: cores, energy on Loihi 2 at 8 bits; Lava beside the reference.

    python experiments/gamma_equal.py FOLDER [--seeds 3] [--only gamma-64] [--lava gamma-64] [--table]

Trains networks of one hidden layer of some widths (a row a file; what is there is not trained again), maps each to
Loihi 2, and runs all test images in floats and on integers. Then prints accuracy against energy of both neuron models,
and each SpikingGamma width beside the LIF width of nearest accuracy: differences with 95 % intervals, by bootstrap over
the test images (for energy over tens of them), of which both networks see the same. ``--lava`` runs one network on
Lava, too, and counts what differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from exchange import npz
from experiments import grid_measures
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import select
from sim_reference.compare.equality import equality
from sim_reference.compare.statistics import statistics
from stimuli.data_sets import load
from trainer.config import TrainConfig, preset
from trainer.engines.options import TrainingOptions
from trainer.fit import train
from unlayered import api
from unlayered.costs import cost_of_run

SHIPPED = preset("spiking-gamma-digits")
GAMMA = replace(
    SHIPPED,
    learning_rate=1e-2,
    rate_schedule="cosine",
    rate_factor=0.02,
    loss_steps=3,
    gamma=replace(SHIPPED.gamma, buckets=2, readout_lag_s=0.15),
)
"""The end decides, so it alone counts; fewer buckets take less energy. Of a dozen settings the best held out."""

LIF = preset("digits-layered", epochs=20, tau_mem_s=0.03, loss="count")
DROPPED = TrainingOptions(input_dropout=0.4)
"""The test images are of other writers: what keeps training from learning theirs by heart helps."""

KINDS = {
    "gamma": GAMMA,
    "gamma-bptt": replace(GAMMA, rule="bptt", train_tau=True, epochs=40, options=DROPPED),
    "lif": LIF,
    "lif-dropped": replace(LIF, epochs=40, options=DROPPED),
}
WIDTHS = {"gamma": (32, 64, 128), "gamma-bptt": (16, 32, 64), "lif": (16, 32, 64), "lif-dropped": (16, 32, 64)}
DRAWS = 10_000
"""Of the bootstrap."""

TEN = 10
"""Images whose energy is told together: a sample's alone would take as long as all of them."""


def settings() -> dict[str, TrainConfig]:
    """What is trained, by name."""
    sizes = [(kind, n) for kind, widths in WIDTHS.items() for n in widths]
    return {f"{kind}-{n}": replace(KINDS[kind], layers=(str(n), "10")) for kind, n in sizes}


def right(trace: Trace) -> list[int]:
    """Which samples are decided right."""
    return (statistics(trace).decision == np.asarray(trace.labels)).astype(int).tolist()


def energies(mapped: MappedNetwork, trace: Trace, test: Stimulus) -> list[float]:
    """What the mean sample of each ten costs, in nJ."""
    found: list[float] = []
    for some in np.array_split(np.arange(test.n_samples), test.n_samples // TEN):
        cost = cost_of_run(mapped, select(trace, some), test.select(some))
        assert cost is not None
        found.append(cost.energy_pj.value / 1e3)
    return found


def row(name: str, config: TrainConfig, folder: Path) -> None:
    """Train, resumably; map; run; write down."""
    work = folder / "networks" / f"{name}-{config.seed}"
    train(config, work, resume=True)
    network, test = npz.load(work / "network.npz", Network), load("digits", None, "test")
    mapped = api.map(network, "loihi2")
    npz.save(mapped, work / "mapped.npz")
    floats, integers = api.run(network, test), api.run(mapped, test)
    cost = cost_of_run(mapped, integers, test)
    assert cost is not None
    metrics = json.loads((work / "metrics.json").read_text())
    found = {
        "name": name,
        "seed": config.seed,
        "held_out": max(m["accuracy"] for m in metrics),
        "floats": right(floats),
        "integers": right(integers),
        "nJ": energies(mapped, integers, test),
        "range_nJ": [cost.energy_pj.low / 1e3, cost.energy_pj.high / 1e3],
        "cores": len(mapped.cores),
        "spikes": integers.counts.sum() / test.n_samples,
    }
    npz.write_atomically(folder / f"{work.name}.json", json.dumps(found).encode())


def on_lava(name: str, seed: int, folder: Path) -> None:
    """Run the mapped network on Lava and the reference, and count on what they differ."""
    mapped = npz.load(folder / "networks" / f"{name}-{seed}" / "mapped.npz", MappedNetwork)
    test = load("digits", None, "test")
    found = equality(api.run(mapped, test), api.run(mapped, test, on="lava"))
    print(f"{name}, seed {seed}, Lava beside the reference: {found.samples} samples, {found.spikes_compared:,} spikes, "
          f"{found.values_compared:,} sums and step counts, {found.differing} differing")  # fmt: skip


def rows_of(name: str, rows: list[dict[str, Any]], what: str) -> np.ndarray:
    """Of each test image, or each ten of them, the mean over seeds."""
    return np.mean([r[what] for r in rows if r["name"] == name], 0)


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """A mean, and the 2.5 and 97.5 percent points of the bootstrap's means."""
    rng = np.random.default_rng(0)
    means = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), DRAWS) @ values / len(values)
    return (float(values.mean()), *grid_measures.interval(means))


def said(found: tuple[float, float, float], times: float = 1.0, digits: int = 1) -> str:
    """A mean with its interval."""
    mean, low, high = (times * x for x in found)
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(rows: list[dict[str, Any]]) -> None:
    """Print both curves."""
    print("| network | seeds | floats | 8 bits | lost, points | cores | nJ an image | spikes an image |")
    print("|---|---|---|---|---|---|---|---|")
    for name in settings():
        own = [r for r in rows if r["name"] == name]
        if own:
            floats, integers = (rows_of(name, rows, what) for what in ("floats", "integers"))
            cores = "/".join(map(str, sorted({r["cores"] for r in own})))
            low, high = np.mean([r["range_nJ"] for r in own], 0)
            print(f"| {name} | {len(own)} | {100 * floats.mean():.1f} % | {100 * integers.mean():.1f} % "
                  f"| {said(interval(floats - integers), 100)} | {cores} "
                  f"| {rows_of(name, rows, 'nJ').mean():.0f} ({low:.0f} to {high:.0f}) "
                  f"| {np.mean([r['spikes'] for r in own]):.0f} |")  # fmt: skip


def paired(rows: list[dict[str, Any]]) -> None:
    """Print each SpikingGamma width beside the LIF width of nearest accuracy on integers."""
    there = {r["name"] for r in rows}
    lif = [name for name in settings() if name in there and name.startswith("lif")]
    for name in (n for n in settings() if n in there and n.startswith("gamma") and lif):
        own = rows_of(name, rows, "integers")
        other = min(lif, key=lambda n: abs(rows_of(n, rows, "integers").mean() - own.mean()))
        accuracy = interval(own - rows_of(other, rows, "integers"))
        energy = interval(rows_of(name, rows, "nJ") - rows_of(other, rows, "nJ"))
        ratio = rows_of(name, rows, "nJ").mean() / rows_of(other, rows, "nJ").mean()
        print(f"{name} less {other}: accuracy {said(accuracy, 100)} points, energy {said(energy, 1, 0)} nJ, "
              f"{ratio:.2f} times")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(settings()))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lava", action="append", default=[], choices=list(settings()), help="run it on Lava, too")
    parser.add_argument("--table", action="store_true", help="print alone, train nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(0 if args.table else args.seeds):
        for name, config in settings().items():
            made = args.folder / f"{name}-{seed}.json"
            if not made.exists() and (args.only is None or name in args.only):
                row(name, replace(config, seed=seed), args.folder)
    rows = [json.loads(p.read_text()) for p in sorted(args.folder.glob("*.json"))]
    table(rows)
    paired(rows)
    for name in args.lava:
        on_lava(name, 0, args.folder)


if __name__ == "__main__":
    main()
