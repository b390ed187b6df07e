"""Neuron models as our Lava processes run them: one file each, and the one table that says which there are."""

from targets.lava.neurons.lif import LIFDynamics, needs_ours, stock_refusal
from targets.lava.neurons.model import Dynamics, Members, Model, Piece
from targets.lava.neurons.sigma_delta import stock_refusal as sigma_delta_refusal
from targets.lava.neurons.spiking_gamma import SpikingGammaDynamics

__all__ = ["MODELS", "Dynamics", "Members", "Model", "Piece"]

MODELS: dict[str, Model] = {
    "lif": Model(LIFDynamics, stock_refusal, needs_ours),
    "spiking_gamma": Model(SpikingGammaDynamics, graded=True),
    "sigma_delta": Model(None, sigma_delta_refusal, graded=True),
}
