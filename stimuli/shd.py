"""The Spiking Heidelberg Digits' HDF5 file, read in a process of its own: no links, no plugins, nothing too large."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ir.apart import apart
from ir.check import FormatError
from stimuli.frames import Events
from stimuli.own.hdf5 import check_here, forget_plugins

EVENT = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])
MAX_S = 2000.0
"""Of a recording: microseconds in 32 bits, for all samples come at once."""


def read_samples(path: Path, limit: int | None) -> tuple[list[Events], NDArray[np.int64]]:
    """Events of the first samples, t in microseconds, and labels.

    Raises:
        FormatError: other contents than such a file's.
        OSError: damaged.
    """
    found = apart(partial(_first, path, limit), path.stat().st_size)
    made = np.zeros(len(found["t"]), EVENT)
    made["t"], made["x"], made["p"] = found["t"], found["x"], 1
    return np.split(made, np.cumsum(found["lengths"])[:-1]), found["labels"]


def _first(path: Path, limit: int | None) -> dict[str, Any]:
    forget_plugins()
    with h5py.File(path, "r") as file:
        labels = _dataset(file, "labels", False)
        times, units = _dataset(file, "spikes/times", True), _dataset(file, "spikes/units", True)
        n = min(len(labels), len(labels) if limit is None else limit)
        if n == 0 or min(len(times), len(units)) < n:
            raise FormatError(f"it has {len(labels)} labels, {len(times)} and {len(units)} recordings")
        t = [np.asarray(times[i], np.float64) for i in range(n)]
        x = [np.asarray(units[i], np.int32) for i in range(n)]
        joined = np.concatenate(t)
        if [len(a) for a in t] != [len(a) for a in x] or not bool((np.abs(joined) < MAX_S).all()):
            raise FormatError("times and units of a recording do not belong together, or a time is none")
        lengths = np.array([len(a) for a in t])
        micros = (joined * 1e6).astype(np.int32)
        return {"t": micros, "x": np.concatenate(x), "lengths": lengths, "labels": labels[:n].astype(np.int64)}


def _dataset(file: Any, name: str, of_lists: bool) -> Any:
    """A dataset of whole or real numbers, or of lists of them, that lies in the file itself."""
    group: Any = file
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise FormatError(f"it has no {name!r} of its own")
        group = group[part]
    if not isinstance(group, h5py.Dataset) or group.ndim != 1:
        raise FormatError(f"its {name!r} is no list")
    kind = h5py.check_vlen_dtype(group.dtype) if of_lists else group.dtype
    if kind is None or np.dtype(kind).kind not in "iuf":
        raise FormatError(f"its {name!r} holds no numbers")
    check_here(group, name)
    return group
