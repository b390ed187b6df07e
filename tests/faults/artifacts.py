"""Every kind of file that we write, and how it is read back as plain values that can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exchange import npz
from exchange.seal import seal
from exchange.train_files import read_history, read_sealed, sealed
from ir.mapped import one_large_core
from sim_reference.simulate import run
from tests.fuzz.seeds import small_network, small_stimulus
from trainer.build import build_network
from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import TrainConfig
from trainer.network import SpikingNetwork
from unlayered.sweeping import Row, Sweep, kept

CONFIG = TrainConfig(data="digits", layers=("3", "10"))
HISTORY = [
    {"epoch": i, "loss": 1.5 / (i + 1), "accuracy": 0.25 * i, "density": 0.1, "latency": 3.5, "samples_per_s": 9.0}
    for i in range(3)
]
KEY = "0123456789abcdef"

Maker = Callable[[Path], Path]
Reader = Callable[[Path], Any]


def spoken(path: Path) -> Any:
    """What a file of ours holds: its header, and the bytes of its arrays."""
    arrays: dict[str, Any] = {}
    header = npz._encode(npz.load(path), arrays)
    return header, [(name, array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()]


def _saved(value: Callable[[], Any]) -> Maker:
    def make(folder: Path) -> Path:
        npz.save(value(), folder / "artifact.npz")
        return folder / "artifact.npz"

    return make


def _trained() -> tuple[SpikingNetwork, torch.optim.Optimizer]:
    """A small network that has made two steps."""
    torch.manual_seed(3)
    network = build_network(CONFIG, None)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(2):
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return network, optimizer


def make_checkpoint(folder: Path) -> Path:
    save_checkpoint(folder / "last.pt", *_trained(), CONFIG, HISTORY)
    return folder / "last.pt"


def read_checkpoint(path: Path) -> Any:
    network, optimizer = _trained()
    history = load_checkpoint(path, network, optimizer, CONFIG)
    state = optimizer.state_dict()["state"]
    moments = [(i, name, t.numpy().tobytes()) for i, kept in state.items() for name, t in kept.items()]
    return history, [(name, t.numpy().tobytes()) for name, t in network.state_dict().items()], moments


def _described(name: str) -> Maker:
    def make(folder: Path) -> Path:
        held = sealed(CONFIG.to_dict(), [seal(HISTORY)])
        (folder / "config.json").write_text(json.dumps(held, indent=1))
        (folder / "metrics.json").write_text(json.dumps(HISTORY, indent=1))
        return folder / name

    return make


def sweep() -> Sweep:
    """A sweep of two rows."""
    more = (0.75, 12.5, 2.25, None, None, 0.5, None, None)
    return Sweep("net", KEY, 4, (Row("layered", None, None, *more), Row("asynchronous", 8, "fifo", *more)))


def make_sweep(folder: Path) -> Path:
    (folder / "sweep.json").write_text(json.dumps(sweep().to_dict(), indent=1))
    return folder / "sweep.json"


def _trace() -> Any:
    return run(one_large_core(small_network()), small_stimulus(), small_network().schedule)


def _state() -> Any:
    mapped = one_large_core(small_network())
    return run(mapped, small_stimulus(), mapped.network.schedule, keep_state=True).state


ARTIFACTS: dict[str, tuple[Maker, Reader]] = {
    "network": (_saved(small_network), spoken),
    "mapped network": (_saved(lambda: one_large_core(small_network())), spoken),
    "stimulus": (_saved(small_stimulus), spoken),
    "trace": (_saved(_trace), spoken),
    "state": (_saved(_state), spoken),
    "checkpoint": (make_checkpoint, read_checkpoint),
    "configuration": (_described("config.json"), lambda path: read_sealed(path)[0]),
    "history": (_described("metrics.json"), lambda path: read_history(path.parent)),
    "sweep": (make_sweep, lambda path: [asdict(row) for row in kept(path, KEY)]),
}
"""By what a person calls them."""


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One bit is another."""
    spoilt = bytearray(content)
    spoilt[int(rng.integers(len(spoilt)))] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: int(rng.integers(len(content)))]
