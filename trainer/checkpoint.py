"""Checkpoints: whole or not at all, read without executing anything."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from exchange.npz import write_atomically
from exchange.plain import check_readable, newer
from ir.check import FormatError, require, word
from trainer.checkpoint_parts import check_history, check_optimizer, check_scales, check_weights
from trainer.config import TrainConfig, from_dict
from trainer.network import SpikingNetwork

MAY_CHANGE = ("epochs", "patience", "root", "device", "engine", "tensorboard")
"""What may differ between a run and its continuation."""

TOWARDS_THE_END = ("cosine", "linear")
"""Learning rates that come down to the last epoch, so that another last one is another training."""

PARTS = {"network", "optimizer", "config", "history", "scales"}

FORMAT = 1
"""Checkpoints say which form they have; those of releases before this one say nothing, and are read as they were."""

TORN = (
    *(RuntimeError, KeyError, EOFError, OSError, TypeError, AttributeError, IndexError, AssertionError, MemoryError),
    *(OverflowError, ImportError, struct.error, pickle.UnpicklingError, zipfile.BadZipFile),
)
"""What torch raises where a file is damaged."""


def _identity(config: TrainConfig, *more: str) -> str:
    """What may not change, and more of the keys that may."""
    values = {k: v for k, v in config.to_dict().items() if k not in MAY_CHANGE or k in more}
    return json.dumps(values, sort_keys=True)


def _check_end(path: Path, found: str, config: TrainConfig) -> None:
    """Raise where each epoch's learning rate follows from the last one, and that is another one now."""
    before = json.loads(found).get("epochs", config.epochs)
    if config.rate_schedule in TOWARDS_THE_END and before != config.epochs:
        raise FormatError(
            f"{path} is of {before} epochs, and its {config.rate_schedule} learning rate comes down to the last of "
            f"them, not of {config.epochs}; go on with epochs = {before}, or train on with start and another --out"
        )


def _same_run(found: Any, config: TrainConfig) -> bool:
    """Whether a checkpoint's identity is that of ``config``; what an earlier release did not know has its default."""
    try:
        return _identity(from_dict(json.loads(found))) == _identity(config)
    except FormatError:
        return False


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
        "format": FORMAT,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict() if optimizer else {},
        "config": _identity(config, "epochs"),
        "history": history,
        "scales": network.quantization.scales if network.quantization is not None else {},
    }
    torch.save(content, buffer)
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(
    path: Path, network: SpikingNetwork, optimizer: torch.optim.Optimizer | None, config: TrainConfig
) -> list[dict[str, Any]]:
    """Read a checkpoint into ``network`` and ``optimizer``; returns the history.

    Nothing is taken over before all of it is known to be what such a run leaves.

    Raises:
        FormatError: unreadable, of another configuration, or not what this network and optimizer left.
    """
    try:
        content = _read(path)
        if not _same_run(content["config"], config):
            raise FormatError(f"{path} belongs to another configuration; choose another --out or leave --resume out")
        _check_end(path, content["config"], config)
        check_weights(content["network"], network)
        check_history(content["history"])
        check_scales(content["scales"], network)
        if optimizer is not None:
            check_optimizer(content["optimizer"], optimizer)
    except FormatError:
        raise
    except (*TORN, ValueError) as error:
        why = str(error) if type(error) is ValueError else type(error).__name__
        raise FormatError(f"{path} is no checkpoint of ours ({why}); delete it and train again") from error
    network.load_state_dict(content["network"])
    if optimizer is not None:
        optimizer.load_state_dict(content["optimizer"])
        _keep_scalars(optimizer, content["optimizer"]["state"])
    if network.quantization is not None:
        network.quantization.scales = dict(content["scales"])
    return content["history"]


def _keep_scalars(optimizer: torch.optim.Optimizer, saved: dict[int, dict[str, Any]]) -> None:
    """Numbers of another type than the parameter (NAdam's product of momenta) as they were; torch converts them."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, moments in saved.items():
        own = parameters[index]
        others = {name: x for name, x in moments.items() if isinstance(x, torch.Tensor) and x.dtype != own.dtype}
        optimizer.state[own].update({name: x.clone() for name, x in others.items()})


def _read(path: Path) -> dict[str, Any]:
    """The five parts of a checkpoint, none of which was executed, unpacked or read from elsewhere.

    torch does not look at the checksums that it writes, so they are looked at here.
    """
    check_readable(path)
    with zipfile.ZipFile(path) as archive:
        packed = [info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
        size = sum(info.file_size for info in archive.infolist())
        require(not packed and size <= path.stat().st_size, "it is packed, which no checkpoint is")
        require(archive.testzip() is None, "its bytes are not those that were written")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch would like to say of odd files is said here, in one sentence
        content = torch.load(path, map_location="cpu", weights_only=True)
    require(isinstance(content, dict), "it lacks a part, or has one more")
    form = content.pop("format", 0)
    if type(form) is int and form > FORMAT:
        raise FormatError(f"{path} {newer(form, FORMAT)}")
    require(type(form) is int and form >= 0, f"its format version is {word(form)}")
    require(set(content) == PARTS, "it lacks a part, or has one more")
    return content
