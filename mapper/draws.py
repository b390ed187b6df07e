"""Random numbers of compiled searches: a stream that a seed of one word fixes."""

from __future__ import annotations

import numpy as np

from ir.kernels import part
from ir.schedule import GOLDEN, MIX_A, MIX_B


@part
def uniform(random):
    """Draw from (0, 1) by splitmix64; ``random`` is (1,) uint64 and advances."""
    random[0] += GOLDEN
    x = random[0]
    x = (x ^ (x >> np.uint64(30))) * MIX_A
    x = (x ^ (x >> np.uint64(27))) * MIX_B
    x = x ^ (x >> np.uint64(31))
    return (float(x >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)
