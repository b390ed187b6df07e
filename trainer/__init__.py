"""PyTorch training with the chip's asynchrony inside the forward pass."""

import os

# Before torch loads OpenMP: threads that spin for long starve small networks on a busy machine (60x), threads that
# sleep at once must be woken for every small operation (3x); some ten microseconds are enough.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

from trainer.config import TrainConfig, preset
from trainer.execute import run
from trainer.fit import train
from trainer.linear_map import SumPool2d
from trainer.network import SpikingNetwork
from trainer.neuron import LIF
from trainer.quantize_aware import train_on_grid
from trainer.trainable import TrainableNetwork

__all__ = [
    "LIF",
    "SpikingNetwork",
    "SumPool2d",
    "TrainConfig",
    "TrainableNetwork",
    "preset",
    "run",
    "train",
    "train_on_grid",
]
