"""Credit rules of SpikingGamma: the cosine of each one's gradient to backpropagation through time, time and memory.

    python experiments/gamma_credit.py [--samples 64]

The network is that of the preset spiking-gamma-digits, before training. Memory is what the process took at most beyond
what it had before, for one gradient of 16 samples (their frames repeated), in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from trainer.batches import batch_of
from trainer.config import preset
from trainer.data import training_data
from trainer.fit import prepared
from trainer.online.gradients import cosines, gradients

LONG = (10, 100, 1000)
"""Time steps at which one gradient is timed, each in a process of its own."""


def batch(n_samples: int):
    """The preset's network and its first samples."""
    config = replace(preset("spiking-gamma-digits"), limit=max(n_samples, 256))
    config, data, kind = training_data(config, None)
    network = prepared(config, data, kind)
    return network, batch_of(data, torch.arange(n_samples).numpy())


def table(n_samples: int) -> None:
    """One row a rule and parameter."""
    network, some = batch(n_samples)
    rows = cosines(network, some.frames.float(), some.labels)
    names = list(next(iter(rows.values())))
    print("cosine to backpropagation through time, straight through; one batch before training")
    for rule, row in rows.items():
        print(f"{rule:15}", "  ".join(f"{name} {row[name]:.4f}" for name in names))


def highest_kb() -> int:
    """The most memory of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def timed(rule: str, n_steps: int, n_samples: int) -> None:
    """One gradient: CPU seconds, and the memory that the process took beyond what it had before."""
    network, some = batch(n_samples)
    frames = some.frames.float().repeat(-(-n_steps // len(some.frames)), 1, 1)[:n_steps]
    gradients(network, frames[:1], some.labels, rule)  # what torch does but once
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the highest memory is counted from here
    before, begin = highest_kb(), time.process_time()
    gradients(network, frames, some.labels, rule)
    took, after = time.process_time() - begin, highest_kb()
    print(f"{rule:15} {n_steps:5} time steps: {took:6.2f} CPU s, {(after - before) / 1024:7.1f} MB more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--one", nargs=2, metavar=("RULE", "STEPS"), help="time one gradient, in this process")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.one:
        timed(args.one[0], int(args.one[1]), args.samples)
        return
    table(args.samples)
    for rule in ("bptt", "trace", "all-buckets", "bucket-0"):
        for n_steps in LONG:
            command = [sys.executable, __file__, "--one", rule, str(n_steps), "--samples", str(min(args.samples, 16))]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
