"""Delayed coincidences under every credit rule, and LIF of as many parameters: a row a file, printed as one table.

    python experiments/coincidence.py FOLDER [--only NAME] [--seeds 1]

A row that lies in FOLDER is not trained again. The networks are of the preset spiking-gamma-coincidence; LIF without
recurrence is trained by backpropagation through time with a surrogate gradient, each neuron with a time constant and a
threshold of its own that learn. Samples of the test are others than those of training.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

sys.path.insert(0, str(Path(__file__).parent.parent))

from exchange import npz
from ir.schedule import Schedule
from stimuli.data_sets import load
from trainer.config import TrainConfig, preset
from trainer.fit import evaluate, train

LAYERED = Schedule("layered")
GAMMA = preset("spiking-gamma-coincidence")
LIF = TrainConfig(
    data="coincidence",
    loss="membrane",
    loss_steps=0,
    schedule=LAYERED,
    tau_mem_s=0.02,
    v_threshold=0.3,
    train_tau=True,
    train_threshold=True,
    per_neuron=True,
    initial_density=0.1,
    epochs=GAMMA.epochs,
    batch_size=GAMMA.batch_size,
    rate_schedule="cosine",
    rate_factor=0.02,
)
RULES = ("trace", "bptt", "trace-by-layer", "all-buckets", "bucket-0")
RATES = (1e-2, 3e-3)
"""Learning rates of LIF: the better one on held-out training samples counts."""


def settings() -> dict[str, TrainConfig]:
    """What is trained, by name."""
    rows = {rule: replace(GAMMA, rule=rule) for rule in RULES}
    width = equal_width(GAMMA)
    for rate in RATES:
        rows[f"lif, rate {rate:g}"] = replace(LIF, layers=(str(width), "8"), learning_rate=rate)
    return rows


def parameters_of(config: TrainConfig) -> int:
    """Learnt numbers of a network of one hidden layer with two inputs."""
    hidden, out = map(int, config.layers)
    own = config.gamma.buckets * (hidden + out) if config.neuron == "spiking_gamma" else 2 * hidden + out
    return hidden * (2 + out) + own


def equal_width(gamma: TrainConfig) -> int:
    """Hidden LIF neurons of at least as many parameters."""
    n = 1
    while parameters_of(replace(LIF, layers=(str(n), "8"))) < parameters_of(gamma):
        n += 1
    return n


def counts_alone() -> float:
    """Accuracy of boosted trees on the numbers of spikes in both trains; chance is 12.5 %."""
    learn, test = (load("coincidence", None, split) for split in ("train", "test"))
    fitted = HistGradientBoostingClassifier(random_state=0).fit(learn.frames.sum(0), learn.labels)
    return float(fitted.score(test.frames.sum(0), test.labels))


def stem(name: str, seed: int) -> str:
    """What a row's files are called."""
    return f"{name.replace(' ', '').replace(',', '-')}-{seed}"


def row(name: str, config: TrainConfig, folder: Path) -> None:
    """Train, resumably, test, and write down."""
    begin = time.process_time()
    work = folder / "networks" / stem(name, config.seed)

    def report(m, done, of) -> None:
        if done == of and m.accuracy == m.accuracy:
            print(f"{name}: epoch {m.epoch}, loss {m.loss:.3f}, {m.accuracy:.1%} of those held out", flush=True)

    network = train(config, work, resume=True, report=report)
    test = load("coincidence", None, "test")
    accuracy, density, _ = evaluate(network, test, LAYERED)
    best = max(m["accuracy"] for m in json.loads((work / "metrics.json").read_text()))
    found = {
        "name": name,
        "seed": config.seed,
        "accuracy": accuracy,
        "held_out": best,
        "spikes": density * network.plan().n_neurons * test.n_steps,
        "parameters": parameters_of(config),
        "cpu_s": time.process_time() - begin,
    }
    npz.write_atomically(folder / f"{work.name}.json", json.dumps(found).encode())


def table(folder: Path) -> None:
    """Print what lies there."""
    rows = [json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))]
    print(f"counts alone: {counts_alone():.1%} (chance 12.5 %)")
    print("| trained by | parameters | accuracy | spikes a sample | seeds |\n|---|---|---|---|---|")
    for name in settings():
        own = [r for r in rows if r["name"] == name]
        if own:
            accuracy = ", ".join(f"{100 * r['accuracy']:.1f}" for r in own)
            print(f"| {name} | {own[0]['parameters']} | {accuracy} % | {np.mean([r['spikes'] for r in own]):.0f} "
                  f"| {len(own)} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", choices=list(settings()))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=GAMMA.epochs)
    parser.add_argument("--samples", type=int, default=0, help="of training; 0 = all")
    parser.add_argument("--table", action="store_true", help="print alone, train nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for seed in range(0 if args.table else args.seeds):
        for name, config in settings().items():
            made = args.folder / f"{stem(name, seed)}.json"
            if not made.exists() and (args.only is None or name in args.only):
                row(name, replace(config, seed=seed, epochs=args.epochs, limit=args.samples), args.folder)
    table(args.folder)


if __name__ == "__main__":
    main()
