"""How much of a loss at 3 bits do the suggested remedies bring back, at the same bits, chip and schedule?

Trains four small networks on digits, hard enough that 3 bits cost something, quantizes them without data, and tries
what `unlayered diff --remedy` tries; accuracies are of the test part. Run ``python -m experiments.remedies``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from exchange import npz
from exchange.chip_toml import find_chip
from ir.mapped import one_large_core
from mapper.quantize import quantize
from stimuli.data_sets import load
from trainer import preset, train
from trainer.execute import run
from unlayered.causes.experiment import runner
from unlayered.causes.pair import Side, diff_of
from unlayered.causes.remedy import remedied
from unlayered.causes.setup import setup_of
from unlayered.causes.ward import ward_of

CASES = (
    ("digits", ("8", "10"), 1e-2),
    ("digits", ("12", "12", "12", "10"), 3e-2),
    ("digits-layered", ("8", "10"), 3e-2),
    ("digits-layered", ("12", "12", "12", "10"), 3e-2),
)
"""Preset, layers, learning rate."""

BITS = 3


def main() -> int:
    """Train, round, try, print a line a remedy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/remedies"), help="keeps the trained networks")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    test = load("digits", None, "test", None, store=npz)
    for name, layers, rate in CASES:
        folder = options.out / f"{name}-{'-'.join(layers)}"
        config = preset(name, epochs=options.epochs, tau_mem_s=0.03, initial_density=0.1, learning_rate=rate)
        network = train(replace(config, layers=layers), folder, resume=True).export()
        integers = quantize(network, find_chip("loihi2"), BITS)
        few = test.select(slice(4))
        setup = setup_of(integers)
        sides = Side("floats", run(network, few), setup_of(network)), Side("integers", runner(few)(setup), setup)
        ward = ward_of(network, folder, one_large_core(integers), ("digits", None), test)
        diff = remedied(diff_of(*sides, few, lambda done, total: None), ward)
        print(f"{name} {'-'.join(layers)}", *diff.notes)
        for r in diff.remedies:
            a, b, after = r.accuracy
            print(f"  {r.what}: {b:.4f} -> {after:.4f} (floats {a:.4f}), {r.recovered:.0%} of the loss")
    return 0


if __name__ == "__main__":
    sys.exit(main())
