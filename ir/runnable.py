"""Which schedules a network can run under: what the asynchronous one leaves undefined, every executor refuses."""

from __future__ import annotations

from typing import Union

import numpy as np

from ir.check import require
from ir.graph import is_acyclic
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule


def check_schedule(network: Union[Network, QuantizedNetwork], schedule: Schedule) -> None:
    """Raise where a network holds what ``schedule`` does not define.

    Raises:
        ValueError: the block, and the way out.
    """
    if schedule.kind == "layered":
        return
    for p in network.populations:
        require(
            p.neuron.reset == "zero",
            f"population {p.name!r} resets by subtraction, which the asynchronous schedule does not define; "
            "use the layered schedule or reset 'zero'",
        )
        require(
            p.neuron.refractory or schedule.stop_after is not None or is_acyclic(network),
            f"population {p.name!r} has no refractoriness in a network with cycles; set stop_after",
        )
    for e in network.projections:
        require(
            not bool(np.any(e.delay_steps)),
            f"projection {e.pre} -> {e.post} has delays, which the asynchronous schedule does not define; "
            "use the layered schedule",
        )
