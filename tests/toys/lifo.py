"""A toy order rule: the newest spike first, ties by index; queued input before all neurons, in time-stamp order."""

from __future__ import annotations

import numpy as np

from ir.arrays import Ints
from sim_reference.serve import KeyAddress, Queue, behind_events

LIFO = "the latest forward step of firing, ties by index"


def in_simulator(queue: Queue, at: KeyAddress) -> Ints:
    """An entry of ``sim_reference.serve.ORDERS``."""
    neurons = queue.waiting()
    return behind_events(queue, neurons[np.lexsort((neurons, -queue.fired_at[neurons]))])
