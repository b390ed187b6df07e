"""A toy order rule: the newest spike first, ties by index; queued input before all neurons, in time-stamp order."""

from __future__ import annotations

import numpy as np

from ir.arrays import Ints
from sim_reference.serve import KeyAddress, Queue, behind_events
from targets.lava.spike_queue import Entries, Order

LIFO = "the latest forward step of firing, ties by index"


def in_simulator(queue: Queue, at: KeyAddress) -> Ints:
    """An entry of ``sim_reference.serve.ORDERS``."""
    neurons = queue.waiting()
    return behind_events(queue, neurons[np.lexsort((neurons, -queue.fired_at[neurons]))])


def _newest(entries: Entries) -> tuple[Ints, ...]:
    return (-entries.born,)


on_lava = Order(_newest)
"""An entry of ``targets.lava.spike_queue.ORDERS``."""
