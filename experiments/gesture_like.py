"""The same grid on DVS Gesture's motions, drawn: eleven motions of two hands, tested at speeds and places of their own.

2048-64-64-64-11; membranes remember, for no frame tells a circle from its mirror image (``experiments/grid.py``).
"""

from __future__ import annotations

from experiments.grid import jobs, run
from experiments.grid_tables import parts

__all__ = ["jobs", "parts", "run"]
