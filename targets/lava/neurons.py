"""Neurons under the asynchronous schedule: leak once a time step, then add, fire and rest in every forward step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic
from ir.arrays import Bits, Ints
from ir.graph import input_depths, slices
from ir.neurons import as_lif
from ir.quantized import QuantizedNetwork
from targets.lava.registers import ACCUMULATOR, INT32, U, clip_v, leak, wrap_two_sided, wrap_u

NEVER = 1 << 40
"""A threshold no register reaches."""


@dataclass(frozen=True, eq=False)
class NeuronTable:
    """One row a neuron, everything in register units.

    Attributes:
        keep_u, keep_v: what a leak leaves, of 4096.
        has_current: whether the population keeps synaptic current.
        threshold, bias, v_low: register values.
        depth: forward step at which bias and decayed current arrive.
        refractory: at most one spike a time step.
        reset_interval, reset_offset: as in ``FixedLIF``.
    """

    keep_u: Ints
    keep_v: Ints
    has_current: Bits
    threshold: Ints
    bias: Ints
    v_low: Ints
    depth: Ints
    refractory: Bits
    reset_interval: Ints
    reset_offset: Ints

    def take(self, which: Ints) -> NeuronTable:
        """The rows ``which``."""
        return NeuronTable(**{name: column[which] for name, column in vars(self).items()})


def neuron_table(network: QuantizedNetwork) -> NeuronTable:
    """Spread the populations' parameters over their neurons."""
    n, where, depths = network.n_neurons, slices(network.populations), input_depths(network)
    arithmetic = ARITHMETICS[network.arithmetic]
    columns = {name: np.zeros(n, np.int64) for name in NeuronTable.__dataclass_fields__}
    for population in network.populations:
        lif, at = as_lif(population.name, population.neuron, "Lava's process"), where[population.name]
        bias = lif.register_bias()
        v_low = -arithmetic.v_max if lif.v_min is None else max(lif.v_min, -arithmetic.v_max)
        row = {
            "keep_u": DECAY_ALL - np.asarray(lif.decay_u),
            "keep_v": DECAY_ALL - np.asarray(lif.decay_v),
            "has_current": lif.has_current,
            "threshold": NEVER
            if lif.v_threshold is None
            else np.minimum(np.asarray(lif.v_threshold), NEVER >> 6) << arithmetic.weight_shift,
            "bias": 0 if bias is None else bias,
            "v_low": v_low,
            "depth": depths[population.name],
            "refractory": lif.refractory,
            "reset_interval": lif.reset_interval,
            "reset_offset": lif.reset_offset,
        }
        for name, value in row.items():
            columns[name][at] = value
    flags = {name: columns.pop(name).astype(bool) for name in ("has_current", "refractory")}
    return NeuronTable(**columns, **flags)


def last_due(network: QuantizedNetwork) -> int:
    """The largest forward step at which a bias or a decayed current is still due; -1 = none ever."""
    depths = input_depths(network)
    due = [-1]
    for population in network.populations:
        if population.neuron.due:
            due.append(depths[population.name])
    return max(due)


class Neurons:
    """The registers of a group of neurons.

    Attributes:
        u, v: (n,) current and membrane.
        limits: (4,) how often each limit of ``registers.LIMITS`` was reached.
    """

    def __init__(self, table: NeuronTable, arithmetic: Arithmetic) -> None:
        self.table = table
        self.arithmetic = arithmetic
        self.n = table.keep_u.size
        self.u = np.zeros(self.n, np.int64)
        self.v = np.zeros(self.n, np.int64)
        self.resting = np.zeros(self.n, bool)
        self.limits = np.zeros(4, np.int64)
        self.any_current = bool(table.has_current.any())
        self.any_bias = bool(table.bias.any())
        self.any_reset = bool(table.reset_interval.any())

    def begin(self, t: int) -> None:
        """Start time step ``t`` of a sample: reset where due, leak once, end every rest."""
        if t == 0:
            self.u[:] = 0
            self.v[:] = 0
        elif self.any_reset:
            interval = np.maximum(self.table.reset_interval, 1)
            due = (self.table.reset_interval > 0) & ((t + 1) % interval == self.table.reset_offset % interval)
            self.u[due] = 0
            self.v[due] = 0
        self.u = leak(self.u, self.table.keep_u)
        self.v = leak(self.v, self.table.keep_v)
        self.resting[:] = False

    def step(self, k: int, a: Ints) -> tuple[Bits, Ints]:
        """Advance one forward step (docs/semantics.md, "A time step, asynchronous", steps a to c).

        Args:
            k: forward step.
            a: (n,) summed weights that were delivered.

        Returns:
            Which neurons fired, and the membranes just before the reset, both (n,).
        """
        table, due = self.table, self.table.depth == k
        x = wrap_two_sided(a << self.arithmetic.weight_shift, 31, self.limits, INT32)
        if self.arithmetic.accumulator_bits is not None:
            x = wrap_two_sided(x, self.arithmetic.accumulator_bits, self.limits, ACCUMULATOR)
        arriving = self._current(x, due, k)
        if bool(due.any()) and self.any_bias:
            bias = np.where(due, table.bias, 0)
            arriving = arriving + bias
            if self.arithmetic.bias_in_u:
                arriving = wrap_two_sided(arriving, self.arithmetic.u_bits, self.limits, U)
        total = wrap_two_sided(self.v + arriving, 31, self.limits, INT32)
        m = clip_v(total, table.v_low, self.arithmetic.v_max, self.limits)
        m[self.resting] = 0
        fired = (m > table.threshold) & ~self.resting
        self.v = np.where(fired, 0, m)
        self.resting |= fired & table.refractory
        return fired, m

    def _current(self, x: Ints, due: Bits, k: int) -> Ints:
        """What reaches v: nothing before the current is due, then all of it, later the drive; u is 0 where not kept."""
        if not self.any_current:
            return wrap_u(x, self.arithmetic, self.limits)
        kept = self.table.has_current
        total = wrap_two_sided(self.u + x, 31, self.limits, INT32)
        u = wrap_u(total, self.arithmetic, self.limits)
        self.u = np.where(kept, u, 0)
        return np.where(due | ~kept, u, np.where(self.table.depth > k, 0, x))
