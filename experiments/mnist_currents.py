"""MNIST as constant currents: an encoder on the host, spikes from there on, the same in every executor.

Trains 784-128 on the host and 64-10 behind it (momentum, F = 8), maps the body with 8 bits after training, and runs
test images in floats (E0), on integers (E1, E2) and on Lava (E3). ``python experiments/mnist_currents.py --help``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import unlayered as ul
from exchange import npz
from exchange.chip_toml import find_chip
from ir.encoder import body_of, spikes_of
from ir.mapped import MappedNetwork
from ir.trace_parts import join
from mapper import map_network
from mapper.quantize import Calibration, quantize
from sim_reference.compare.divergence import first_divergence
from sim_reference.fast import run as run_integers
from stimuli.data_sets import load
from targets.lava.run import run as run_on_lava
from trainer import TrainConfig, run, train

LAYERS = ("128", "64", "10")
SCHEDULE = ul.Schedule(F=8, order="momentum")


def config_of(options: argparse.Namespace) -> TrainConfig:
    """The network: its first layer and neurons take the pixels as they are."""
    return TrainConfig(
        data="mnist",
        layers=LAYERS,
        encoder=1,
        tau_mem_s=0.02,
        v_threshold=1.0,
        schedule=SCHEDULE,
        f_curriculum=((0, 64), (options.epochs // 3, 16), (options.epochs * 2 // 3, 8)),
        initial_density=0.1,
        epochs=options.epochs,
        batch_size=128,
        learning_rate=2e-3,
        spike_penalty=0.1,
        spike_penalty_after=options.epochs // 3,
        limit=options.samples,
        validation_share=0.05,
        seed=options.seed,
    )


def mapped_of(trained: ul.Network, seed: int) -> MappedNetwork:
    """The body in 8 bits, scales chosen on 256 training images; the encoder stays as it is."""
    spikes, body = spikes_of(trained, load("mnist", None, "train", 256, store=npz)), body_of(trained)
    calibration = Calibration(run(body, spikes, SCHEDULE), lambda q: run_integers(q, spikes, SCHEDULE), spikes.frames)
    fixed = replace(quantize(body, find_chip("loihi2"), 8, calibration), encoder=trained.encoder)
    return map_network(fixed, find_chip("loihi2"), preset="fast", seed=seed)


def compared(traces: dict[str, ul.Trace]) -> dict[str, Any]:
    """What must be equal: host spikes everywhere, all else between executors of integers. And how well each decides."""
    hosts = [t.host for t in traces.values()]
    assert all(h is not None for h in hosts)
    same = all(h is not None and hosts[0] is not None and np.array_equal(h, hosts[0]) for h in hosts)
    integers = [t for name, t in traces.items() if name != "E0"]
    differing = [str(d) for a, b in combinations(integers, 2) if (d := first_divergence(a, b)) is not None]
    accuracy = {name: round(ul.statistics(t).accuracy or 0.0, 4) for name, t in traces.items()}
    return {
        "samples": len(traces["E0"].sample_ids),
        "host spikes": int(np.sum(hosts[0], dtype=np.int64)) if hosts[0] is not None else 0,
        "host equal": same,
        "body spikes, E2": int(traces["E2"].counts.sum()),
        "differing between " + ", ".join(name for name in traces if name != "E0"): differing or 0,
        "accuracy": accuracy,
    }


def main(words: list[str] | None = None) -> int:
    """Train, map, run, compare; 1 where anything differs, or 8 bits cost more than a point."""
    options, console = _arguments(words), Console()
    network = train(config_of(options), options.out / "net", resume=True)
    trained = network.export()
    mapped = mapped_of(trained, options.seed)
    npz.save(mapped, options.out / "mapped.npz")
    test = load("mnist", None, "test", options.test_samples, store=npz)
    traces = {"E0": run(trained, test), "E1": run(mapped, test), "E2": run_integers(mapped, test)}
    if options.lava:
        parts = [test.select(slice(a, a + options.lava)) for a in range(0, test.n_samples, options.lava)]
        traces["E3"] = join([run_on_lava(mapped, part, time_limit_s=None) for part in parts])
    found = compared(traces)
    console.print(found)
    npz.write_atomically(options.out / "mnist_currents.json", json.dumps(found, indent=1).encode())
    accuracy = found["accuracy"]
    lost = accuracy["E0"] - accuracy[max(accuracy)]
    return 0 if found["host equal"] and 0 in found.values() and lost <= 0.01 else 1


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/mnist-currents"))
    parser.add_argument("--samples", type=int, default=20_000, help="training images")
    parser.add_argument("--test-samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lava", type=int, default=250, help="images a Lava process runs; 0 = without Lava")
    options = parser.parse_args(words)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
