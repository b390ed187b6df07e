"""What changes the weights, and by how much as training goes on: optimizers and learning rates by name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ir.check import GradientWarning


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


NOT_FINITE = (
    "the gradient of a batch is not finite and changes nothing (said once); a larger F, a shorter truncate or a lower "
    "learning_rate keep gradients small"
)


def make_optimizer(network: nn.Module, config: Rates) -> torch.optim.Optimizer:
    """The optimizer of a configuration."""
    options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer in WITH_MOMENTUM:
        options["momentum"] = config.optimizer_momentum
    optimizer = OPTIMIZERS[config.optimizer](network.parameters(), **options)
    if config.gradient_norm:
        optimizer.register_step_pre_hook(lambda chosen, _args, _more: limit_gradient(chosen, config.gradient_norm))
    return optimizer


def limit_gradient(optimizer: torch.optim.Optimizer, most: float) -> None:
    """Scale the gradients of all parameters together down to a Euclidean norm of ``most``, where it is larger.

    Gradients that are not finite, as a chain of many forward steps may make them, have no direction left: they become
    0, and a ``GradientWarning`` says so once.

    Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013. The norm is summed up in one
    thread and in float64: the same to the last bit for any number of threads, and no gradient's square is too large.
    """
    found = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    squares = (np.square(g.detach().cpu().numpy().astype(np.float64)).sum() for g in found)
    norm = math.sqrt(sum(map(float, squares)))
    if not math.isfinite(norm):
        warnings.warn(NOT_FINITE, GradientWarning, stacklevel=2)
        for g in found:
            g.zero_()
    elif norm > most:
        for g in found:
            g.mul_(most / norm)


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
