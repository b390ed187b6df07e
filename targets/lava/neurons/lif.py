"""LIF as our processes run it: leak once a time step, then add, fire and rest in every forward step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.arrays import Array, Bits, Ints
from ir.neurons import RESETS, FixedLIF, as_lif
from ir.quantized import FixedPopulation
from targets.lava.neurons.model import Members
from targets.lava.registers import INT32, Reached, U, clip_v, leak, wrap_two_sided, wrap_u

NEVER = 1 << 40
"""A threshold no register reaches."""

INT16 = 1 << 15
"""Lava's own LIF keeps bias mantissas in 16 bits."""


@dataclass(frozen=True, eq=False)
class LIFTable:
    """One row a neuron, everything in register units.

    Attributes:
        keep_u, keep_v: what a leak leaves, of 4096.
        has_current: whether the population keeps synaptic current.
        threshold, bias, bias_u, v_low: register values.
        subtract: reset by subtraction, at once.
        subtract_late, zero_late: the reset comes at the start of the next time step.
        stays: a spike leaves v where it is.
        reset_interval, reset_offset: as in ``FixedLIF``.
    """

    keep_u: Ints
    keep_v: Ints
    has_current: Bits
    threshold: Ints
    bias: Ints
    bias_u: Ints
    v_low: Ints
    subtract: Bits
    subtract_late: Bits
    zero_late: Bits
    stays: Bits
    reset_interval: Ints
    reset_offset: Ints


def _row(lif: FixedLIF, arithmetic: Arithmetic) -> dict[str, Array | int]:
    """The parameters of one population."""
    own = lif.registers(arithmetic, NEVER)
    return {
        "keep_u": DECAY_ALL - np.asarray(lif.decay_u),
        "keep_v": DECAY_ALL - np.asarray(lif.decay_v),
        "has_current": lif.has_current,
        "threshold": own["threshold"],
        "bias": own["bias"],
        "bias_u": own["bias_u"],
        "v_low": own["v_min"],
        "subtract": lif.reset == "subtract",
        "subtract_late": lif.reset == "subtract_late",
        "zero_late": lif.reset == "zero_late",
        "stays": RESETS[lif.reset].stays,
        "reset_interval": lif.reset_interval,
        "reset_offset": lif.reset_offset,
    }


class LIFDynamics:
    """LIF neurons; see ``targets.lava.neurons.model.Dynamics``.

    Attributes:
        states: current ``u``, membrane ``v``, and ``late``, 1 where a reset comes at the next time step.
    """

    def __init__(self, members: Members, arithmetic: Arithmetic, reached: Reached) -> None:
        self.table = table = LIFTable(**members.columns(lambda lif: _row(lif, arithmetic)))
        self.depth, self.arithmetic, self.reached = members.depth, arithmetic, reached
        self.states = {name: np.zeros(self.depth.size, np.int64) for name in FixedLIF.STATES}
        self.kept = table.has_current | members.layered
        self.any_current = bool(self.kept.any())
        self.any_bias, self.any_bias_u = bool(table.bias.any()), bool(table.bias_u.any())
        self.any_reset = bool(table.reset_interval.any())
        self.late = table.subtract_late | table.zero_late
        self.any_late = bool(self.late.any())
        self.waits = table.subtract | table.stays
        self.any_waits = bool(self.waits.any())

    def begin(self, t: int) -> None:
        """Reset where due, leak once; then what resets late."""
        table, states = self.table, self.states
        if self.any_reset:
            interval = np.maximum(table.reset_interval, 1)
            due = (table.reset_interval > 0) & ((t + 1) % interval == table.reset_offset % interval)
            for values in states.values():
                values[due] = 0
        states["u"] = leak(states["u"], table.keep_u)
        states["v"] = leak(states["v"], table.keep_v)
        if self.any_late:
            fired, v = states["late"] > 0, states["v"]
            v = np.where(fired & table.subtract_late, v - table.threshold, v)
            v = clip_v(v, table.v_low, self.arithmetic.v_max, self.reached)
            states["v"] = np.where(fired & table.zero_late, 0, v)
            states["late"] = np.zeros_like(states["late"])

    def step(self, k: int, x: Ints, resting: Bits) -> tuple[Bits, Ints]:
        """Add, fire, reset (docs/semantics.md, "A time step, asynchronous", steps a to c)."""
        table, due = self.table, self.depth == k
        arriving = self._current(x, due, k)
        if self.any_bias and bool(due.any()):
            bias = np.where(due, table.bias, 0)
            arriving = arriving + bias
            if self.arithmetic.bias_in_u:
                arriving = wrap_two_sided(arriving, self.arithmetic.u_bits, self.reached, U)
        total = wrap_two_sided(self.states["v"] + arriving, 31, self.reached, INT32)
        m = clip_v(total, table.v_low, self.arithmetic.v_max, self.reached)
        m[resting & ~self.waits] = 0
        fired = (m > table.threshold) & ~resting
        left = np.zeros_like(m)
        if self.any_waits:
            fired &= ~(self.waits & (self.depth > k))
            left = np.where(table.subtract, m - table.threshold, np.where(table.stays, m, 0))
            self.states["late"] |= fired & self.late
        self.states["v"] = np.where(fired, left, m)
        return fired, m

    def _current(self, x: Ints, due: Bits, k: int) -> Ints:
        """What reaches v: nothing before the current is due, then all of it, later the drive; u is 0 where not kept."""
        bias = np.where(due, self.table.bias_u, 0) if self.any_bias_u else 0
        if not self.any_current:
            return wrap_u(wrap_two_sided(x + bias, 31, self.reached, INT32), self.arithmetic, self.reached)
        kept = self.kept
        total = wrap_two_sided(self.states["u"] + x + bias, 31, self.reached, INT32)
        u = wrap_u(total, self.arithmetic, self.reached)
        self.states["u"] = np.where(kept, u, 0)
        return np.where(due | ~kept, u, np.where(self.depth > k, 0, x))


def clears(rows: Ints, n_steps: int, lif: FixedLIF, t0: int = 0, past: int = 0) -> Bits:
    """When Lava's own LIF must be set to u = v = 0 before the step: at its own resets.

    Args:
        rows: (ticks,) as in ``targets.lava.probe.Probe``.
        t0, past: as in ``targets.lava.cut.Start``.

    Returns:
        (ticks,).
    """
    t = rows % n_steps - past
    if lif.reset_interval == 0:
        return np.zeros(len(rows), np.bool_)
    due = (t0 + t + 1) % lif.reset_interval == lif.reset_offset % lif.reset_interval
    return (rows >= 0) & (t >= 0) & due


def needs_ours(population: FixedPopulation) -> bool:
    """Whether Lava's own LIF has no such neurons: none that reset late or never, none with a bias on their current."""
    lif = as_lif(population.name, population.neuron, "Lava's LIF")
    return RESETS[lif.reset].stays or lif.current_bias(0) is not None


def stock_refusal(population: FixedPopulation) -> str | None:
    """Why Lava's own LIF cannot hold a population's neurons."""
    lif = as_lif(population.name, population.neuron, "Lava's LIF")
    if needs_ours(population) or lif.register_bias() is None:
        return None
    most = int(np.abs(np.asarray(lif.bias)).max())
    if most < INT16:
        return None
    return (
        f"bias {most} << {lif.bias_exp} of population {population.name!r} does not fit Lava's 16-bit mantissa; use a "
        "smaller mantissa and a larger exponent"
    )
