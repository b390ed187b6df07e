"""Training in many processes: what the same bits cost a step, and how near trainings without them are.

    python -m benchmarks.processes                 processor time of a step, without and with same_bits
    python -m benchmarks.processes --trainings     3 seeds of the digits, by one process and by two (--same-bits: so)

Steps of both kinds take turns; processor time of one thread, the median of five rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.trainer import inputs, our_network
from benchmarks.trainer_cases import MAIN, Case
from trainer.batch import Batch
from trainer.config import TrainConfig, preset
from trainer.engines.options import TrainingOptions
from trainer.rules import RULES

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = TrainingOptions(refractory_dropout=0.8, input_dropout=0.25, momentum_noise=1e-6)
CASES = (
    MAIN,
    replace(MAIN, name="paper, batch 64", batch=64),
    replace(MAIN, name="paper, momentum", order="momentum"),
    Case("digits", (800, 64, 64, 10), batch=64),
)
ROUNDS, STEPS_S = 5, 1.0
"""Rounds of each kind, and how long the steps of one take."""

Row = dict[str, Any]


def cost(case: Case) -> Row:
    """Milliseconds of a processor for a step, without and with ``same_bits``, and how far the gradients are apart."""
    frames, labels = inputs(case, "cpu")
    batch = Batch(frames, labels, torch.arange(case.batch))
    took: dict[bool, list[float]] = {False: [], True: []}
    gradients, steps = {}, {}
    for same in took:
        config = replace(TrainConfig(), same_bits=same, schedule=case.schedule(), options=OPTIONS, learning_rate=1e-12)
        network = our_network(case)
        optimizer = RULES["surrogate"].optimizer(network, config)
        steps[same] = lambda n=network, o=optimizer, c=config: RULES["surrogate"].step(n, o, batch, c.schedule, c, 0)
        steps[same]()  # compiled
        gradients[same] = torch.cat([p.grad.double().flatten() for p in network.parameters() if p.grad is not None])
    for _ in range(ROUNDS):
        for same, step in steps.items():
            begin, n = time.process_time(), 0
            while time.process_time() - begin < STEPS_S:
                step()
                n += 1
            took[same].append((time.process_time() - begin) / n * 1e3)
    plain, blocks = median(took[False]), median(took[True])
    ratios = [b / a for a, b in zip(took[False], took[True])]
    apart = float((gradients[True] - gradients[False]).norm() / gradients[False].norm())
    return {"case": case.name, "batch": case.batch, "plain_ms": plain, "same_bits_ms": blocks,
            "ratio": median(ratios), "lowest": min(ratios), "highest": max(ratios), "apart": apart}  # fmt: skip


def trained(n: int, seed: int, same_bits: bool, epochs: int, out: Path) -> Row:
    """Validation accuracy of the last epoch of a training of the digits in ``n`` processes, and samples a second."""
    words = ["train", "--preset", "digits", "--epochs", str(epochs), "--seed", str(seed), "--out", str(out)]
    words += ["--set", f"same_bits={str(same_bits).lower()}"]
    runner = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)] if n > 1 else []
    command = [sys.executable, *runner, "-m", "unlayered", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    history = json.loads((out / "metrics.json").read_text())
    speed = median(m["samples_per_s"] for m in history)
    last = torch.load(out / "last.pt", weights_only=True)["network"]
    return {"processes": n, "seed": seed, "same_bits": same_bits, "accuracy": history[-1]["accuracy"],
            "samples_per_s": speed, "weights": [float(x.double().sum()) for x in last.values()]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trainings", action="store_true")
    parser.add_argument("--same-bits", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=preset("digits").epochs)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows: list[Row] = []
    if chosen.trainings:
        rows = trainings(chosen.epochs, chosen.same_bits, chosen.seeds)
    else:
        torch.set_num_threads(1)
        for case in CASES:
            rows.append(row := cost(case))
            print(f"{row['case']} (batches of {row['batch']}): {row['plain_ms']:.1f} ms, with same_bits "
                  f"{row['same_bits_ms']:.1f} ms, ratio {row['ratio']:.3f} ({row['lowest']:.3f} to "
                  f"{row['highest']:.3f}); gradients apart by {row['apart']:.1e}", flush=True)  # fmt: skip
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1))


def trainings(epochs: int, same_bits: bool, seeds: list[int]) -> list[Row]:
    """Some seeds, each by one process and by two."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed, n in [(seed, n) for seed in seeds for n in (1, 2)]:
            rows.append(row := trained(n, seed, same_bits, epochs, Path(folder) / f"{seed}-{n}"))
            print(f"seed {seed}, {n} processes: accuracy {row['accuracy']:.4f}, {row['samples_per_s']:.0f} samples/s",
                  flush=True)  # fmt: skip
    pairs = list(zip(rows[::2], rows[1::2]))
    equal = sum(a["weights"] == b["weights"] for a, b in pairs)
    apart = max(abs(a["accuracy"] - b["accuracy"]) for a, b in pairs)
    alone = [a["accuracy"] for a, _ in pairs]
    print(f"{equal} of {len(pairs)} trainings equal; accuracies of one and two processes at most {apart:.4f} apart, of "
          f"{len(seeds)} seeds {max(alone) - min(alone):.4f}")  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
