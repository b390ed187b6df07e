"""How the toy neuron model moves in the plain simulator: its docstring in ``tired.py``, line by line."""

from __future__ import annotations

import numpy as np

from ir.arrays import Bits, Ints
from sim_reference.neurons import Members
from sim_reference.registers import LimitCounts, wrap
from tests.toys.tired import FixedTired


class TiredDynamics:
    """Neurons of ``FixedTired``: the membrane ``v`` and what its spikes left, ``fatigue``."""

    def __init__(self, members: Members, reached: LimitCounts) -> None:
        neurons = [p.neuron for p in members.populations]
        assert all(isinstance(neuron, FixedTired) for neuron in neurons)
        self.members, self.reached, shift = members, reached, members.arithmetic.weight_shift
        self.threshold = members.each(neuron.v_threshold for neuron in neurons) << shift
        self.tiring = members.each(neuron.tiring for neuron in neurons) << shift
        self.v, self.fatigue = np.zeros_like(self.tiring), np.zeros_like(self.tiring)
        self.states: dict[str, Ints] = {"v": self.v, "fatigue": self.fatigue}

    def begin_time_step(self, t: int) -> None:
        self.fatigue >>= 1

    def receive(self, x: Ints, k: int | None) -> None:
        v, most = self.v + x, self.members.arithmetic.v_max
        v = self.reached.apply("int32", v, wrap(v, 31))
        self.v[:] = self.reached.apply("v", v, np.clip(v, -most, most))

    def fires(self) -> Bits:
        return self.v > self.threshold + self.fatigue

    def rest(self, resting: Bits) -> None:
        self.v[resting] = 0

    def fire(self, spikes: Bits) -> int:
        self.v[spikes] = 0
        more = np.minimum(self.fatigue + self.tiring, self.members.arithmetic.v_max)
        self.fatigue[:] = np.where(spikes, more, self.fatigue)
        return 1
