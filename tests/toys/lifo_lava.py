"""A toy order rule: the newest spike first, ties by index; input events before all neurons, in time-stamp order."""

from __future__ import annotations

from ir.arrays import Ints
from targets.lava.spike_queue import Entries, Order

MEANING = "the latest forward step of firing, ties by index"
"""What ``ir.schedule.ORDERS`` says of it."""


def newest_on_lava(entries: Entries) -> tuple[Ints, ...]:
    """For the spike queue of Lava."""
    return (-entries.born,)


LIFO_ON_LAVA = Order(newest_on_lava)
