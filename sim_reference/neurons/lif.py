"""Leaky integrate and fire in plain integers: one update of its registers is the meaning of a spike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arithmetic import Arithmetic
from ir.arrays import Bits, Ints
from ir.neurons import FixedLIF, as_lif
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
        bias: register value.
        v_min: lower clip of the membrane.
        has_current: whether the population keeps a current from one time step to the next.
        due: whether something (a bias, a current) arrives at k = depth of every time step.
        subtract: whether the population resets by subtraction.
        reset_interval, reset_offset: of the population; interval 0 = never.
    """

    decay_v: Ints
    decay_u: Ints
    threshold: Ints
    bias: Ints
    v_min: Ints
    has_current: Bits
    due: Bits
    subtract: Bits
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
        v_min=column("v_min"),
        has_current=column("has_current", np.bool_),
        due=column("due", np.bool_),
        subtract=column("subtract", np.bool_),
        reset_interval=column("reset_interval"),
        reset_offset=column("reset_offset"),
    )


def _in_registers(neuron: FixedLIF, arithmetic: Arithmetic) -> dict[str, Any]:
    """The parameters of one population in register units."""
    bias = neuron.register_bias()
    v_min = -arithmetic.v_max if neuron.v_min is None else max(neuron.v_min, -arithmetic.v_max)
    shift = arithmetic.weight_shift
    never = NEVER >> shift
    threshold = np.minimum(never if neuron.v_threshold is None else neuron.v_threshold, never) << shift
    return {
        "decay_v": neuron.decay_v,
        "decay_u": neuron.decay_u,
        "threshold": threshold,
        "bias": 0 if bias is None else bias,
        "v_min": v_min,
        "has_current": neuron.has_current,
        "due": neuron.due,
        "subtract": neuron.reset == "subtract",
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
    """Neurons of ``FixedLIF``: registers ``u``, the current, and ``v``, the membrane."""

    def __init__(self, members: Members, reached: LimitCounts) -> None:
        self.members, self.reached, self.columns = members, reached, columns_of(members)
        self.any_resets, self.any_subtracts = bool(self.columns.reset_interval.any()), bool(self.columns.subtract.any())
        n = len(members.depth)
        self.u, self.v = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.states: dict[str, Ints] = {"v": self.v, "u": self.u}
        self.always = When(np.ones(n, bool), np.zeros(n, bool), np.ones(n, bool))
        self.waits = np.zeros(n, bool)

    def begin_time_step(self, t: int) -> None:
        """Reset what is due to be reset, then leak once."""
        if self.any_resets:
            reset = self.columns.resets_at(t)
            self.u[reset] = 0
            self.v[reset] = 0
        self.u[:] = leak(self.u, self.columns.decay_u)
        self.v[:] = leak(self.v, self.columns.decay_v)

    def receive(self, x: Ints, k: int | None) -> None:
        """Add a drive to current and membrane.

        ``u <- edge_u(u + x)``. What reaches v is u where it is due or not kept, nothing before that, x alone after it:
        a current arrives once a time step with all that came before, and so does the bias.
        ``v <- edge_v(v + that + bias)``.
        """
        arithmetic, reached, when = self.members.arithmetic, self.reached, self._when(k)
        if self.any_subtracts and k is not None:
            self.waits = self.columns.subtract & (self.members.depth > k)
        total = self.u + x
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
        """Charge that reaches a resting neuron is lost, unless its reset only subtracts."""
        self.v[resting & ~self.columns.subtract] = 0

    def fire(self, spikes: Bits) -> int:
        """Reset to 0 or by subtraction."""
        left = np.where(self.columns.subtract, self.v - self.columns.threshold, 0)[spikes] if self.any_subtracts else 0
        self.v[spikes] = left
        return 1
