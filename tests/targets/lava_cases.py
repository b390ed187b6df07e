"""What the Lava tests share: whether Lava is there, drawn cases in batches, and eyes for what a run leaves behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy

from ir.connection import Dense
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.stimulus import Stimulus
from targets.lava import doctor
from tests.strategies import each

N_NETWORKS = int(os.environ.get("UNLAYERED_LAVA_NETWORKS", "60"))
"""Networks drawn for each schedule."""

TIME_LIMIT_S = 300.0 + 10 * N_NETWORKS
"""Of a run of all of them."""

SEED = int(os.environ.get("UNLAYERED_LAVA_SEED", "0"))

needs_lava = [
    pytest.mark.lava,
    pytest.mark.skipif(not any(f.usable for f in doctor()), reason="no Python 3.10 with lava-nc 0.10.0"),
]


def drawn(strategy: SearchStrategy[Any], n: int, start: int) -> list[Any]:
    """Draw ``n`` values in one go: starting Lava for each would cost more than running them all."""
    return each(strategy, n, start * 100_000, lambda value: value)


def chain(*sizes: int, rng_seed: int = 0, **neuron: Any) -> QuantizedNetwork:
    """Dense layers that spike; populations p0, p1, ..."""
    rng = np.random.default_rng(rng_seed)
    names = ["in", *(f"p{i}" for i in range(len(sizes) - 1))]
    lif = FixedLIF(**{"decay_v": 400, "v_threshold": 20 * sizes[0], **neuron})
    projections = (
        FixedProjection(names[i], names[i + 1], Dense(2 * rng.integers(-20, 64, (sizes[i + 1], sizes[i]))))
        for i in range(len(sizes) - 1)
    )
    populations = (FixedPopulation(name, (n,), lif) for name, n in zip(names[1:], sizes[1:]))
    return QuantizedNetwork((Input("in", (sizes[0],)),), tuple(populations), tuple(projections), names[-1])


def counts(n_steps: int, n_samples: int, n: int, rng_seed: int = 1) -> Stimulus:
    """Random zeros and ones."""
    return Stimulus(np.random.default_rng(rng_seed).integers(0, 2, (n_steps, n_samples, n)))


def shared_memory_of(pid: int) -> list[str]:
    """Names of what runs of process ``pid`` hold in shared memory."""
    folder = Path("/dev/shm")
    return sorted(p.name for p in folder.iterdir() if f"unlayered-{pid}-" in p.name) if folder.exists() else []


def lava_children_of(pid: int) -> list[int]:
    """Processes that lead a Lava run for process ``pid``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid and b"targets.lava.child" in words:
            found.append(int(entry.name))
    return found
