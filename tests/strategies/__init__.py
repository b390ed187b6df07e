"""Hypothesis strategies that draw integer networks, stimuli and schedules; most of the networks spike.

The share of networks that spike is asserted in ``tests/sim_reference/test_laws.py``. Shapes, wiring and settings
are drawn by hypothesis, so that they shrink; bulk numbers come from a drawn seed.
"""

from tests.strategies.connections import connections, sparse
from tests.strategies.independent import each
from tests.strategies.networks import networks
from tests.strategies.options import LATE, LAYERED, WIDE, Draw, seeds
from tests.strategies.runs import at_receivers, cases, partitions, runs, schedules, stamped, stimuli

__all__ = [
    "LATE",
    "LAYERED",
    "WIDE",
    "Draw",
    "at_receivers",
    "cases",
    "connections",
    "each",
    "networks",
    "partitions",
    "runs",
    "schedules",
    "seeds",
    "sparse",
    "stamped",
    "stimuli",
]
