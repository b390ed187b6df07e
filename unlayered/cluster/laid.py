"""Samples for workers on this machine: laid into a file that they read, so that nothing is packed and sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ir.stimulus import Stimulus
from unlayered.cluster.packed import WithoutFrames


@dataclass(frozen=True, eq=False)
class Laid:
    """A stimulus whose frames lie in a file.

    Attributes:
        path: the file, nothing but their bytes; of counts that are 0 or 1, their bits.
    """

    rest: WithoutFrames
    path: str
    in_bits: bool

    def stimulus(self) -> Stimulus:
        """The stimulus, bit for bit."""
        found: Any = np.fromfile(self.path, np.uint8 if self.in_bits else self.rest.kind)
        if self.in_bits:
            found = np.unpackbits(found, count=math.prod(self.rest.shape))
        return self.rest.filled(found)

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
    return Laid(WithoutFrames.of(stimulus), str(path), in_bits)
