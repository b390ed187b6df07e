"""PyTorch training with the chip's asynchrony inside the forward pass."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads OpenMP: spinning threads starve small networks

from trainer.config import TrainConfig, preset
from trainer.execute import run
from trainer.fit import train
from trainer.linear_map import SumPool2d
from trainer.network import SpikingNetwork
from trainer.neuron import LIF

__all__ = ["LIF", "SpikingNetwork", "SumPool2d", "TrainConfig", "preset", "run", "train"]
