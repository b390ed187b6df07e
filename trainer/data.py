"""Data sets as stimuli: tonic's recordings, and the embedded digits before an emulated camera."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tonic
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from tonic.transforms import ToFrame

from ir.check import FormatError, check_choice
from ir.formats import npz
from ir.stimulus import Stimulus
from trainer.camera import record


@dataclass(frozen=True)
class DataSet:
    """What a network needs to know of a data set.

    Attributes:
        input_shape: of one frame.
        n_steps, dt_s: time steps of a sample and their length in seconds.
        n_classes: number of labels.
        read: (root, split, limit) -> (frames (T, B, N_in), labels, ids).
        needs_root: whether files must lie on disk.
    """

    title: str
    input_shape: tuple[int, ...]
    n_steps: int
    dt_s: float
    n_classes: int
    read: Callable[[Path | None, str, int | None], Stimulus]
    needs_root: bool = True


DIGITS_SIDE = 20
DIGITS_TEST = 450
"""The last 450 of scikit-learn's 1,797 digits are the test set: other writers than the first ones."""


def data_folder() -> Path:
    """Where data sets lie that are not embedded: ``UNLAYERED_DATA``, default ``../shared``."""
    return Path(os.environ.get("UNLAYERED_DATA", "../shared"))


def events_to_frames(
    events: NDArray[np.void], sensor: tuple[int, int, int], window_us: int, n_steps: int
) -> NDArray[np.int8]:
    """Bin one recording through ``tonic.transforms.ToFrame``.

    A pixel and polarity that reports several times within a window counts once (Koopman et al. 2025).

    Args:
        events: tonic's dtype, t in microseconds.
        sensor: (W, H, P).

    Returns:
        Binary frames (T, P, H, W).
    """
    to_frame = ToFrame(
        sensor_size=sensor, time_window=window_us, include_incomplete=True, start_time=0, end_time=window_us * n_steps
    )
    if len(events) == 0:
        return np.zeros((n_steps, *sensor[::-1]), np.int8)
    return np.minimum(to_frame(events)[:n_steps], 1).astype(np.int8)


def _stack(frames: Iterable[NDArray[np.int8]], labels: Iterable[int], ids: Iterable[int]) -> Stimulus:
    stacked = np.stack([f.reshape(len(f), -1) for f in frames], 1)
    return Stimulus(stacked, np.array(list(ids), np.int64), np.array(list(labels), np.int64))


def _read_digits(root: Path | None, split: str, limit: int | None) -> Stimulus:
    images, labels = load_digits(return_X_y=True)
    cut = len(images) - DIGITS_TEST
    ids = (np.arange(cut) if split == "train" else np.arange(cut, len(images)))[:limit]
    frames = []
    for i in ids:
        ink = np.clip(zoom(images[i].reshape(8, 8) / 16.0, 2, order=1), 0, 1)
        events = record(ink, seed=int(i), side=DIGITS_SIDE, scale=0.6)
        frames.append(events_to_frames(events, (DIGITS_SIDE, DIGITS_SIDE, 2), 10_000, 10))
    return _stack(frames, labels[ids], ids)


class NMNIST(tonic.datasets.NMNIST):
    """tonic's N-MNIST that is content with part of the recordings; the folder it reads is its class name."""

    def _check_exists(self) -> bool:
        return self._folder_contains_at_least_n_files_of_type(1, ".bin")

    def download(self) -> None:
        """Refuse: data comes from the user's disk."""
        raise FormatError(
            f"N-MNIST is not under {self.location_on_system}; unpack it as {self.folder_name}/<0-9>/<5 digits>.bin "
            "(garrickorchard.com/datasets/n-mnist), or pass --root DIR with DIR/NMNIST inside"
        )


def _read_nmnist(downsample: int) -> Callable[[Path | None, str, int | None], Stimulus]:
    def read(root: Path | None, split: str, limit: int | None) -> Stimulus:
        data = NMNIST(str(root or data_folder()), train=split == "train")
        by_index = sorted(range(len(data)), key=lambda i: Path(data.data[i]).stem)[:limit]
        side = 34 // downsample
        frames = []
        for i in by_index:
            events, _ = data[i]
            frames.append(events_to_frames(shrink(events, downsample), (side, side, 2), 10_000, 10))
        return _stack(frames, [data.targets[i] for i in by_index], [int(Path(data.data[i]).stem) for i in by_index])

    return read


