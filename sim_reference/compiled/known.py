"""What the kernels know of neuron models, resets and order rules; the plain simulator runs the rest."""

from __future__ import annotations

from ir.neurons import RESETS, as_lif
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State
from sim_reference.compiled.queue import ORDERS

MODELS = ("lif",)
"""The neuron models that are compiled, names of ``ir.neurons.MODELS``; ``queue.ORDERS`` are the order rules."""


def reason_against(network: QuantizedNetwork, schedule: Schedule, state: State | None = None) -> str | None:
    """Why the kernels cannot run a network under a schedule; None = they can.

    The layered schedule serves no queue, so its order rule does not matter.

    Args:
        state: where the run goes on from.
    """
    if schedule.kind == "layered" and state is not None and bool((state.sent > 1).any()):
        return "the compiled simulator takes no state in which a neuron has spiked twice in a time step"
    for p in network.populations:
        if p.neuron.MODEL not in MODELS:
            return f"the compiled simulator does not know neuron model {p.neuron.MODEL!r}"
        lif = as_lif(p.name, p.neuron, "the compiled simulator")
        if RESETS[lif.reset].stays:
            return f"the compiled simulator does not know reset {lif.reset!r}"
        if lif.current_bias(0) is not None:
            return "the compiled simulator does not know a bias of the current (bias_u)"
    if schedule.kind != "layered" and schedule.order not in ORDERS:
        return f"the compiled simulator does not know order rule {schedule.order!r}"
    return None
