"""Data sets by name, as stimuli: frames, labels, ids, and time stamps where asked for."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ir.check import FormatError, check_choice
from ir.stimulus import Stimulus
from ir.words import meant
from stimuli import coincidence, motions, readers, spoken
from stimuli.own.files import DAMAGED
from stimuli.places import data_folder
from stimuli.readers import Reader


class Store(Protocol):
    """Reads and writes stimuli."""

    def load(self, path: Path, expect: type[Stimulus]) -> Stimulus: ...
    def save(self, value: Stimulus, path: Path) -> None: ...


@dataclass(frozen=True)
class DataSet:
    """What a network needs to know of a data set.

    Attributes:
        input_shape: of one frame.
        n_steps, dt_s: time steps of a sample and their length in seconds.
        n_classes: number of labels.
        read: from disk.
    """

    title: str
    input_shape: tuple[int, ...]
    n_steps: int
    dt_s: float
    n_classes: int
    read: Reader


SIDE = readers.DIGITS_SIDE
DATA_SETS = {
    "digits": DataSet(
        "scikit-learn's digits before an emulated event camera", (2, SIDE, SIDE), 10, 0.01, 10, readers.read_digits
    ),
    "mnist": DataSet("MNIST, the image as a current", (1, 28, 28), 10, 0.01, 10, readers.mnist(10)),
    "nmnist": DataSet("N-MNIST, first saccade", (2, 34, 34), 10, 0.01, 10, readers.nmnist(1)),
    "nmnist-17": DataSet("N-MNIST, first saccade, 17 x 17", (2, 17, 17), 10, 0.01, 10, readers.nmnist(2)),
    "nmnist-like": DataSet("MNIST before an emulated event camera", (2, 34, 34), 10, 0.01, 10, readers.nmnist_like(1)),
    "nmnist-like-17": DataSet("the same on 17 x 17 pixels", (2, 17, 17), 10, 0.01, 10, readers.nmnist_like(2)),
    "coincidence": DataSet(
        "two Poisson trains, one a delayed copy of the other",
        (1, 2),
        coincidence.N_STEPS,
        coincidence.DT_S,
        len(coincidence.DELAYS),
        coincidence.read_coincidence,
    ),
    "motions": DataSet(
        "hands that move before an emulated event camera",
        (2, motions.SIDE, motions.SIDE),
        motions.N_STEPS,
        motions.DT_S,
        len(motions.MOTIONS),
        motions.read_motions,
    ),
    "shd": DataSet("Spiking Heidelberg Digits", (1, 700), 100, 0.01, 20, readers.read_shd),
    "shd-like": DataSet(
        "spoken digits in SHD's layout, the last of six speakers left out", (1, 70), 100, 0.01, 10, spoken.spoken(100)
    ),
    "shd-like-1000": DataSet("the same in 1,000 time steps", (1, 70), 1000, 0.001, 10, spoken.spoken(1000)),
    "dvsgesture": DataSet("DVS Gesture, 32 x 32", (2, 32, 32), 20, 0.075, 11, readers.read_gestures),
    "cifar10": DataSet("CIFAR-10, the image as a current", (3, 32, 32), 1, 0.01, 10, readers.cifar10(1)),
    "cifar10-rate": DataSet("CIFAR-10, rate coded", (3, 32, 32), 10, 0.01, 10, readers.cifar10(10, rate_coded=True)),
    "cifar10-held": DataSet("CIFAR-10, the image as a current, held", (3, 32, 32), 5, 0.01, 10, readers.cifar10(5)),
}
"""Every data set by name."""

NAMES = tuple(DATA_SETS)

EMBEDDED = ("digits", "coincidence", "motions")
"""Those that need no files."""


def unknown_data(name: str) -> str:
    """What is said of a word that names no data set."""
    said = f"data is {name!r}{meant(name, NAMES)}; use one of {', '.join(map(repr, NAMES))}"
    return f"{said}, or folder:PATH for your own"


def load(
    name: str,
    root: str | Path | None = None,
    split: str = "train",
    limit: int | None = None,
    stamps: bool = False,
    store: Store | None = None,
) -> Stimulus:
    """Read a data set as frames.

    Args:
        name: one of ``NAMES``.
        root: folder that holds it; default ``UNLAYERED_DATA``. Those of ``EMBEDDED`` need none.
        split: ``train`` or ``test``.
        limit: at most this many samples.
        stamps: keep each event's time stamp, for paced and queued input.
        store: what keeps frames between calls where ``UNLAYERED_CACHE`` names a folder, e.g. ``exchange.npz``.

    Returns:
        Frames (T, B, N_in), labels, and ids that are the data set's own indices.

    Raises:
        FormatError: it is not on disk, or damaged; says the folder layout.
    """
    check_choice("data set", name, NAMES)
    check_choice("split", split, ("train", "test"))
    where = None if root is None else Path(root)
    cache = None if store is None else _cache_file(name, where, split, limit, stamps)
    if store is not None and cache is not None and cache.exists():
        return store.load(cache, Stimulus)
    try:
        stimulus = DATA_SETS[name].read(where, split, limit, stamps)
    except FormatError:
        raise
    except (OSError, *DAMAGED) as error:
        reason = " ".join(str(error).split()) or "it ends too early"
        raise FormatError(
            f"the {split} split of {name} under {where or data_folder()} is damaged or no {DATA_SETS[name].title} "
            f"({type(error).__name__}: {reason}); unpack or download it again"
        ) from error
    if store is not None and cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        store.save(stimulus, cache)
    return stimulus


RENUMBERED = {"dvsgesture": "-by-path"}
"""Data sets whose samples had other ids before: frames that were kept then are not taken."""


def _cache_file(name: str, root: Path | None, split: str, limit: int | None, stamps: bool) -> Path | None:
    folder = os.environ.get("UNLAYERED_CACHE")
    if not folder:
        return None
    embedded = root is None and name in EMBEDDED
    place = "" if embedded else f"-{zlib.crc32(str((root or data_folder()).resolve()).encode()):08x}"
    said = f"{name}{RENUMBERED.get(name, '')}{place}-{split}-{limit or 'all'}{'-stamps' if stamps else ''}"
    return Path(folder) / f"{said}.npz"
