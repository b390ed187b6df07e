"""What the training loop asks of a training rule, and what a rule reads of the configuration."""

from __future__ import annotations

from typing import Protocol

import torch

from ir.schedule import Schedule
from trainer.batch import Batch
from trainer.engines.options import TrainingOptions
from trainer.network import SpikingNetwork


class Settings(Protocol):
    """The fields of ``TrainConfig`` that rules read."""

    @property
    def options(self) -> TrainingOptions: ...
    @property
    def loss(self) -> str: ...
    @property
    def spike_penalty(self) -> float: ...
    @property
    def spike_penalty_after(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def engine(self) -> str: ...


class Rule(Protocol):
    """How a batch changes a network. Epochs, batches, validation and checkpoints are the loop's."""

    def optimizer(self, network: SpikingNetwork, config: Settings) -> torch.optim.Optimizer:
        """What changes the parameters, and keeps in its state whatever a resumed run needs."""
        ...

    def step(
        self,
        network: SpikingNetwork,
        optimizer: torch.optim.Optimizer,
        batch: Batch,
        schedule: Schedule,
        config: Settings,
        epoch: int,
        share: float = 1.0,
    ) -> float:
        """Change the parameters by one batch; ``share`` of the whole batch is in this process.

        Returns:
            The loss of the whole batch.

        Raises:
            ValueError: training diverged; the checkpoint of the epoch before stays as it is.
        """
        ...
