"""A batch as an engine takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from trainer.engines.live import LiveState


@dataclass(frozen=True)
class Batch:
    """Some samples as an engine takes them: frames (T, b, N_in), labels and ids (b,), time-stamped events.

    Attributes:
        states: where the samples go on from, block by block where there are several; empty = they begin.
        whole: samples of the whole batch, which several processes may share; 0 = these are all.
    """

    frames: Tensor
    labels: Tensor
    ids: Tensor
    events: np.ndarray | None = None
    states: tuple[LiveState, ...] = ()
    whole: int = 0

    @property
    def state(self) -> LiveState | None:
        """Where the samples go on from as one; None = they begin."""
        return self.states[0] if self.states else None

    @property
    def share(self) -> float:
        """How much of the whole batch these samples are."""
        return len(self.ids) / self.whole if self.whole else 1.0

    def to(self, device: torch.device) -> Batch:
        """The same samples on another device."""
        return replace(self, frames=self.frames.to(device), labels=self.labels.to(device), ids=self.ids.to(device))
