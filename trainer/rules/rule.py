"""What the training loop asks of a training rule, and what a rule reads of the configuration."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch

from ir.check import require
from ir.schedule import Schedule
from trainer.batch import Batch
from trainer.engines.live import LiveState
from trainer.engines.options import TrainingOptions
from trainer.gamma_options import GammaOptions
from trainer.network import SpikingNetwork
from trainer.optimizers import Rates


class Settings(Rates, Protocol):
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
    def engine(self) -> str: ...
    @property
    def loss_steps(self) -> int: ...
    @property
    def gamma(self) -> GammaOptions: ...
    @property
    def same_bits(self) -> bool: ...


class Step(NamedTuple):
    """What came of a batch.

    Attributes:
        loss: of the whole batch.
        states: where its samples ended, for the time steps that follow, as ``Batch.states``; empty where this process
            has none of them, or nothing follows.
    """

    loss: float
    states: tuple[LiveState, ...] = ()


def check_loss(loss: float, config: Settings, epoch: int) -> None:
    """Raise where training has diverged."""
    require(math.isfinite(loss), f"epoch {epoch}: the loss is {loss}; {_way_out(config)}")


def check_parameters(network: SpikingNetwork, config: Settings, epoch: int) -> None:
    """Raise where a parameter is no number any more."""
    for name, p in network.named_parameters():
        require(bool(p.isfinite().all()), f"epoch {epoch}: {name} is no longer finite; {_way_out(config)}")


def _way_out(config: Settings) -> str:
    limit = f"lower gradient_norm (now {config.gradient_norm})" if config.gradient_norm else "set gradient_norm = 1"
    return f"lower learning_rate (now {config.learning_rate}), or {limit}"


class Rule(Protocol):
    """How a batch changes a network. Epochs, batches, validation and checkpoints are the loop's, and where
    backpropagation through time ends: a batch may be some time steps of its samples."""

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
    ) -> Step:
        """Change the parameters by one batch, of which ``batch.share`` is in this process.

        Raises:
            ValueError: training diverged; the checkpoint of the epoch before stays as it is.
        """
        ...
