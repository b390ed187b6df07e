"""Samples for workers on this machine: laid into a file that they read, so that nothing is packed and sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class Laid:
    """A stimulus whose frames lie in a file.

    Attributes:
        empty: the stimulus with no time step.
        shape, kind: of the frames.
        path: the file, nothing but their bytes; of counts that are 0 or 1, their bits.
    """

    empty: Stimulus
    shape: tuple[int, ...]
    kind: str
    path: str
    in_bits: bool
    events: Array | None

    def stimulus(self) -> Stimulus:
        """The stimulus, bit for bit."""
        found: Any = np.fromfile(self.path, np.uint8 if self.in_bits else self.kind)
        if self.in_bits:
            found = np.unpackbits(found, count=math.prod(self.shape))
        found.setflags(write=False)
        return replace(self.empty, frames=found.view(self.kind).reshape(self.shape), events=self.events)

    def remove(self) -> None:
        """Remove the file: nobody asks for it any more."""
        Path(self.path).unlink(missing_ok=True)


def laid(stimulus: Stimulus, path: Path) -> Laid | None:
    """Write the frames into ``path``; None where they cannot be written."""
    frames = stimulus.frames
    in_bits = frames.dtype.itemsize == 1 and int(frames.view(np.uint8).max(initial=0)) <= 1
    try:
        path.write_bytes((np.packbits(frames) if in_bits else frames).data)
    except OSError:
        path.unlink(missing_ok=True)
        return None
    empty = replace(stimulus, frames=np.zeros((0, *frames.shape[1:]), frames.dtype), events=None)
    return Laid(empty, frames.shape, frames.dtype.str, str(path), in_bits, stimulus.events)
