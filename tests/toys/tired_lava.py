"""How the toy neuron model of ``tests.toys.tired`` moves on Lava."""

from __future__ import annotations

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Array, Bits, Ints
from targets.lava.neurons import Members, Model
from targets.lava.registers import INT32, Reached, clip_v, wrap_two_sided
from tests.toys.tired import FixedTired


class TiredDynamics:
    """As ``targets.lava.neurons.Dynamics`` asks."""

    def __init__(self, members: Members, arithmetic: Arithmetic, reached: Reached) -> None:
        def row(neuron: FixedTired) -> dict[str, Array | int]:
            numbers = {name: np.asarray(getattr(neuron, name)) for name in FixedTired.PER_NEURON}
            return {name: number << arithmetic.weight_shift for name, number in numbers.items()}

        self.table = members.columns(row)
        self.v_max, self.reached = arithmetic.v_max, reached
        self.states = {name: np.zeros(members.depth.size, np.int64) for name in FixedTired.STATES}

    def begin(self, t: int) -> None:
        self.states["fatigue"] >>= 1

    def step(self, k: int, x: Ints, resting: Bits) -> tuple[Bits, Ints]:
        fatigue = self.states["fatigue"]
        m = clip_v(wrap_two_sided(self.states["v"] + x, 31, self.reached, INT32), -self.v_max, self.v_max, self.reached)
        m[resting] = 0
        fired = (m > self.table["v_threshold"] + fatigue) & ~resting
        self.states["v"] = np.where(fired, 0, m)
        self.states["fatigue"] = np.where(fired, np.minimum(fatigue + self.table["tiring"], self.v_max), fatigue)
        return fired, m


TIRED_ON_LAVA = Model(TiredDynamics)
