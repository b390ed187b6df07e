"""What changes the weights, and by how much as training goes on: optimizers and learning rates by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ir.check import GradientWarning, require
from trainer.processes import rank


class Rates(Protocol):
    """The fields of ``TrainConfig`` that optimizers and learning rates read."""

    @property
    def epochs(self) -> int: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def optimizer_momentum(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def gradient_norm(self) -> float: ...
    @property
    def rate_schedule(self) -> str: ...
    @property
    def rate_factor(self) -> float: ...
    @property
    def rate_every(self) -> int: ...
    @property
    def warmup_epochs(self) -> float: ...


OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
WITH_MOMENTUM = ("rmsprop", "sgd")
"""Those to which ``optimizer_momentum`` means something."""


LOGARITHMS = ("log_tau_mem", "log_tau_syn", "log_rate")
"""Parameters that are logarithms of times, or of rates."""

SMALLER = "a larger F, a shorter truncate or a lower learning_rate keep gradients small"
MOST_IN_A_ROW = 100
"""So many steps without a finite gradient are a training that has come to nothing; a resumed one counts anew."""


def make_optimizer(network: nn.Module, config: Rates) -> torch.optim.Optimizer:
    """The optimizer of a configuration."""
    options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer in WITH_MOMENTUM:
        options["momentum"] = config.optimizer_momentum
    optimizer = OPTIMIZERS[config.optimizer](_groups(network, config.weight_decay), **options)
    if config.gradient_norm:
        optimizer.register_step_pre_hook(GradientLimit(config.gradient_norm))
    return optimizer


def _groups(network: nn.Module, weight_decay: float) -> Any:
    """What an optimizer changes; logarithms of time constants, whose 0 is a second, are pulled nowhere."""
    named = list(network.named_parameters())
    times = [p for name, p in named if name.rpartition(".")[2] in LOGARITHMS]
    if not (times and weight_decay):
        return network.parameters()
    others = [p for name, p in named if name.rpartition(".")[2] not in LOGARITHMS]
    return [{"params": others}, {"params": times, "weight_decay": 0.0}]


class GradientLimit:
    """Keeps the gradient of every step within a length; a step whose gradient is not finite changes nothing.

    Scales the gradients of all parameters together down to a Euclidean norm, where it is larger. Pascanu et al., "On
    the difficulty of training recurrent neural networks", ICML 2013. The norm is summed up in one thread and in
    float64: the same to the last bit for any number of threads, and no square of a float32 is too large.

    Where any of them is infinite or NaN, as a chain of many forward steps may make it, no direction is left: the
    optimizer finds no gradient, so weights and its own state stay as they are. The first one of a training is told in a
    ``GradientWarning``.

    Raises:
        ValueError: called for ``MOST_IN_A_ROW`` such steps in a row.
    """

    def __init__(self, most: float) -> None:
        self.most, self.told, self.in_a_row = most, False, 0

    def __call__(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        with np.errstate(over="ignore"):
            squares = [np.square(p.grad.detach().cpu().numpy().astype(np.float64)).sum() for p in parameters]
        norm = math.sqrt(sum(map(float, squares)))
        if math.isfinite(norm):
            self.in_a_row = 0
            for p in parameters if norm > self.most else ():
                p.grad.mul_(self.most / norm)
            return
        self.in_a_row += 1
        require(self.in_a_row < MOST_IN_A_ROW, f"{MOST_IN_A_ROW} steps in a row had no finite gradient; {SMALLER}")
        for p in parameters:
            p.grad = None
        if not self.told and rank() == 0:
            warnings.warn(
                f"a step has no finite gradient and changes nothing; {SMALLER}", GradientWarning, stacklevel=2
            )
        self.told = True


def _share(config: Rates, at: float) -> float:
    """How much of the epochs behind the warm-up has passed, 0 to 1."""
    left = max(config.epochs - config.warmup_epochs, 1e-9)
    return min(max((at - config.warmup_epochs) / left, 0.0), 1.0)


def _between(config: Rates, x: float) -> float:
    """From 1 (x = 1) to ``rate_factor`` (x = 0)."""
    return config.rate_factor + (1 - config.rate_factor) * x


SCHEDULES: dict[str, Callable[[Rates, float], float]] = {
    "constant": lambda config, at: 1.0,
    "cosine": lambda config, at: _between(config, (1 + math.cos(math.pi * _share(config, at))) / 2),
    "linear": lambda config, at: _between(config, 1 - _share(config, at)),
    "step": lambda config, at: config.rate_factor ** (int(at) // config.rate_every),
}
"""The factor of the learning rate after so many epochs."""


def learning_rate(config: Rates, at: float) -> float:
    """The learning rate after ``at`` epochs, a function of nothing else: a run that is resumed goes on as it was."""
    warm = min(1.0, at / config.warmup_epochs) if config.warmup_epochs else 1.0
    return config.learning_rate * warm * SCHEDULES[config.rate_schedule](config, at)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let all parameters learn at one rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
