"""What the simulator asks of a neuron model, and what it tells the model about the neurons that it moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Union

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Bits, Ints
from ir.quantized import FixedPopulation


@dataclass(frozen=True, eq=False)
class Members:
    """The neurons of one model that move together.

    Attributes:
        populations: whose they are, in the order of the global index.
        at: where they lie in the global index; a slice where they lie side by side.
        depth: (n,) the forward step at which what is due in every time step arrives.
        arithmetic: the edges of their registers.
    """

    populations: tuple[FixedPopulation, ...]
    at: Union[slice, Ints]
    depth: Ints
    arithmetic: Arithmetic

    def each(self, values: Iterable[Any], dtype: Any = np.int64) -> Any:
        """(n,) one value a population, or one a neuron of it, as one array over all neurons."""
        parts = [np.broadcast_to(np.asarray(x, dtype), (p.n,)) for x, p in zip(values, self.populations)]
        return np.concatenate(parts)


class Dynamics(Protocol):
    """All neurons of one model: their parameters and what they keep. ``MODELS`` says how one is made.

    Attributes:
        members: which neurons they are.
        states: (n,) each, by the names of the model's ``STATES``, ``v`` among them; changed in place, and set to 0 by
            the simulator where a sample begins.
    """

    members: Members

    @property
    def states(self) -> dict[str, Ints]: ...

    def begin_time_step(self, t: int) -> None:
        """Leak, reset, recover: what happens once, before anything arrives."""
        ...

    def receive(self, x: Ints, k: int | None) -> None:
        """Take a drive.

        Args:
            x: (n,) the drive in register units.
            k: the forward step; None = layered schedule, where all of a time step arrives at once.
        """
        ...

    def fires(self) -> Bits:
        """(n,) which neurons would spike now, resting ones too."""
        ...

    def rest(self, resting: Bits) -> None:
        """Do what a drive does to neurons that have spiked in this time step, (n,), and may not again."""
        ...

    def fire(self, spikes: Bits) -> Union[Ints, int]:
        """Reset those that spike now, (n,); ``v`` before it is the spike's membrane.

        Returns:
            How often a spike delivers its neuron's weights: one number, or (n,); 1 for a plain spike.
        """
        ...
