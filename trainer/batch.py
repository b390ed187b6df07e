"""A batch as an engine takes it, and which of the processes that train together this is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.distributed as distributed
from torch import Tensor

from trainer.engines.live import LiveState


@dataclass(frozen=True)
class Batch:
    """Some samples as an engine takes them: frames (T, b, N_in), labels and ids (b,), time-stamped events.

    Attributes:
        state: where the samples go on from; None = they begin.
    """

    frames: Tensor
    labels: Tensor
    ids: Tensor
    events: np.ndarray | None = None
    state: LiveState | None = None

    def to(self, device: torch.device) -> Batch:
        """The same samples on another device."""
        return replace(self, frames=self.frames.to(device), labels=self.labels.to(device), ids=self.ids.to(device))


def rank() -> int:
    """Which of the processes that train together this is."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
