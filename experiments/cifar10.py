"""The same grid on CIFAR-10: a small convolutional network whose first layer runs on the host and takes the image as a
current, held for five time steps (``experiments/grid.py``).
"""

from __future__ import annotations

from experiments.grid import jobs, run
from experiments.grid_tables import parts

__all__ = ["jobs", "parts", "run"]
