"""What a neuron model's dynamics must offer, and from what they are built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Array, Bits, Ints
from ir.quantized import FixedPopulation
from targets.lava.registers import Reached


class Piece(NamedTuple):
    """Neurons of one population.

    Attributes:
        neuron: their parameters, of the model whose dynamics are built.
        n: size of the whole population.
        which: the neurons at hand, their indices in it.
        depth: forward step at which comes what comes once a time step (a bias, a kept current).
    """

    neuron: Any
    n: int
    which: Ints
    depth: int


@dataclass(frozen=True)
class Members:
    """The neurons of one model in one process, population by population.

    Attributes:
        layered: whether they run under the layered schedule, where all of a time step arrives at once.
    """

    pieces: tuple[Piece, ...]
    layered: bool = False

    @property
    def depth(self) -> Ints:
        """(n,) forward steps."""
        return np.repeat([p.depth for p in self.pieces], [p.which.size for p in self.pieces])

    def columns(self, row: Callable[[Any], dict[str, Array | int]]) -> dict[str, Array]:
        """Spread parameters over the neurons.

        Args:
            row: a population's parameters by name, () or one a neuron.

        Returns:
            (n,) each, whole numbers or bits.
        """
        found = [(piece, row(piece.neuron)) for piece in self.pieces]
        return {name: np.concatenate([_spread(values[name], piece) for piece, values in found]) for name in found[0][1]}


def _spread(value: Array | int, piece: Piece) -> Array:
    array = np.asarray(value)
    kind = np.bool_ if array.dtype.kind == "b" else np.int64
    return np.broadcast_to(array.astype(kind), (piece.n,))[piece.which]


class Dynamics(Protocol):
    """How neurons of one model move, in whole numbers; built from (members, arithmetic, reached).

    Attributes:
        states: (n,) each, by the names of the model's ``STATES``, zero at first, and at the start of a sample zero or
            what an earlier run has left (the executor sees to it, in place); every value fits 32 bits.
    """

    states: dict[str, Ints]

    def begin(self, t: int) -> None:
        """Start time step ``t`` of a sample, before anything arrives: the leak, and resets that are due."""
        ...

    def step(self, k: int, x: Ints, resting: Bits) -> tuple[Bits, Ints]:
        """Advance one forward step; edges that act are counted in ``reached`` under a state's name, or "int32".

        Args:
            k: forward step; under the layered schedule always 0, as every depth then is.
            x: (n,) summed weights that were delivered, in register units.
            resting: (n,) neurons that spiked in this time step and spike once at most; none under the layered
                schedule.

        Returns:
            Which neurons fire, and their membranes just before that, both (n,).
        """
        ...


class GradedDynamics(Dynamics, Protocol):
    """Those of a model whose spikes may be graded (``Model.graded``).

    Attributes:
        carried: what a spike of the last step carries, one number or (n,).
    """

    carried: Ints | int


class Model(NamedTuple):
    """How a neuron model runs on Lava.

    Attributes:
        dynamics: a class of :class:`Dynamics`.
        stock_refusal: None: Lava has no process for the model, and under the layered schedule a process of ours runs
            ``dynamics``. Else ``targets.lava.layered.STOCK`` has one of Lava's, and this says why it cannot hold a
            population, and the way out; None = it can.
            Where ``dynamics`` is None, it must.
        graded: whether what its spikes carry is sent; ``dynamics`` are then :class:`GradedDynamics`.
        needs_ours: whether a population of the model is none that Lava's process has, and runs in ours all the same.
    """

    dynamics: Callable[[Members, Arithmetic, Reached], Dynamics] | None
    stock_refusal: Callable[[FixedPopulation], str | None] | None = None
    needs_ours: Callable[[FixedPopulation], bool] | None = None
    graded: bool = False

    def is_stock(self, population: FixedPopulation) -> bool:
        """Whether the layered schedule runs ``population`` in a process of Lava's own."""
        return self.stock_refusal is not None and not (self.needs_ours is not None and self.needs_ours(population))
