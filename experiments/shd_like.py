"""The same grid on spoken digits in SHD's format, a speaker left out in turn; feed-forward.

70-128-128-10, 100 time steps of 10 ms (``experiments/grid.py``). ``shd_like_recurrent.py`` is the same with hidden
populations that feed back on themselves.
"""

from __future__ import annotations

from experiments.grid import jobs, run
from experiments.grid_tables import parts

__all__ = ["jobs", "parts", "run"]
