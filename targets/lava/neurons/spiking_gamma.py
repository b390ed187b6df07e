"""SpikingGamma as our processes run it: one population, after Lava's own Dense or Conv."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.arrays import Array, Bits, Ints
from ir.neurons import FixedSpikingGamma
from ir.neurons.fixed_spiking_gamma import PAYLOAD_BITS
from targets.lava.neurons.model import Members
from targets.lava.registers import INT32, Reached, wrap_two_sided

NEVER = 1 << 40
"""A threshold that nothing reaches."""


def shifted(values: Any, bits: int) -> Any:
    """Right by so many bits, toward zero."""
    return np.where(values < 0, -((-values) >> bits), values >> bits)


class SpikingGammaDynamics:
    """See ``targets.lava.neurons.model.Dynamics``; under the layered schedule alone, a population a process.

    Nothing changes in a tick without a time step, nor would it: no bias, all states 0 at first.
    """

    def __init__(self, members: Members, arithmetic: Arithmetic, reached: Reached) -> None:
        (piece,) = members.pieces
        self.neuron = cast(FixedSpikingGamma, piece.neuron)
        self.most, self.reached = arithmetic.v_max, reached
        self.table = members.columns(_row)
        self.decay = [int(d) for d in self.neuron.decay_shares]
        self.buckets = [f"x{k}" for k in range(len(self.decay))]
        self.states = {name: np.zeros(piece.which.size, np.int64) for name in self.neuron.STATES}
        self.carried: Ints | int = 1

    def begin(self, t: int) -> None:
        """Let what spikes have told fall."""
        if self.neuron.fires:
            self.states["e"] = shifted(self.states["e"] * (DECAY_ALL - self.decay[0]), 12)

    def step(self, k: int, x: Ints, resting: Bits) -> tuple[Bits, Ints]:
        """Filter, weigh, rectify, code."""
        states = self.states
        before = {name: states[name] for name in self.buckets}
        left = shifted(before["x0"] * (DECAY_ALL - self.decay[0]), 12)
        states["x0"] = self._clip(wrap_two_sided(left + x, 31, self.reached, INT32), "x0")
        for name, feeding, decay in zip(self.buckets[1:], self.buckets, self.decay[1:]):
            states[name] = before[name] + shifted((before[feeding] - before[name]) * decay, 12)
        total = np.zeros_like(x)
        for name in self.buckets:
            total = total + self.table[name] * states[name]
        total = wrap_two_sided(total, 31, self.reached, INT32)
        states["v"] = self._clip(total >> self.neuron.bucket_shift, "v")
        if not self.neuron.fires:
            return np.zeros(x.size, np.bool_), states["v"]
        error = np.minimum(np.maximum(states["v"], 0), self.table["ceiling"]) - states["e"]
        threshold, quantum = self.table["threshold"], self.table["quantum"]
        if self.neuron.adapts:
            threshold = threshold + states["th"]
            self.carried = (threshold << PAYLOAD_BITS) // self.table["threshold"]
            quantum = self.carried * quantum >> PAYLOAD_BITS
        fired = error > threshold - (0 if self.neuron.strict else 1)
        if self.neuron.adapts:
            left = shifted(states["th"] * (DECAY_ALL - self.neuron.decay_threshold), 12)
            states["th"] = self._clip(left + fired * shifted(threshold * self.neuron.adaptation, 12), "th")
        states["e"] = self._clip(states["e"] + fired * quantum, "e")
        return fired, states["v"]

    def _clip(self, values: Ints, name: str) -> Ints:
        held = np.clip(values, -self.most, self.most)
        self.reached[name] += int((held != values).sum())
        return held


def _row(neuron: FixedSpikingGamma) -> dict[str, Array | int]:
    """The numbers of a population: bucket weights by the names of the buckets."""
    weights = {f"x{k}": neuron.bucket_weights[..., k] for k in range(neuron.decay_shares.size)}
    never = NEVER if neuron.v_threshold is None else neuron.v_threshold
    return {**weights, "threshold": never, "quantum": neuron.quantum, "ceiling": neuron.ceilings}
