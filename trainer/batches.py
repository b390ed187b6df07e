"""Which samples are trained on when: the held-out share, the order of batches, augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ir.check import FormatError, require
from ir.schedule import key, stream
from ir.words import counted
from stimuli.own.data import Data
from trainer.batch import Batch
from trainer.config import TrainConfig
from trainer.data import Samples
from trainer.processes import rank, world
from trainer.rules.blocks import of_this_process

BATCH_ORDER, SHIFT = 11, 13
"""Purposes of the loop's own random streams."""


def split(data: Samples, config: TrainConfig) -> tuple[Samples, Samples]:
    """Hold out the share of the training data with the smallest keys; without one, validate on the training data."""
    held, rest = held_out(data.n_samples, config.validation_share, config.seed)
    require(
        len(rest) > 0,
        f"{counted(data.n_samples, 'sample')} with validation_share {config.validation_share} leave none to train on; "
        "give more samples or a smaller share",
    )
    return (data.select(rest), data.select(held)) if len(held) else (data, data)


def held_out(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n training samples are held out under a seed, and the rest; both in order."""
    n_held = int(round(share * n))
    order = np.argsort(key(stream(seed, BATCH_ORDER), 0, 0, 0, np.arange(n)))
    return np.sort(order[:n_held]), np.sort(order[n_held:])


def batches(n: int, config: TrainConfig, epoch: int) -> Iterator[np.ndarray]:
    """Indices of each batch of an epoch; this process's share of them when several train together."""
    order = np.argsort(key(stream(config.seed, BATCH_ORDER), epoch + 1, 0, 0, np.arange(n)))
    for start in range(0, n, config.batch_size):
        yield share_of(order[start : start + config.batch_size], config)


def share_of(index: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Those of a batch's samples that this process trains on: whole blocks where the same bits are promised."""
    return of_this_process(index) if config.same_bits else index[rank() :: world()]


def batch_of(stimulus: Samples, index: np.ndarray, steps: range | None = None) -> Batch:
    """The samples at ``index``, read only now where they do not fit memory.

    Args:
        steps: only these time steps, which count from 0 again.
    """
    if isinstance(stimulus, Data):
        if not len(index):  # this process's share of a small batch
            none = torch.zeros(0, dtype=torch.int64)
            n_steps = stimulus.n_steps if steps is None else len(steps)
            return Batch(torch.zeros(n_steps, 0, stimulus.n_inputs), none, none)
        stimulus, index = stimulus.read(index, steps), np.arange(len(index))
    elif steps is not None:
        stimulus, index = stimulus.select(index).steps(steps.start, steps.stop), np.arange(len(index))
    if stimulus.labels is None or stimulus.sample_ids is None:
        raise FormatError("the data has no labels; training needs them")
    frames = torch.as_tensor(np.ascontiguousarray(stimulus.frames[:, index])).to(torch.float32)
    events = None if stimulus.events is None else stimulus.events_of(index)
    labels, ids = (torch.as_tensor(np.ascontiguousarray(x[index])) for x in (stimulus.labels, stimulus.sample_ids))
    return Batch(frames, labels, ids, events)


def pieces(n_steps: int, truncate: int) -> list[range]:
    """The time steps of each piece of a sample; one piece where ``truncate`` is 0."""
    size = truncate or max(n_steps, 1)
    return [range(start, min(start + size, n_steps)) for start in range(0, max(n_steps, 1), size)]


def augmented(batch: Batch, config: TrainConfig, epoch: int, shape: tuple[int, ...]) -> Batch:
    """The batch with each sample moved by up to ``shift_px`` pixels; its time stamps are then dropped.

    Args:
        shape: of one frame.
    """
    if not config.shift_px or not len(batch.ids):
        return batch
    frames = shifted(batch.frames, batch.ids, shape, config, epoch)
    return replace(batch, frames=frames, events=None)


def shifted(frames: Tensor, ids: Tensor, shape: tuple[int, ...], config: TrainConfig, epoch: int) -> Tensor:
    """Move each sample by up to ``shift_px`` pixels; what leaves the sensor is lost."""
    span, reach = 2 * config.shift_px + 1, config.shift_px
    draw = key(stream(config.seed, SHIFT), ids.numpy(), epoch, 0, 0).astype(np.uint64)
    dx, dy = (
        (draw % np.uint64(span)).astype(int) - reach,
        (draw // np.uint64(span) % np.uint64(span)).astype(int) - reach,
    )
    images = frames.reshape(*frames.shape[:2], *(shape if len(shape) == 3 else (shape[0], 1, shape[1])))
    height, width = images.shape[-2:]
    dy = dy if len(shape) == 3 else 0 * dy  # one row of channels moves along itself
    moved = torch.zeros_like(images)
    for b, (x, y) in enumerate(zip(dx, dy)):
        to = moved[:, b, :, max(-y, 0) : max(height - y, 0), max(-x, 0) : max(width - x, 0)]
        to.copy_(images[:, b, :, max(y, 0) : max(height + y, 0), max(x, 0) : max(width + x, 0)])
    return moved.flatten(2)
