"""One recording of events as it comes, looked at before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Ints
from ir.check import FormatError

NAMES = {
    "x": ("x", "xs", "unit", "units", "channel", "channels", "addr", "col"),
    "y": ("y", "ys", "row"),
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
"""What each column of events is called in files, ours first."""

MOST = 1 << 62
"""Of a time stamp, in microseconds."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Events in order of time; x, y, p whole and at least 0.

    Attributes:
        t: (n,) microseconds on the recording's clock.
        y: None of a row of channels. p: 1 where it became brighter; None where there is one polarity.
    """

    x: Ints
    y: Ints | None
    t: Ints
    p: Ints | None

    def largest(self) -> tuple[int, int, int, int]:
        """The largest (x, y, p, t); -1 without events."""
        columns = (self.x, self.y, self.p, self.t)
        if not len(self.t):
            return -1, -1, 0 if self.p is None else 1, -1
        x, y, p, t = (0 if column is None else int(column.max()) for column in columns)
        return x, y, max(p, 0 if self.p is None else 1), t


def columns_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """The columns of events among named arrays; None where these are no events: they have at least t and x."""
    low = {name.lower(): name for name in arrays}
    found = {ours: next((low[name] for name in names if name in low), None) for ours, names in NAMES.items()}
    if found["t"] is None or found["x"] is None:
        return None
    return {ours: arrays[name] for ours, name in found.items() if name is not None}


def fields_of(events: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """A structured array as named arrays."""
    return {name: events[name] for name in events.dtype.names or ()}


def recording_of(
    columns: Mapping[str, NDArray[Any]], who: str, time_unit_us: float = 1.0, from_first: bool = False
) -> Recording:
    """Check a recording's columns.

    Args:
        who: what the sentences begin with: the file.
        time_unit_us, from_first: see ``DataOptions``.

    Raises:
        FormatError: columns of different length, no numbers, NaN, negative coordinates, or not in order of time.
    """
    lengths = {name: column.shape for name, column in columns.items()}
    if any(len(shape) != 1 for shape in lengths.values()) or len(set(lengths.values())) > 1:
        raise FormatError(f"{who}: its columns have shapes {_said(lengths)}; give one value an event in each")
    for name, column in columns.items():
        _check_numbers(column, name, who)
    x, y = _pixels(columns["x"], "x", who), None if "y" not in columns else _pixels(columns["y"], "y", who)
    p = None if "p" not in columns else _polarity(columns["p"], who)
    return Recording(x, y, _microseconds(columns["t"], who, time_unit_us, from_first), p)


def _said(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _check_numbers(column: NDArray[Any], name: str, who: str) -> None:
    if column.dtype.kind not in "biuf" or column.dtype.itemsize > 8:
        raise FormatError(f"{who}: its {name} has type {column.dtype}; give numbers of up to 64 bits")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        at = int(np.flatnonzero(~np.isfinite(column))[0])
        raise FormatError(f"{who}: event {at} has {name} = {column[at]}; every value must be finite")


def _pixels(column: NDArray[Any], name: str, who: str) -> Ints:
    wrong = (column < 0) | (column >= 1 << 31) | (column != np.floor(column) if column.dtype.kind == "f" else False)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise FormatError(f"{who}: event {at} lies at {name} = {column[at]}; coordinates are whole numbers from 0")
    return column.astype(np.int64)


def _polarity(column: NDArray[Any], who: str) -> Ints:
    """0 and 1, from those or from -1 and 1."""
    known = (column == 0) | (column == 1) | ((column == -1) if column.dtype.kind in "if" else False)
    if not known.all():
        at = int(np.flatnonzero(~known)[0])
        raise FormatError(f"{who}: event {at} has polarity {column[at]}; polarities are 0 and 1, or -1 and 1")
    both = bool((column == 0).any()) and column.dtype.kind in "if" and bool((column == -1).any())
    if both:
        raise FormatError(f"{who}: its polarities are -1, 0 and 1; give 0 and 1, or -1 and 1")
    return (column == 1).astype(np.int64)


def _microseconds(column: NDArray[Any], who: str, unit_us: float, from_first: bool) -> Ints:
    """Time stamps as whole microseconds, in order, from 0 or from the first event."""
    if column.dtype.kind == "u" and len(column) and int(column.max()) >= MOST:
        raise FormatError(f"{who}: an event has t = {column.max()}; time stamps stay below 2^62 microseconds")
    plain: NDArray[Any] = column.astype("f8" if column.dtype.kind == "f" else "i8")
    later = np.flatnonzero(plain[1:] < plain[:-1])
    if len(later):
        at = int(later[0]) + 1
        raise FormatError(
            f"{who}: event {at} has t = {column[at]}, before the event in front of it ({column[at - 1]}); "
            "sort the events by time"
        )
    if from_first and len(plain):
        plain = plain - plain[0]
    if len(plain) and plain[0] < 0:
        raise FormatError(f"{who}: event 0 has t = {column[0]}; time begins at 0, or set from_first = true")
    if plain.dtype.kind == "i" and unit_us == 1:
        scaled = plain
    else:
        wide = plain.astype(np.float64) * unit_us
        if len(wide) and not wide[-1] < MOST:
            raise FormatError(f"{who}: an event has t = {column[-1]}; time stamps stay below 2^62 microseconds")
        scaled = np.rint(wide).astype(np.int64)
    return scaled
