"""Checkpoints: whole or not at all, read without executing anything."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ir.check import FormatError
from ir.formats.npz import write_atomically
from trainer.config import TrainConfig
from trainer.network import SpikingNetwork

MAY_CHANGE = ("epochs", "patience", "root", "device", "engine", "tensorboard")
"""What may differ between a run and its continuation."""


def _identity(config: TrainConfig) -> str:
    values = {k: v for k, v in config.to_dict().items() if k not in MAY_CHANGE}
    return json.dumps(values, sort_keys=True)


def save_checkpoint(
    path: Path,
    network: SpikingNetwork,
    optimizer: torch.optim.Optimizer | None,
    config: TrainConfig,
    history: list[dict[str, Any]],
) -> None:
    """Write weights, optimizer and history."""
    buffer = io.BytesIO()
    content = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict() if optimizer else {},
        "config": _identity(config),
        "history": history,
        "scales": network.quantization.scales if network.quantization is not None else {},
    }
    torch.save(content, buffer)
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(
    path: Path, network: SpikingNetwork, optimizer: torch.optim.Optimizer | None, config: TrainConfig
) -> list[dict[str, Any]]:
    """Read a checkpoint into ``network`` and ``optimizer``; returns the history.

    Raises:
        FormatError: unreadable, or of another configuration.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["config"] != _identity(config):
            raise FormatError(f"{path} belongs to another configuration; choose another --out or leave --resume out")
        network.load_state_dict(content["network"])
        if optimizer is not None:
            optimizer.load_state_dict(content["optimizer"])
        if network.quantization is not None:
            network.quantization.scales = dict(content["scales"])
        return content["history"]
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path} is no checkpoint of ours ({type(error).__name__}); delete it and train again"
        ) from error
