"""The neurons of one process: those of a model move together, whatever their populations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.arrays import Bits, Int32s, Ints
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from targets.lava.neurons import MODELS, Dynamics, Members, Piece
from targets.lava.neurons.model import GradedDynamics
from targets.lava.registers import ACCUMULATOR, INT32, none_reached, wrap_two_sided


class Neurons:
    """A group of neurons of any models.

    Attributes:
        where: (n,) their global indices, ascending.
        parts: where the neurons of each model stand in the group, and their dynamics.
        graded: those whose spikes carry unlike numbers.
        reached: how often each edge acted.

    Args:
        depths: of each population, as in ``Piece``.
        layered: as in ``Members``.
    """

    def __init__(
        self, network: QuantizedNetwork, where: Ints, depths: Mapping[str, int], layered: bool = False
    ) -> None:
        self.where, self.n, self.layered = where, where.size, layered
        self.arithmetic = ARITHMETICS[network.arithmetic]
        self.reached = none_reached(network)
        self.resting = np.zeros(self.n, np.bool_)
        self.refractory = np.zeros(self.n, np.bool_)
        pieces: dict[str, list[tuple[Ints, Piece]]] = {}
        for p in network.populations:
            lies = slices(network.populations)[p.name]
            at = np.flatnonzero((where >= lies.start) & (where < lies.stop))
            if at.size:
                piece = Piece(p.neuron, p.n, where[at] - lies.start, depths[p.name])
                pieces.setdefault(p.neuron.MODEL, []).append((at, piece))
                self.refractory[at] = p.neuron.refractory
        self.parts = [self._part(name, *zip(*found)) for name, found in pieces.items()]
        graded = [MODELS[name].graded for name in pieces]
        self.graded = [(at, cast(GradedDynamics, moves)) for (at, moves), told in zip(self.parts, graded) if told]

    def _part(self, model: str, at: tuple[Ints, ...], pieces: tuple[Piece, ...]) -> tuple[Ints | slice, Dynamics]:
        of_model = MODELS[model].dynamics
        assert of_model is not None, "Lava's own processes run it"
        dynamics = of_model(Members(pieces, self.layered), self.arithmetic, self.reached)
        places = np.concatenate(at)
        return (slice(None) if places.size == self.n else places), dynamics

    def start(self, states: Mapping[str, Ints] | None) -> None:
        """Start a sample: every state at zero, or as a run of the time steps before has left it.

        Args:
            states: (N,) of the whole network each, by name.
        """
        for at, dynamics in self.parts:
            for name, values in dynamics.states.items():
                values[:] = 0 if states is None else states[name][self.where[at]]

    def begin(self, t: int) -> None:
        """Start time step ``t`` of a sample; end every rest."""
        self.resting[:] = False
        for _, dynamics in self.parts:
            dynamics.begin(t)

    def step(self, k: int, a: Ints) -> tuple[Bits, Ints]:
        """Advance one forward step (docs/semantics.md, "A time step, asynchronous", steps a to c).

        Args:
            k: forward step.
            a: (n,) summed weights that were delivered.

        Returns:
            Which neurons fired, and the membranes just before the reset, both (n,).
        """
        x = wrap_two_sided(a << self.arithmetic.weight_shift, 31, self.reached, INT32)
        if self.arithmetic.accumulator_bits is not None:
            x = wrap_two_sided(x, self.arithmetic.accumulator_bits, self.reached, ACCUMULATOR)
        fired, m = np.zeros(self.n, np.bool_), np.zeros(self.n, np.int64)
        for at, dynamics in self.parts:
            fired[at], m[at] = dynamics.step(k, x[at], self.resting[at])
        self.resting |= fired & self.refractory
        return fired, m

    def sent(self, fired: Bits) -> Ints:
        """(n,) what the spikes of the last step carry; 0 where none was."""
        carried = np.ones(self.n, np.int64)
        for at, dynamics in self.graded:
            carried[at] = dynamics.carried
        return np.where(fired, carried, 0)

    def write(self, records: Mapping[str, Int32s], row: int) -> None:
        """Write the states into those of the (frames, N) records that are kept; others stay 0."""
        for at, dynamics in self.parts:
            for name, values in dynamics.states.items():
                if name in records:
                    records[name][row, self.where[at]] = values
