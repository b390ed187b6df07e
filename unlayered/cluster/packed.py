"""Samples on their way to a worker: most frames are nearly empty, and what is not there need not travel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.stimulus import Stimulus

FULL = 0.1
"""Share of a stimulus's counts that are not 0 from which on it travels as it is."""


@dataclass(frozen=True, eq=False)
class Packed:
    """A stimulus as the places and values of its counts.

    Attributes:
        empty: the stimulus with no time step.
        shape, kind: of the frames. at: (n,) places in them, in order. values: (n,).
    """

    empty: Stimulus
    shape: tuple[int, ...]
    kind: str
    at: Array
    values: Array
    events: Array | None

    def stimulus(self) -> Stimulus:
        """The stimulus, bit for bit."""
        frames: Any = np.zeros(self.shape, self.kind)
        frames.reshape(-1)[self.at] = self.values
        frames.setflags(write=False)
        return replace(self.empty, frames=frames, events=self.events)


def packed(stimulus: Stimulus) -> Stimulus | Packed:
    """The stimulus as it takes less room; zeros with a sign stay what they are."""
    frames = stimulus.frames
    flat = frames.reshape(-1)
    if frames.dtype.kind == "f" or frames.size >= 1 << 32:
        return stimulus
    counted = flat != 0  # numpy looks for what is true three times as fast as for what is not 0
    if np.count_nonzero(counted) > FULL * flat.size:
        return stimulus
    at = np.flatnonzero(counted)
    empty = replace(stimulus, frames=np.zeros((0, *frames.shape[1:]), frames.dtype), events=None)
    return Packed(empty, frames.shape, frames.dtype.str, at.astype(np.uint32), flat[at], stimulus.events)
