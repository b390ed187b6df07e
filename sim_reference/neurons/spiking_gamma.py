"""SpikingGamma in plain integers: buckets, a rectified sum, and spikes that tell it; this is the meaning of one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Union, cast

import numpy as np

from ir.arithmetic import DECAY_ALL, DECAY_BITS
from ir.arrays import Bits, Ints
from ir.neurons import FixedSpikingGamma
from ir.neurons.fixed_spiking_gamma import PAYLOAD_BITS
from sim_reference.neurons.model import Members
from sim_reference.registers import LimitCounts, leak, wrap


def rtz(product: Ints) -> Ints:
    """``sign(p) * (|p| >> 12)``: toward zero."""
    return np.sign(product) * (np.abs(product) >> DECAY_BITS)


class SpikingGammaDynamics:
    """Neurons of ``FixedSpikingGamma``, population by population: they differ in how many buckets they keep."""

    def __init__(self, members: Members, reached: LimitCounts) -> None:
        self.members, self.reached = members, reached
        n, sizes = len(members.depth), [p.n for p in members.populations]
        self.neurons = [cast(FixedSpikingGamma, p.neuron) for p in members.populations]
        self.at = [slice(a, z) for a, z in pairwise(np.cumsum([0, *sizes]).tolist())]
        names = dict.fromkeys(name for neuron in self.neurons for name in neuron.STATES)
        self.states: dict[str, Ints] = {name: np.zeros(n, np.int64) for name in names}

    def begin_time_step(self, t: int) -> None:
        """What spikes have told falls: ``p``."""
        for neuron, at in zip(self.neurons, self.at):
            if neuron.fires:
                self.states["e"][at] = leak(self.states["e"][at], neuron.decay_shares[0])

    def receive(self, x: Ints, k: int | None) -> None:
        """Take all of a time step into the first bucket, move every bucket on, and weigh them."""
        for neuron, at in zip(self.neurons, self.at):
            rows = [self.states[f"x{k}"][at] for k in range(neuron.decay_shares.size)]
            before = [row.copy() for row in rows]
            first = leak(before[0], neuron.decay_shares[0]) + x[at]
            rows[0][:] = self._held("x0", self.reached.apply("int32", first, wrap(first, 31)))
            for k in range(1, len(rows)):
                rows[k][:] = before[k] + rtz((before[k - 1] - before[k]) * neuron.decay_shares[k])
            total = (neuron.bucket_weights * np.stack(rows, -1)).sum(-1)
            total = self.reached.apply("int32", total, wrap(total, 31))
            self.states["v"][at] = self._held("v", total >> neuron.bucket_shift)

    def _held(self, name: str, values: Ints) -> Ints:
        """Values at the edge of a state of 24 bits."""
        most = self.members.arithmetic.v_max
        return self.reached.apply(name, values, np.clip(values, -most, most))

    def fires(self) -> Bits:
        """Whose rectified sum is further above what its spikes tell than its threshold."""
        found = np.zeros(len(self.members.depth), bool)
        for neuron, at in zip(self.neurons, self.at):
            if neuron.v_threshold is not None:
                error = np.clip(self.states["v"][at], 0, neuron.ceilings) - self.states["e"][at]
                threshold = self._threshold(neuron, at)
                found[at] = error > threshold if neuron.strict else error >= threshold
        return found

    def _threshold(self, neuron: FixedSpikingGamma, at: slice) -> Any:
        at_rest = np.asarray(neuron.v_threshold)
        return at_rest + self.states["th"][at] if neuron.adapts else at_rest

    def rest(self, resting: Bits) -> None:
        """Nothing: the schedules that serve a queue have no such neurons."""

    def fire(self, spikes: Bits) -> Union[Ints, int]:
        """Add what a spike carries to what spikes have told; let the threshold adapt."""
        carried = np.ones(len(spikes), np.int64)
        for neuron, at in zip(self.neurons, self.at):
            if neuron.v_threshold is None:
                continue
            told, quantum = self.states["e"][at], np.asarray(neuron.quantum)
            if neuron.adapts:
                carried[at], quantum = self._adapt(neuron, at, spikes[at])
            told[:] = self._held("e", told + np.where(spikes[at], quantum, 0))
        return carried

    def _adapt(self, neuron: FixedSpikingGamma, at: slice, spikes: Bits) -> tuple[Ints, Ints]:
        """What spikes carry now, in 1/64 and in register units; then the threshold moves on."""
        threshold, above = self._threshold(neuron, at), self.states["th"][at]
        payload = (threshold << PAYLOAD_BITS) // neuron.v_threshold
        more = np.where(spikes, rtz(threshold * neuron.adaptation), 0)
        above[:] = self._held("th", rtz(above * (DECAY_ALL - neuron.decay_threshold)) + more)
        return payload, (payload * neuron.quantum) >> PAYLOAD_BITS
