"""Events to frames, and the time stamps that frames leave out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from ir.stimulus import Stimulus

Events = NDArray[np.void]


@dataclass(frozen=True)
class Binning:
    """How a recording becomes frames.

    Attributes:
        sensor: (W, H, P), or (W, 1, P) for one row.
        window_us: microseconds a time step.
        n_steps: time steps; later events are left out.
        shrink: merge so many neighbouring pixels a side into one.
    """

    sensor: tuple[int, int, int]
    window_us: int
    n_steps: int
    shrink: int = 1

    @property
    def small_sensor(self) -> tuple[int, int, int]:
        """(W, H, P) after merging."""
        return max(1, self.sensor[0] // self.shrink), max(1, self.sensor[1] // self.shrink), self.sensor[2]


def merge_pixels(events: Events, binning: Binning) -> Events:
    """Events on the smaller sensor, those within the binned time only."""
    small = events[(events["t"] >= 0) & (events["t"] < binning.window_us * binning.n_steps)].copy()
    for axis, side in zip(("x", "y"), binning.sensor):
        if axis in (small.dtype.names or ()):
            if len(small) and not 0 <= int(small[axis].min()) <= int(small[axis].max()) < side:
                raise FormatError(f"an event lies at {axis} = {small[axis].max()} of a sensor with {side} pixels")
            small[axis] //= binning.shrink
    if binning.sensor[2] == 1:
        small["p"] = 0
    return small


def to_frames(events: Events, binning: Binning) -> NDArray[np.int8]:
    """Bin one recording as ``tonic.transforms.ToFrame`` does, without loading tonic, which loads torch.

    A pixel and polarity that reports several times within a window counts once (Koopman et al. 2025).

    Args:
        events: tonic's dtype, t in microseconds, none before 0.

    Returns:
        Binary frames (T, P, H, W), or (T, P, W) of a sensor with one row.
    """
    small, (width, height, polarities) = merge_pixels(events, binning), binning.small_sensor
    frames = np.zeros((binning.n_steps, polarities, height, width), np.int8)
    row = small["y"] if "y" in (small.dtype.names or ()) else 0
    frames[small["t"] // binning.window_us, small["p"].astype(np.int64), row, small["x"]] = 1
    return frames if "y" in (small.dtype.names or ()) else frames[:, :, 0]


def stamped(events: Events, binning: Binning) -> NDArray[np.int64]:
    """(n, 3) of (t, time stamp in us, input): the first event of each pixel, polarity and window."""
    small, (width, height, _) = merge_pixels(events, binning), binning.small_sensor
    row = small["y"] if "y" in (small.dtype.names or ()) else 0
    index = (small["p"].astype(np.int64) * height + row) * width + small["x"]
    step = small["t"] // binning.window_us
    order = np.lexsort((small["t"], index, step))
    _, first = np.unique(step[order] * (1 << 40) + index[order], return_index=True)
    kept = order[first]
    return np.stack([step[kept], small["t"][kept], index[kept]], 1).astype(np.int64)


def stack(
    recordings: Iterable[Events], binning: Binning, labels: NDArray[np.integer], ids: NDArray[np.integer], stamps: bool
) -> Stimulus:
    """Bin recordings into one batch, with every event's time stamp where asked for."""
    frames, events = [], []
    for b, recording in enumerate(recordings):
        frames.append(to_frames(recording, binning).reshape(binning.n_steps, -1))
        if stamps:
            own = stamped(recording, binning)
            events.append(np.column_stack([np.full(len(own), b), own]))
    joined = np.concatenate(events) if stamps and events else None
    return Stimulus(np.stack(frames, 1), np.asarray(ids, np.int64), np.asarray(labels, np.int64), joined)
