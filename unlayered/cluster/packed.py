"""Samples on their way to a worker: most frames are nearly empty, and what is not there need not travel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.stimulus import Stimulus

FULL = 0.1
"""Share of a stimulus's counts that are not 0 from which on it travels as it is."""


@dataclass(frozen=True, eq=False)
class WithoutFrames:
    """A stimulus whose frames are elsewhere.

    Attributes:
        empty: it with no time step. shape, kind: of its frames. events: its time stamps.
    """

    empty: Stimulus
    shape: tuple[int, ...]
    kind: str
    events: Array | None

    @classmethod
    def of(cls, stimulus: Stimulus) -> WithoutFrames:
        """What is left of it."""
        frames = stimulus.frames
        empty = replace(stimulus, frames=np.zeros((0, *frames.shape[1:]), frames.dtype), events=None)
        return cls(empty, frames.shape, frames.dtype.str, stimulus.events)

    def filled(self, frames: Any) -> Stimulus:
        """The stimulus with its frames, an array of their bytes that is nobody else's."""
        frames.setflags(write=False)
        return replace(self.empty, frames=frames.view(self.kind).reshape(self.shape), events=self.events)


@dataclass(frozen=True, eq=False)
class Packed:
    """A stimulus as the places and values of its counts.

    Attributes:
        at: (n,) places in the frames, in order. values: (n,).
    """

    rest: WithoutFrames
    at: Array
    values: Array

    def stimulus(self) -> Stimulus:
        """The stimulus, bit for bit."""
        frames: Any = np.zeros(math.prod(self.rest.shape), self.rest.kind)
        frames[self.at] = self.values
        return self.rest.filled(frames)


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
    return Packed(WithoutFrames.of(stimulus), at.astype(np.uint32), flat[at])
