"""A quantized network with an address for every neuron."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ir.arrays import Int32s, set_field, whole_array
from ir.check import INT32, check_type, require, whole
from ir.chip import Chip
from ir.contract import CONTRACT, check_contract
from ir.picture import beside, network_picture
from ir.quantized import QuantizedNetwork
from ir.shown import lines_of, mapped_lines
from ir.words import counted


@dataclass(frozen=True)
class Core:
    """One used core and its place.

    Attributes:
        index: position in ``MappedNetwork.cores``; what ``core_of_neuron`` holds.
        chip: which chip of the board.
        x, y: tile on the chip's mesh.
        slot: which core of the tile.
    """

    index: int
    chip: int = 0
    x: int = 0
    y: int = 0
    slot: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).copy().items():
            set_field(self, name, whole(f"{name} of a core", value, 0, INT32[1]))


@dataclass(frozen=True, eq=False)
class MappedNetwork:
    """Integers with an address.

    Attributes:
        network: the integers.
        chip: where they are; None = one core as large as needed (unmapped).
        core_of_neuron: (N,) index into ``cores``.
        cores: the used cores.
        report: numbers the mapper found (km1, utilisation), by name.
        contract: number of the execution contract it was mapped under; it runs under this release's.
    """

    network: QuantizedNetwork
    chip: Chip | None
    core_of_neuron: Int32s
    cores: tuple[Core, ...]
    report: dict[str, float] = field(default_factory=dict)
    contract: int = CONTRACT

    def __post_init__(self) -> None:
        check_contract("mapped network", self.contract)
        check_type("the network", self.network, QuantizedNetwork, "a QuantizedNetwork")
        check_type("the chip", self.chip, (Chip, type(None)), "a Chip or None")
        check_type("the cores", self.cores, (tuple, list), "a tuple of Core")
        for core in self.cores:
            check_type("one of the cores", core, Core, "a Core")
        check_type("the report", self.report, dict, "numbers by name")
        for name, number in self.report.items():
            check_type("a name of the report", name, str, "a word")
            check_type(f"{name!r} of the report", number, (int, float), "a number")
        set_field(self, "core_of_neuron", whole_array("core_of_neuron", self.core_of_neuron, np.int32))
        set_field(self, "cores", tuple(self.cores))
        n = self.network.n_neurons
        require(
            self.core_of_neuron.shape == (n,),
            f"core_of_neuron has shape {self.core_of_neuron.shape}; the network has {counted(n, 'neuron')}",
        )
        require(
            tuple(c.index for c in self.cores) == tuple(range(len(self.cores))), "cores must be numbered 0, 1, 2, ..."
        )
        low, high = int(self.core_of_neuron.min()), int(self.core_of_neuron.max())
        require(
            0 <= low and high < len(self.cores),
            f"core_of_neuron names cores {low}..{high}, there are {len(self.cores)}",
        )
        places = {(c.chip, c.x, c.y, c.slot) for c in self.cores}
        require(len(places) == len(self.cores), "two cores lie at the same place")

    def __repr__(self) -> str:
        return lines_of(*mapped_lines(self))

    def _repr_html_(self) -> str:
        """For notebooks: the same words, and a picture."""
        return beside(repr(self), network_picture(self.network))


def one_large_core(network: QuantizedNetwork) -> MappedNetwork:
    """The unmapped network: everything on a single core without limits."""
    return MappedNetwork(network, None, np.zeros(network.n_neurons, np.int32), (Core(0),))
