"""What a probe on Lava's LIF records, and the tick at which each population sees each time step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.arrays import Bits, Ints
from ir.neurons import FixedLIF
from targets.lava.registers import ACCUMULATOR, INT32, U, V, leak, wrap_two_sided

IDLE = -1
"""Row of a tick in which a process has no time step to work on."""


@dataclass(frozen=True)
class Pipeline:
    """When what happens: a population at place p works on a frame p + 1 ticks after the source sent it.

    Attributes:
        n_samples, n_steps: of the stimulus.
        gap: silent ticks between two samples, as long as the longest look back.
        depth: number of places.
    """

    n_samples: int
    n_steps: int
    gap: int
    depth: int

    @property
    def n_ticks(self) -> int:
        return self.n_samples * (self.n_steps + self.gap) - self.gap + self.depth

    def rows(self, late: int) -> Ints:
        """(ticks,) number of the frame (sample by sample) at hand ``late`` ticks after the source; -1 = none."""
        slot = np.arange(self.n_ticks) - late
        sample, t = np.divmod(slot, self.n_steps + self.gap)
        busy = (slot >= 0) & (sample < self.n_samples) & (t < self.n_steps)
        return np.where(busy, sample * self.n_steps + t, IDLE)

    def clears(self, rows: Ints, lif: FixedLIF) -> Bits:
        """(ticks,) whether u and v are set to 0 before the step: at a sample's start and at its own resets."""
        t = rows % self.n_steps
        due = t == 0
        if lif.reset_interval > 0:
            due = due | ((t + 1) % lif.reset_interval == lif.reset_offset % lif.reset_interval)
        return (rows >= 0) & due


@dataclass(eq=False)
class Probe:
    """Records of one population; all arrays shared, one row a frame.

    Attributes:
        rows, clears: (ticks,) from ``Pipeline``.
        keep_u: what the current's leak leaves, of 4096; () or (n,).
        arithmetic: the profile whose limits are counted.
        v_min: lower edge of v where the model asks for one.
        subtract: reset by subtraction.
        fired, m: (frames, n) spikes and membranes just before the reset.
        v, u: (frames, n) registers at the end of the step; u may be None.
        limits: (4,) counts in the order of ``registers.LIMITS``.
    """

    rows: Ints
    clears: Bits
    keep_u: Ints
    keep_v: Ints
    arithmetic: Arithmetic
    v_min: int | None
    subtract: bool
    fired: NDArray[Any]
    m: NDArray[Any]
    v: NDArray[Any]
    u: NDArray[Any] | None
    limits: Ints

    def before_reset(self, row: int, fired: Bits, v: Ints) -> None:
        """Record what fires and its membrane."""
        self.fired[row] = fired
        self.m[row] = v

    def after(self, row: int, u: Ints, v: Ints) -> None:
        """Record the registers at the end of the step."""
        self.v[row] = v
        if self.u is not None:
            self.u[row] = u

    def count_limits(self, u: Ints, v: Ints, a: Ints, u_after: Ints, bias: Ints) -> None:
        """Count the edges that acted in a step, or would have acted in the network's own profile.

        Args:
            u, v: (n,) registers before the step.
            a: (n,) what the connections delivered.
            u_after: (n,) the current after Lava's wrap.
            bias: register bias.
        """
        x = wrap_two_sided(a << self.arithmetic.weight_shift, 31, self.limits, INT32)
        edge = 1 << self.arithmetic.u_bits
        raw = wrap_two_sided(leak(u, self.keep_u) + x, 31, self.limits, INT32)
        outside = (raw > edge) | (raw <= -edge)
        if self.arithmetic.u_wrap == "two_sided":
            total = u_after + bias if self.arithmetic.bias_in_u else raw
            outside |= (raw >= edge) | (total >= edge) | (total < -edge)
        if self.arithmetic.accumulator_bits is not None:
            reach = 1 << self.arithmetic.accumulator_bits
            self.limits[ACCUMULATOR] += np.count_nonzero((x < -reach) | (x >= reach))
        low = -self.arithmetic.v_max if self.v_min is None else max(self.v_min, -self.arithmetic.v_max)
        total = wrap_two_sided(leak(v, self.keep_v) + u_after + bias, 31, self.limits, INT32)
        self.limits[U] += np.count_nonzero(outside)
        self.limits[V] += np.count_nonzero((total > self.arithmetic.v_max) | (total < low))


def probe_for(lif: FixedLIF, pipeline: Pipeline, place: int, arithmetic: Arithmetic, records: Any) -> Probe:
    """A probe on a population at ``place``; ``records`` are the shared (fired, m, v, u, limits)."""
    rows = pipeline.rows(place + 1)
    keep_u, keep_v = (DECAY_ALL - np.asarray(decay, np.int64) for decay in (lif.decay_u, lif.decay_v))
    subtract = lif.reset == "subtract"
    clears = pipeline.clears(rows, lif)
    return Probe(rows, clears, keep_u, keep_v, arithmetic, lif.v_min, subtract, *records)
