"""How each neuron model moves in the plain simulator: one file a model, and the one table that says which there are."""

from __future__ import annotations

from collections.abc import Callable

from ir.check import require
from ir.quantized import QuantizedNetwork
from sim_reference.neurons.lif import LIFDynamics
from sim_reference.neurons.model import Dynamics, Members
from sim_reference.neurons.sigma_delta import SigmaDeltaDynamics
from sim_reference.neurons.spiking_gamma import SpikingGammaDynamics
from sim_reference.registers import LimitCounts

__all__ = ["MODELS", "Dynamics", "Members", "check_known", "dynamics_of"]

MODELS: dict[str, Callable[[Members, LimitCounts], Dynamics]] = {
    "lif": LIFDynamics,
    "spiking_gamma": SpikingGammaDynamics,
    "sigma_delta": SigmaDeltaDynamics,
}
"""By the names of ``ir.neurons.MODELS``."""


def check_known(network: QuantizedNetwork) -> None:
    """Raise unless every population's neurons are of a model of the table."""
    for p in network.populations:
        model = p.neuron.MODEL
        require(
            model in MODELS,
            f"population {p.name!r} has neurons of model {model!r}; the simulator knows {', '.join(MODELS)}",
        )


def dynamics_of(members: Members, reached: LimitCounts) -> Dynamics:
    """Neurons of one model, at rest; crossings of their registers' edges are counted in ``reached``."""
    return MODELS[members.populations[0].neuron.MODEL](members, reached)
