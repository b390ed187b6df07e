"""The paper's grid on N-MNIST-like data: ten trainings, tested under every schedule, on emulated and real recordings.

2312-64-64-64-10, trained on MNIST before the emulated camera (``experiments/grid.py``).
"""

from __future__ import annotations

from experiments.grid import jobs, run
from experiments.grid_tables import parts

__all__ = ["jobs", "parts", "run"]
