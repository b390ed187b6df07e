"""Leaky integrate and fire in plain integers: one update of its registers is the meaning of a spike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Bits, Ints
from ir.neurons import RESETS, FixedLIF, as_lif
from sim_reference.neurons.model import Members
from sim_reference.registers import LimitCounts, leak, wrap, wrap_current

NEVER = 1 << 62
"""The register value of a threshold that nothing reaches."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Parameters of LIF neurons in register units, (n,) each.

    Attributes:
        decay_v, decay_u: in 1/4096.
        threshold: register value; ``NEVER`` where there is none.
        bias, bias_u: register values.
        v_min: lower clip of the membrane.
        has_current: whether the population keeps a current from one time step to the next.
        due: whether something (a bias, a current) arrives at k = depth of every time step.
        subtract: whether the population resets by subtraction at once.
        waits: whether it fires not before k = depth, and keeps charge that comes after its spike.
        stays: whether a spike leaves v where it is.
        zero_late, subtract_late: whether it resets so at the start of the next time step.
        reset_interval, reset_offset: of the population; interval 0 = never.
    """

    decay_v: Ints
    decay_u: Ints
    threshold: Ints
    bias: Ints
    bias_u: Ints
    v_min: Ints
    has_current: Bits
    due: Bits
    subtract: Bits
    waits: Bits
    stays: Bits
    zero_late: Bits
    subtract_late: Bits
    reset_interval: Ints
    reset_offset: Ints

    def resets_at(self, t: int) -> Bits:
        """Which neurons start time step t from u = v = 0, (n,)."""
        every = np.maximum(self.reset_interval, 1)
        return (self.reset_interval > 0) & ((t + 1) % every == self.reset_offset % every)


def columns_of(members: Members) -> Columns:
    """The parameters of populations of LIF, one array each."""
    neurons = [as_lif(p.name, p.neuron, "this group") for p in members.populations]
    found = [_in_registers(neuron, members.arithmetic) for neuron in neurons]

    def column(name: str, dtype: Any = np.int64) -> Any:
        return members.each([x[name] for x in found], dtype)

    return Columns(
        decay_v=column("decay_v"),
        decay_u=column("decay_u"),
        threshold=column("threshold"),
        bias=column("bias"),
        bias_u=column("bias_u"),
        v_min=column("v_min"),
        has_current=column("has_current", np.bool_),
        due=column("due", np.bool_),
        subtract=column("subtract", np.bool_),
        waits=column("waits", np.bool_),
        stays=column("stays", np.bool_),
        zero_late=column("zero_late", np.bool_),
        subtract_late=column("subtract_late", np.bool_),
        reset_interval=column("reset_interval"),
        reset_offset=column("reset_offset"),
    )


def _in_registers(neuron: FixedLIF, arithmetic: Arithmetic) -> dict[str, Any]:
    """The parameters of one population in register units."""
    reset = RESETS[neuron.reset]
    return {
        **neuron.registers(arithmetic, NEVER),
        "has_current": neuron.has_current,
        "due": neuron.due,
        "subtract": reset.subtracts and not reset.late,
        "waits": reset.waits,
        "stays": reset.stays,
        "zero_late": reset.late and not reset.subtracts,
        "subtract_late": reset.late and reset.subtracts,
        "reset_interval": neuron.reset_interval,
        "reset_offset": neuron.reset_offset,
    }


@dataclass(frozen=True)
class When:
    """Where, in one round, something that comes once a time step arrives, (n,) each.

    Attributes:
        due: bias and current arrive now.
        early: the current is still waited for.
        keeps: the current is kept; elsewhere u ends at 0.
    """

    due: Bits
    early: Bits
    keeps: Bits


class LIFDynamics:
    """Neurons of ``FixedLIF``: registers ``u``, the current, and ``v``, the membrane; ``late``, a reset to come."""

    def __init__(self, members: Members, reached: LimitCounts) -> None:
        self.members, self.reached, self.columns = members, reached, columns_of(members)
        self.any_resets, self.any_waits = bool(self.columns.reset_interval.any()), bool(self.columns.waits.any())
        self.any_bias_u = bool(self.columns.bias_u.any())
        self.resets_late = self.columns.zero_late | self.columns.subtract_late
        n = len(members.depth)
        self.u, self.v, self.late = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.states: dict[str, Ints] = {"v": self.v, "u": self.u, "late": self.late}
        self.always = When(np.ones(n, bool), np.zeros(n, bool), np.ones(n, bool))
        self.waits = np.zeros(n, bool)

    def begin_time_step(self, t: int) -> None:
        """Reset what is due to be reset, then leak once; at last the late resets of the time step before."""
        if self.any_resets:
            reset = self.columns.resets_at(t)
            for state in self.states.values():
                state[reset] = 0
        self.u[:] = leak(self.u, self.columns.decay_u)
        self.v[:] = leak(self.v, self.columns.decay_v)
        if self.late.any():
            self._reset_late()

    def _reset_late(self) -> None:
        """``v <- 0`` or ``v <- edge_v(v - threshold)`` where neurons fired in the time step before."""
        columns, fired = self.columns, self.late > 0
        less = np.where(columns.subtract_late & fired, self.v - columns.threshold, self.v)
        less = self.reached.apply("v", less, np.clip(less, columns.v_min, self.members.arithmetic.v_max))
        self.v[:] = np.where(columns.zero_late & fired, 0, less)
        self.late[:] = 0

    def receive(self, x: Ints, k: int | None) -> None:
        """Add a drive to current and membrane.

        ``u <- edge_u(u + x + bias_u)``, the bias where it is due. What reaches v is u where it is due or not kept,
        nothing before that, x alone after it: a current arrives once a time step with all that came before, and so
        does the bias.
        ``v <- edge_v(v + that + bias)``.
        """
        arithmetic, reached, when = self.members.arithmetic, self.reached, self._when(k)
        if self.any_waits and k is not None:
            self.waits = self.columns.waits & (self.members.depth > k)
        total = self.u + x + np.where(when.due, self.columns.bias_u, 0) if self.any_bias_u else self.u + x
        total = reached.apply("int32", total, wrap(total, 31))
        u = reached.apply("u", total, wrap_current(total, arithmetic))
        due, keeps = when.due, when.keeps
        arriving: Ints = np.where(due | ~keeps, u, np.where(when.early, 0, x))
        bias: Ints = np.where(due, self.columns.bias, 0)
        if arithmetic.bias_in_u:
            s: Ints = np.where(due, arriving + bias, arriving)
            arriving = reached.apply("u", s, np.where(due, wrap_current(s, arithmetic), s))
            bias = np.zeros_like(bias)
        v = self.v + arriving + bias
        v = reached.apply("int32", v, wrap(v, 31))
        self.u[:] = np.where(keeps, u, 0)
        self.v[:] = reached.apply("v", v, np.clip(v, self.columns.v_min, arithmetic.v_max))

    def _when(self, k: int | None) -> When:
        if k is None:
            return self.always
        keeps, depth = self.columns.has_current, self.members.depth
        return When(self.columns.due & (depth == k), keeps & (depth > k), keeps)

    def fires(self) -> Bits:
        """Those above their threshold; a neuron that resets by subtraction waits for k = depth."""
        return (self.v > self.columns.threshold) & ~self.waits

    def rest(self, resting: Bits) -> None:
        """Charge that reaches a resting neuron is lost, unless its reset keeps it."""
        self.v[resting & ~self.columns.waits] = 0

    def fire(self, spikes: Bits) -> int:
        """Reset to 0 or by subtraction, note that the reset comes late, or leave v as it is."""
        if not self.any_waits:
            self.v[spikes] = 0
            return 1
        subtracted = np.where(self.columns.subtract, self.v - self.columns.threshold, 0)
        self.v[spikes] = np.where(self.columns.stays, self.v, subtracted)[spikes]
        self.late[spikes & self.resets_late] = 1
        return 1
