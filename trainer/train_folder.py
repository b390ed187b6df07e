"""What a training run leaves in its folder, in an order in which a kill at any point loses at most an epoch."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from exchange.npz import write_atomically
from exchange.seal import seal
from exchange.temporary import remove_litter
from exchange.train_files import FILES, RESULTS, sealed
from ir.check import FormatError
from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import TrainConfig
from trainer.network import SpikingNetwork
from trainer.processes import of_the_first, rank, world

OLDER_TOO = r"\w{8}"
"""Endings of temporary names, those of earlier releases among them."""

History = list[dict[str, Any]]
"""The metrics of each epoch."""


def check_apart(out: Path, *read: str) -> None:
    """Raise where a run would replace what it begins from.

    Args:
        read: files, or train folders, of which the network is read; an empty word is none.

    Raises:
        FormatError: which file.
    """
    for path in map(Path, filter(None, read)):
        file = path / "network.npz" if path.is_dir() else path
        for kept in (out / name for name in FILES):
            if file.is_file() and kept.is_file() and os.path.samefile(file, kept):
                raise FormatError(
                    f"cannot write {kept}: it is read here, too, and would be gone; choose another folder"
                )


def clear_litter(out: Path) -> None:
    """Remove temporary files that a killed run left in the folder."""
    for name in FILES:
        remove_litter(out / name, OLDER_TOO)


def resumed(out: Path, network: SpikingNetwork, optimizer: torch.optim.Optimizer, config: TrainConfig) -> History:
    """Go back to ``last.pt`` where there is one; returns the history, which is also written, for a kill may have come
    before that.

    Raises:
        FormatError: the checkpoint is unreadable, or of another configuration.
    """
    history = from_checkpoint(out / "last.pt", network, optimizer, config)
    if rank() == 0 and history:
        _follow(out, network, config, history)
    return history or []


def from_checkpoint(
    path: Path, network: SpikingNetwork, optimizer: torch.optim.Optimizer | None, config: TrainConfig
) -> History | None:
    """Read a checkpoint; where several processes train, the first one's, which others may not see. None = there is
    none."""
    history = None
    if rank() == 0 and path.exists():
        history = load_checkpoint(path, network, optimizer, config)
    content = of_the_first(path.read_bytes() if world() > 1 and history is not None else None)
    if rank() > 0 and content is not None:
        with tempfile.TemporaryDirectory(prefix="unlayered-rank-") as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(content)
            return load_checkpoint(copy, network, optimizer, config)
    return history


def keep(
    out: Path, network: SpikingNetwork, optimizer: torch.optim.Optimizer, config: TrainConfig, history: History
) -> None:
    """Write the checkpoint of an epoch: ``last.pt`` first, from which :func:`resumed` makes the others where a kill
    came between.

    With its first checkpoint a run takes the place of an earlier one in the folder; until then that one stays whole.
    """
    save_checkpoint(out / "last.pt", network, optimizer, config, history)
    _follow(out, network, config, history)


def _follow(out: Path, network: SpikingNetwork, config: TrainConfig, history: History) -> None:
    """Bring everything else in the folder to what ``last.pt`` says: the network and history of its last epoch."""
    if len(history) == 1:
        for name in RESULTS:
            (out / name).unlink(missing_ok=True)
    if max(history, key=lambda m: m["accuracy"]) is history[-1]:
        save_checkpoint(out / "best.pt", network, None, config, [])
    _describe(out, config, history)


def _describe(out: Path, config: TrainConfig, history: History) -> None:
    """Write what people and programs read: the configuration and the history.

    The configuration carries the seals of both; of the history also the seal that it has now, for a kill may come
    between the two files.
    """
    seals = [seal(history)]
    with suppress(OSError, ValueError, RecursionError):  # none yet, or one that is about to be replaced
        seals.append(seal(json.loads((out / "metrics.json").read_bytes())))
    write_atomically(out / "config.json", json.dumps(sealed(config.to_dict(), seals), indent=1).encode())
    write_atomically(out / "metrics.json", json.dumps(history, indent=1).encode())