def shrink(events: NDArray[np.void], factor: int) -> NDArray[np.void]:
    """Merge factor x factor pixels into one."""
    small = events.copy()
    small["x"] //= factor
    small["y"] //= factor
    return small


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one of MNIST's idx files, gzipped or not."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and not packed.exists():
        raise FormatError(f"{path} is missing; put MNIST's four idx files (.gz or not) there, or pass --root DIR")
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    n_dims = content[3]
    shape = np.frombuffer(content, ">u4", n_dims, 4).astype(int)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def read_mnist(root: Path | None, split: str, limit: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST images (n, 28, 28) and labels (n,)."""
    folder = root or data_folder() / "datasets" / "mnist"
    prefix = "train" if split == "train" else "t10k"
    return read_idx(folder / f"{prefix}-images-idx3-ubyte")[:limit], read_idx(folder / f"{prefix}-labels-idx1-ubyte")[
        :limit
    ]


def _read_nmnist_like(downsample: int) -> Callable[[Path | None, str, int | None], Stimulus]:
    def read(root: Path | None, split: str, limit: int | None) -> Stimulus:
        images, labels = read_mnist(root, split, limit)
        side, offset = 34 // downsample, 0 if split == "train" else 60_000
        frames = []
        for i, image in enumerate(images):
            events = record(image / 255.0, seed=offset + i)
            frames.append(events_to_frames(shrink(events, downsample), (side, side, 2), 10_000, 10))
        return _stack(frames, labels, range(offset, offset + len(images)))

    return read


DATA_SETS = {
    "digits": DataSet(
        "scikit-learn's digits before an emulated event camera",
        (2, DIGITS_SIDE, DIGITS_SIDE),
        10,
        0.01,
        10,
        _read_digits,
        False,
    ),
    "nmnist": DataSet("N-MNIST, first saccade", (2, 34, 34), 10, 0.01, 10, _read_nmnist(1)),
    "nmnist-17": DataSet("N-MNIST, first saccade, 17 x 17", (2, 17, 17), 10, 0.01, 10, _read_nmnist(2)),
    "nmnist-like": DataSet("MNIST before an emulated event camera", (2, 34, 34), 10, 0.01, 10, _read_nmnist_like(1)),
    "nmnist-like-17": DataSet(
        "MNIST before an emulated event camera, 17 x 17", (2, 17, 17), 10, 0.01, 10, _read_nmnist_like(2)
    ),
}
"""Every data set by name."""

NAMES = tuple(DATA_SETS)


def load(name: str, root: str | Path | None = None, split: str = "train", limit: int | None = None) -> Stimulus:
    """Read a data set as frames.

    Args:
        name: one of ``NAMES``.
        root: folder that holds it; default ``UNLAYERED_DATA``. The digits are embedded.
        split: ``train`` or ``test``.
        limit: at most this many samples.

    Returns:
        Frames (T, B, N_in), labels, and ids that are the data set's own indices.

    Raises:
        FormatError: it is not on disk; says the folder layout.
    """
    check_choice("data set", name, NAMES)
    check_choice("split", split, ("train", "test"))
    data, where = DATA_SETS[name], None if root is None else Path(root)
    cache = _cache_file(name, where, split, limit)
    if cache is not None and cache.exists():
        return npz.load(cache, Stimulus)
    stimulus = data.read(where, split, limit)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        npz.save(stimulus, cache)
    return stimulus


def _cache_file(name: str, root: Path | None, split: str, limit: int | None) -> Path | None:
    """Where frames are kept between runs: only where ``UNLAYERED_CACHE`` names a folder."""
    folder = os.environ.get("UNLAYERED_CACHE")
    if not folder:
        return None
    place = "" if root is None else f"-{abs(zlib.crc32(str(root.resolve()).encode())):08x}"
    return Path(folder) / f"{name}{place}-{split}-{limit or 'all'}.npz"
