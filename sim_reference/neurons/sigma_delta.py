"""Sigma-delta neurons in plain integers: a sum of changes in, the changes of its value out; the meaning of one."""

from __future__ import annotations

from itertools import pairwise
from typing import Union, cast

import numpy as np

from ir.arrays import Bits, Ints
from ir.neurons import FixedSigmaDelta
from sim_reference.neurons.model import Members
from sim_reference.registers import LimitCounts, wrap

LOWEST = -(1 << 31)
"""Its size is no int32: to lava it is as little as it looks."""


class SigmaDeltaDynamics:
    """Neurons of ``FixedSigmaDelta``, population by population."""

    def __init__(self, members: Members, reached: LimitCounts) -> None:
        self.members, self.reached = members, reached
        n, sizes = len(members.depth), [p.n for p in members.populations]
        self.neurons = [cast(FixedSigmaDelta, p.neuron) for p in members.populations]
        self.at = [slice(a, z) for a, z in pairwise(np.cumsum([0, *sizes]).tolist())]
        names = dict.fromkeys(name for neuron in self.neurons for name in neuron.STATES)
        self.states: dict[str, Ints] = {name: np.zeros(n, np.int64) for name in names}

    def begin_time_step(self, t: int) -> None:
        """Nothing leaks."""

    def receive(self, x: Ints, k: int | None) -> None:
        """Take all of a time step, and say what changed."""
        for neuron, at in zip(self.neurons, self.at):
            level = x[at] << neuron.shift
            if neuron.sums:
                sigma = self.states["sigma"][at]
                sigma[:] = self._int32(sigma + x[at])
                level = sigma + neuron.register_bias
            level = self._int32(level)
            self.states["v"][at] = np.maximum(level, 0) if neuron.rectifies else level
            if neuron.v_threshold is not None:
                self._tell(neuron, neuron.v_threshold << neuron.shift, at)

    def _tell(self, neuron: FixedSigmaDelta, threshold: int, at: slice) -> None:
        """Send what v is beyond what was told, where it is large enough."""
        told = self.states["e"][at]
        delta = self._int32(self.states["v"][at] - told)
        size = np.where(delta == LOWEST, LOWEST, np.abs(delta))
        sent = np.where(size >= threshold, delta, 0)
        told[:] = wrap(told + sent, 31)
        self.states["out"][at] = sent >> neuron.state_exp

    def _int32(self, values: Ints) -> Ints:
        return self.reached.apply("int32", values, wrap(values, 31))

    def fires(self) -> Bits:
        """Who has something to send."""
        return self.states["out"] != 0 if "out" in self.states else np.zeros(len(self.members.depth), bool)

    def rest(self, resting: Bits) -> None:
        """Nothing: the schedules that serve a queue have no such neurons."""

    def fire(self, spikes: Bits) -> Union[Ints, int]:
        """What a spike carries; its neuron has told it already."""
        return self.states["out"].copy() if "out" in self.states else 0
