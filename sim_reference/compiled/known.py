"""What the kernels know of neuron models, resets and order rules; the plain simulator runs the rest."""

from __future__ import annotations

from ir.neurons import as_lif
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from sim_reference.compiled.flat import RESETS
from sim_reference.compiled.queue import ORDERS

MODELS = ("lif", "spiking_gamma")
"""The neuron models that are compiled, names of ``ir.neurons.MODELS``; ``flat.RESETS`` are their resets, and
``queue.ORDERS`` the order rules."""


SCOPES = ("network", "core")
"""The scopes of a queue that are compiled."""


def reason_against(network: QuantizedNetwork, schedule: Schedule) -> str | None:
    """Why the kernels cannot run a network under a schedule; None = they can.

    The layered schedule serves no queue, so its order rule does not matter.
    """
    for p in network.populations:
        if p.neuron.MODEL not in MODELS:
            return f"the compiled simulator does not know neuron model {p.neuron.MODEL!r}"
    models = sorted({p.neuron.MODEL for p in network.populations})
    if models == ["spiking_gamma"]:
        return None
    if len(models) > 1:
        return f"the compiled simulator does not mix neuron models {' and '.join(map(repr, models))}"
    for p in network.populations:
        lif = as_lif(p.name, p.neuron, "the compiled simulator")
        if lif.reset not in RESETS:
            return f"the compiled simulator does not know reset {lif.reset!r}"
    if schedule.kind != "layered" and schedule.order not in ORDERS:
        return f"the compiled simulator does not know order rule {schedule.order!r}"
    if schedule.kind != "layered" and schedule.scope not in SCOPES:
        return f"the compiled simulator does not know scope {schedule.scope!r}"
    return None
