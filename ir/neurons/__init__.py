"""Neuron models: one file each, and the one table that says which there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ir.check import check_type, require
from ir.neurons.fixed_lif import FixedLIF
from ir.neurons.fixed_sigma_delta import FixedSigmaDelta
from ir.neurons.fixed_spiking_gamma import FixedSpikingGamma
from ir.neurons.lif import LIF
from ir.neurons.model import FixedNeuron, Neuron
from ir.neurons.reset import RESETS
from ir.neurons.spiking_gamma import SpikingGamma

__all__ = [
    "LIF",
    "MODELS",
    "RESETS",
    "FixedLIF",
    "FixedNeuron",
    "FixedSigmaDelta",
    "FixedSpikingGamma",
    "Model",
    "Neuron",
    "SpikingGamma",
    "as_lif",
    "as_trained_lif",
    "check_neuron",
    "check_only_lif",
]


class Model(NamedTuple):
    """A neuron model: its parameters as trained (None: nothing here trains it), and in a chip's integers."""

    trained: type[Neuron] | None
    fixed: type[FixedNeuron]


MODELS: dict[str, Model] = {
    "lif": Model(LIF, FixedLIF),
    "spiking_gamma": Model(SpikingGamma, FixedSpikingGamma),
    "sigma_delta": Model(None, FixedSigmaDelta),
}


def check_neuron(who: str, neuron: Any, fixed: bool) -> None:
    """Raise unless a neuron is of a model of the table, trained or in integers."""
    kinds = (model.fixed if fixed else model.trained for model in MODELS.values())
    known = tuple(kind for kind in kinds if kind is not None)
    check_type(who, neuron, known, f"a {' or '.join(kind.__name__ for kind in known)}")


def as_trained_lif(population: str, neuron: Neuron, whose: str) -> LIF:
    """The neuron as a LIF, for what knows no other model.

    Args:
        whose: who asks, as the subject of "knows".

    Raises:
        ValueError: it is of another model.
    """
    require(isinstance(neuron, LIF), _other(population, neuron, whose))
    assert isinstance(neuron, LIF)
    return neuron


def as_lif(population: str, neuron: FixedNeuron, whose: str) -> FixedLIF:
    """:func:`as_trained_lif` for integers."""
    require(isinstance(neuron, FixedLIF), _other(population, neuron, whose))
    assert isinstance(neuron, FixedLIF)
    return neuron


def check_only_lif(populations: Iterable[Any], whose: str) -> None:
    """Raise unless every population's neurons are LIF, for what knows no other model."""
    for p in populations:
        require(isinstance(p.neuron, (LIF, FixedLIF)), _other(p.name, p.neuron, whose))


def _other(population: str, neuron: Neuron | FixedNeuron, whose: str) -> str:
    return f"population {population!r} has neurons of model {neuron.MODEL!r}; {whose} knows 'lif' alone"
