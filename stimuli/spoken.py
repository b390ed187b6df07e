"""Spoken digits through an inner ear, in the layout of SHD's files, one speaker left out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.apart import apart
from ir.arrays import Ints
from ir.check import FormatError, require
from ir.stimulus import Stimulus
from stimuli.places import absent, data_folder

FOLDER = "shd_like_fsdd"
PARTS = ("train", "test")
"""The files of the data set's own split, which goes through all speakers; read one after the other."""

CHANNELS, MERGED = 700, 10
"""Of the inner ear; so many neighbours count together, 70 inputs."""

SECONDS = 1.0
"""A sample begins with its first spike and has this length; hardly a recording is longer."""

N_CLASSES = 10

AT_ONCE = 256
"""Recordings that are counted together: counting takes eight times the room of the frames."""


@dataclass(frozen=True, eq=False)
class Recordings:
    """All recordings, spikes one after the other.

    Attributes:
        times_us, channels: (n,) of each spike.
        begins: (B + 1,) where the spikes of each recording begin.
        labels, speakers: (B,) of each recording.
    """

    times_us: Ints
    channels: Ints
    begins: Ints
    labels: Ints
    speakers: Ints

    def __len__(self) -> int:
        return len(self.labels)

    def left_out(self, speaker: int) -> tuple[Ints, Ints]:
        """Which recordings are of the other speakers, and which of this one.

        Raises:
            ValueError: nobody has this number.
        """
        known = np.unique(self.speakers)
        require(speaker in known, f"speaker is {speaker}; the recordings are of {', '.join(map(str, known))}")
        return np.flatnonzero(self.speakers != speaker), np.flatnonzero(self.speakers == speaker)

    def frames(self, which: Ints, n_steps: int, stamps: bool = False) -> Stimulus:
        """Recordings as counts of 70 inputs in each of ``n_steps`` equal parts of a second.

        Counts, not marks: a finer time step moves no spike into another's place, so that what a filter with time
        constants in seconds sums up does not depend on it.
        """
        whole = [self._counted(which[i : i + AT_ONCE], n_steps, stamps) for i in range(0, len(which), AT_ONCE)]
        shape = (n_steps, 0, CHANNELS // MERGED)
        frames = np.concatenate([np.zeros(shape, np.int8), *(counts for counts, _ in whole)], 1)
        events = [x + [i * AT_ONCE, 0, 0, 0] for i, (_, x) in enumerate(whole) if x is not None]
        joined = np.concatenate([np.zeros((0, 4), np.int64), *events]) if stamps else None
        return Stimulus(frames, np.asarray(which, np.int64), self.labels[which], joined)

    def _counted(self, which: Ints, n_steps: int, stamps: bool) -> tuple[NDArray[Any], Ints | None]:
        """Frames of some recordings; with ``stamps`` each spike's place among them, time step, time stamp and input."""
        rows = [np.arange(self.begins[i], self.begins[i + 1]) for i in which]
        flat: Ints = np.concatenate(rows)
        b: Ints = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        end_us = round(SECONDS * 1e6)
        early = self.times_us[flat] < end_us
        flat, b = flat[early], b[early]
        times, inputs = self.times_us[flat], self.channels[flat] // MERGED
        steps = times * n_steps // end_us
        shape = (n_steps, len(which), CHANNELS // MERGED)
        counts = np.bincount(np.ravel_multi_index((steps, b, inputs), shape), minlength=int(np.prod(shape)))
        small = counts.astype(np.int8 if counts.max(initial=0) < 128 else np.int16)
        return small.reshape(shape), np.stack([b, steps, times, inputs], 1) if stamps else None


def recordings(root: Path | None = None) -> Recordings:
    """Read both files of the data set.

    Args:
        root: the folder that holds them; None = ``datasets/shd_like_fsdd`` of the data folder.

    Raises:
        FormatError: they are not there, or hold something else.
    """
    folder = root or data_folder() / "datasets" / FOLDER
    parts = [_read(folder, part) for part in PARTS]
    sizes = np.concatenate([p["sizes"] for p in parts])
    joined = {name: np.concatenate([p[name] for p in parts]).astype(np.int64) for name in parts[0]}
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return Recordings(joined["times_us"], joined["channels"], begins, joined["labels"], joined["speakers"])


def _read(folder: Path, part: str) -> dict[str, NDArray[Any]]:
    """One file, unpacked or zipped, parsed in a process of its own."""
    plain = folder / f"shd_{part}.h5"
    path = plain if plain.exists() else plain.with_name(plain.name + ".zip")
    if not path.exists():
        layout = " and ".join(f"shd_{name}.h5" for name in PARTS)
        raise absent("spoken digits in SHD's layout", folder, f"put {layout} there, zipped or not")
    found = apart(partial(_arrays, path), path.stat().st_size)
    labels, channels, times = found["labels"], found["channels"], found["times_us"]
    good = len(labels) == len(found["speakers"]) == len(found["sizes"]) and labels.max(initial=0) < N_CLASSES
    good = good and channels.max(initial=0) < CHANNELS and len(channels) == len(times) and times.min(initial=0) >= 0
    if not good:
        raise FormatError(f"{path} holds no digits 0 to 9 on {CHANNELS} channels, as spoken digits in SHD's layout do")
    return found


def _arrays(path: Path) -> dict[str, Any]:
    """Spikes one after the other, how many each recording has, its label and speaker."""
    import h5py

    from stimuli.own.hdf5 import forget_plugins

    forget_plugins()
    content: Any = path
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            content = io.BytesIO(packed.read(path.stem))
    with h5py.File(content, "r") as opened:
        file: Any = opened
        times, units = ([np.asarray(x) for x in file[f"spikes/{name}"][:]] for name in ("times", "units"))
        seconds = np.concatenate([np.zeros(0), *times]).astype(np.float64)
        return {
            "times_us": np.round(seconds * 1e6).astype(np.int64),
            "channels": np.concatenate([np.zeros(0), *units]).astype(np.int64),
            "sizes": np.array([len(x) for x in times], np.int64),
            "labels": np.asarray(file["labels"][:], np.int64),
            "speakers": np.asarray(file["extra/speaker"][:], np.int64),
        }


def spoken(n_steps: int, speaker: int = 5) -> Any:
    """A reader of all recordings but one speaker's for training, that one's for the test."""

    def read(root: Path | None, split: str, limit: int | None, stamps: bool) -> Stimulus:
        found = recordings(root)
        return found.frames(found.left_out(speaker)[split == "test"][:limit], n_steps, stamps)

    return read
