"""What one training step takes, in a process of its own: the most memory beyond what was there before, and CPU time.

python experiments/gamma_shd_price.py NETWORK STEPS SAMPLES HIDDEN
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from ir.schedule import Schedule
from ir.stimulus import Stimulus
from trainer.batches import batch_of
from trainer.build import build_network
from trainer.config import TrainConfig, preset
from trainer.rules import RULES

PRICED = ("SpikingGamma, trace", "SpikingGamma, BPTT", "LIF, BPTT")

RATE_HZ = 82.0
"""Spikes a second of each of 70 inputs, as in the recordings."""

SECONDS, N_IN = 1.0, 70
REPEATED = 3
"""Steps whose median CPU time counts, behind the first, whose memory is measured."""


def priced(name: str, n_steps: int, n_samples: int, hidden: int) -> dict[str, Any]:
    """Bytes and CPU seconds of a training step, measured by another process."""
    command = [sys.executable, __file__, name, str(n_steps), str(n_samples), str(hidden)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def config_of(name: str, hidden: int) -> TrainConfig:
    """The preset of the experiment, under the rule that is priced, or LIF in its place."""
    gamma = replace(preset("spiking-gamma-shd"), layers=(str(hidden), "10"), loss_steps=0, shift_px=0)
    if name == "LIF, BPTT":
        lif = {"neuron": "lif", "gamma": TrainConfig().gamma, "tau_mem_s": 0.02, "v_threshold": 1.0}
        return replace(gamma, rule="surrogate", train_tau=True, per_neuron=True, **lif)
    return replace(gamma, rule="trace" if name == "SpikingGamma, trace" else "bptt")


def highest_bytes() -> int:
    """The most memory of this process since it was last counted from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measured(name: str, n_steps: int, n_samples: int, hidden: int) -> dict[str, Any]:
    """The same, in this process; frames are there before, and a step of two time steps: what torch does but once."""
    torch.set_num_threads(1)
    config, rng = config_of(name, hidden), np.random.default_rng(0)
    network = build_network(config)
    optimizer = RULES[config.rule].optimizer(network, config)
    frames = rng.poisson(RATE_HZ * SECONDS / n_steps, (n_steps, n_samples, N_IN)).astype(np.int8)
    data = Stimulus(frames, labels=np.arange(n_samples) % 10)
    short, batch = (batch_of(x, np.arange(n_samples)) for x in (data.steps(0, 2), data))

    def step(of: Any) -> float:
        begin = time.process_time()
        RULES[config.rule].step(network, optimizer, of, Schedule("layered"), config, 0)
        return time.process_time() - begin

    step(short)
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the highest memory is counted from here
    before = highest_bytes()
    step(batch)
    taken = highest_bytes() - before
    return {"bytes": taken, "step_s": float(np.median([step(batch) for _ in range(REPEATED)]))}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], *map(int, sys.argv[2:]))))
