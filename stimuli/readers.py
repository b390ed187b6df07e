"""How each data set is read from disk; libraries are imported where they are used, a name costs nothing."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from ir.schedule import key
from ir.stimulus import Stimulus
from stimuli.coding import RATE_SEED, rate
from stimuli.frames import Binning, stack
from stimuli.own.files import arrays_of
from stimuli.places import absent, data_folder

Reader = Callable[["Path | None", str, "int | None", bool], Stimulus]
"""(root, split, limit, stamps) -> frames, labels, ids."""

DIGITS_SIDE = 20
DIGITS_TEST = 450
"""The last 450 of scikit-learn's 1,797 digits are the test set: other writers than the first ones."""

FIRST_SACCADE = 10_000, 10
"""N-MNIST's first saccade in windows of 10 ms (Koopman et al. 2025): microseconds, time steps."""


def read_digits(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
    """scikit-learn's digits, doubled in size, before the emulated camera."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    from stimuli.camera import record

    images, labels = load_digits(return_X_y=True)
    cut = len(images) - DIGITS_TEST
    ids = (np.arange(cut) if split == "train" else np.arange(cut, len(images)))[:limit]
    inks = [np.clip(zoom(images[i].reshape(8, 8) / 16.0, 2, order=1), 0, 1) for i in ids]
    films = (record(ink, seed=int(i), side=DIGITS_SIDE, scale=0.6) for ink, i in zip(inks, ids))
    return stack(films, Binning((DIGITS_SIDE, DIGITS_SIDE, 2), *FIRST_SACCADE), labels[ids], ids, stamps)


def nmnist(shrink: int) -> Reader:
    """N-MNIST's first saccade."""

    def read(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
        from stimuli.recordings import NMNIST

        data = NMNIST(str(root or data_folder()), train=split == "train")
        order = sorted(range(len(data)), key=lambda i: Path(data.data[i]).stem)[:limit]
        ids = np.array([int(Path(data.data[i]).stem) for i in order])
        return stack(
            (data[i][0] for i in order),
            Binning((34, 34, 2), *FIRST_SACCADE, shrink),
            np.array(data.targets)[order],
            ids,
            stamps,
        )

    return read


def nmnist_like(shrink: int) -> Reader:
    """MNIST images before the emulated camera, first saccade."""

    def read(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
        from stimuli.camera import record

        images, labels = read_mnist(root, split, limit)
        ids = np.arange(len(images)) + (0 if split == "train" else 60_000)
        films = (record(image / 255.0, seed=int(i)) for image, i in zip(images, ids))
        return stack(films, Binning((34, 34, 2), *FIRST_SACCADE, shrink), labels, ids, stamps)

    return read


def currents(images: NDArray[np.uint8], n_steps: int) -> NDArray[np.float32]:
    """(T, B, N) images as currents that stay, pixels from 0 to 1: a view of one time step."""
    light = images.reshape(len(images), -1).astype(np.float32) / 255
    return np.broadcast_to(light, (n_steps, *light.shape))


def mnist(n_steps: int) -> Reader:
    """MNIST: the image as a current in every time step, pixels from 0 to 1."""

    def read(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
        images, labels = read_mnist(root, split, limit)
        ids = np.arange(len(images)) + (0 if split == "train" else 60_000)
        return Stimulus(currents(images, n_steps), ids, labels.astype(np.int64))

    return read


def read_shd(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
    """Spiking Heidelberg Digits (or recordings in its layout): 700 channels, 100 windows of 10 ms."""
    from stimuli.shd import read_samples

    folder, name = (root or data_folder()) / "SHD", f"shd_{'train' if split == 'train' else 'test'}.h5"
    if not (folder / name).exists():
        raise absent("SHD", folder, f"put {name} (unzipped) there", "SHD")
    recordings, labels = read_samples(folder / name, limit)
    return stack(recordings, Binning((700, 1, 1), 10_000, 100), labels, np.arange(len(labels)), stamps)


def read_gestures(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
    """DVS Gesture on 32 x 32 pixels, 20 windows of 75 ms; ids count the recordings in the order of their paths."""
    from stimuli.recordings import DVSGesture

    data = DVSGesture(str(root or data_folder()), train=split == "train")
    order = sorted(range(len(data)), key=lambda i: data.data[i])[:limit]
    events = (data[i][0] for i in order)
    with np.errstate(over="raise", invalid="raise"):  # times that no recording has
        binning, labels = Binning((128, 128, 2), 75_000, 20, 4), np.array(data.targets)[order]
        return stack(events, binning, labels, np.arange(len(order)), stamps)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one of MNIST's idx files, gzipped or not."""
    packed = path.with_name(path.name + ".gz")
    if not path.exists() and not packed.exists():
        raise absent("MNIST", path.parent, f"put its four idx files (.gz or not, {path.name} among them) there")
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    if content[:3] != b"\0\0\x08":
        raise FormatError(f"{packed if packed.exists() else path} is no idx file of bytes; unpack or download it again")
    n_dims = content[3]
    shape = tuple(np.frombuffer(content, ">u4", n_dims, 4).tolist())
    if not all(shape) or math.prod(shape) != len(content) - 4 - 4 * n_dims:
        raise FormatError(f"{path} declares shape {shape} and holds {len(content)} bytes; unpack or download it again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def read_mnist(root: Path | None, split: str, limit: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST images (n, 28, 28) and labels (n,)."""
    folder = root or data_folder() / "datasets" / "mnist"
    prefix = "train" if split == "train" else "t10k"
    images, labels = (read_idx(folder / f"{prefix}-{name}-ubyte") for name in ("images-idx3", "labels-idx1"))
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise FormatError(
            f"{folder} has images of shape {images.shape} and labels of {labels.shape}; download it again"
        )
    return images[:limit], labels[:limit]


def read_cifar10(
    root: Path | None, split: str, limit: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """CIFAR-10 images (n, 3, 32, 32), labels, ids: the binary version, or ``cifar10_jpeg.npz``.

    The pickled "python version" is not read: pickles can execute code.
    """
    folder = root or data_folder() / "datasets" / "cifar10_jpeg"
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    binary = [folder / "cifar-10-batches-bin" / name for name in names]
    if all(p.exists() for p in binary):
        rows = np.concatenate([np.frombuffer(p.read_bytes(), np.uint8).reshape(-1, 3073) for p in binary])
        return rows[:limit, 1:].reshape(-1, 3, 32, 32), rows[:limit, 0], np.arange(len(rows))[:limit]
    packed = folder / "cifar10_jpeg.npz"
    if not packed.exists():
        raise absent(
            "CIFAR-10", folder, "put cifar-10-batches-bin/*.bin (the binary version) or cifar10_jpeg.npz there"
        )
    d = arrays_of(packed)
    head, body, length, train, labels = (
        d["header"].tobytes(),
        d["body"].tobytes(),
        d["length"],
        d["train"].astype(bool),
        d["label"],
    )
    ids = np.flatnonzero(train == (split == "train"))
    ids = ids[np.argsort(key(RATE_SEED, 0, 0, 0, ids))][:limit]
    end = np.cumsum(length, dtype=np.int64)
    images = [_picture(head + body[end[i] - length[i] : end[i]]) for i in ids]
    return np.stack(images).transpose(0, 3, 1, 2), labels[ids], ids


def _picture(content: bytes) -> NDArray[np.uint8]:
    """A JPEG of 32 x 32 coloured pixels, (32, 32, 3); no other format is tried, nothing larger decoded."""
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        image = JpegImageFile(io.BytesIO(content))
    except SyntaxError as error:
        raise ValueError("a picture is no JPEG") from error
    if image.size != (32, 32) or image.mode != "RGB":
        raise ValueError(f"a picture has {image.size} pixels of {image.mode}, not (32, 32) of RGB")
    return np.asarray(image)


def cifar10(n_steps: int, rate_coded: bool = False) -> Reader:
    """CIFAR-10: the image as a current in every time step, pixels from 0 to 1, or rate coded by keys."""

    def read(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
        images, labels, ids = read_cifar10(root, split, limit)
        light = currents(images, n_steps)
        frames = rate(light, ids) if rate_coded else light
        return Stimulus(frames, ids, labels.astype(np.int64))

    return read
