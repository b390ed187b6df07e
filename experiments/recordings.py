"""Recordings that experiments train and test on, as tensors of binary frames."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from exchange import npz
from ir.check import FormatError
from ir.stimulus import Stimulus
from stimuli.data_sets import load
from stimuli.places import data_folder

PACKED = Path("datasets") / "nmnist_real_subset" / "nmnist_real_subset.zip"
"""1,100 real recordings of N-MNIST, below ``UNLAYERED_DATA``."""


@contextmanager
def real_root() -> Generator[Path, None, None]:
    """The folder in which real recordings of N-MNIST lie: the packed ones, unpacked, or ``UNLAYERED_DATA``."""
    packed = data_folder() / PACKED
    if not packed.exists():
        yield data_folder()
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(folder)
        except (OSError, zipfile.BadZipFile) as error:
            raise FormatError(f"{packed} cannot be unpacked: {error}; download it again") from error
        yield Path(folder)


@cache
def real_nmnist(name: str, split: str, limit: int) -> Stimulus:
    """Real recordings as ``nmnist`` or ``nmnist-17``."""
    with real_root() as root:
        return load(name, root, split, limit, True)


@cache
def emulated_nmnist(name: str, split: str, limit: int) -> Stimulus:
    """MNIST before the emulated camera, as ``nmnist-like`` or ``nmnist-like-17``."""
    return load(name, None, split, limit, True, npz)


def tensors(stimulus: Stimulus) -> tuple[Tensor, Tensor]:
    """Binary frames (T, B, N_in) and labels (B,)."""
    assert stimulus.labels is not None
    frames = np.minimum(stimulus.frames, 1).astype(np.float32)
    return torch.from_numpy(frames), torch.from_numpy(np.array(stimulus.labels, np.int64))
