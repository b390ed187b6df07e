"""The grid of ``shd_like.py`` with hidden populations that feed back on themselves within a time step."""

from __future__ import annotations

from experiments.grid import jobs, run
from experiments.grid_tables import parts

__all__ = ["jobs", "parts", "run"]
