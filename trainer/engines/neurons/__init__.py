"""Neuron models of the plain engines: one file each, and the one table that says which there are."""

from __future__ import annotations

from ir.check import require
from trainer.engines.neurons.lif import LIFModel
from trainer.engines.neurons.model import Model
from trainer.engines.neurons.spiking_gamma import GammaModel

MODELS: dict[str, Model] = {"lif": LIFModel(), "spiking_gamma": GammaModel()}
"""The names are those of ``ir.neurons.MODELS``."""


def model_of(population: str, name: str) -> Model:
    """The model called ``name``.

    Raises:
        ValueError: the engines have no such neurons.
    """
    known = ", ".join(map(repr, MODELS))
    require(name in MODELS, f"population {population!r} has neurons of model {name!r}; the trainer knows {known}")
    return MODELS[name]
