"""The toy order rule of ``lifo.py`` in the trainer's plain engine."""

from __future__ import annotations

from torch import Tensor

from trainer.engines.call import Call
from trainer.engines.queue import OrderRule
from trainer.engines.state import BatchState


def newest_in_training(call: Call, state: BatchState, draw: Tensor, t: int, k: int) -> Tensor:
    """The latest forward step of firing first, ties by index."""
    return call.neurons - state.k_fired * call.plan.n_neurons


LIFO_IN_TRAINING = OrderRule(newest_in_training)
