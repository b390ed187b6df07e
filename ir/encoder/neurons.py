"""LIF neurons of an encoder: one layered time step in float32, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.neurons import LIF, RESETS


def _single(value: Any, missing: float) -> Array:
    return np.asarray(missing if value is None else value, np.float32)


@dataclass(eq=False)
class HostLIF:
    """A population's neurons for some samples.

    Attributes:
        v, u: (B, n) membranes and currents. late: (B, n) who resets at the start of the next time step.
        n_steps: time steps done.
    """

    lif: LIF
    dt_s: float
    v: Array
    u: Array
    late: Array
    n_steps: int = 0

    @classmethod
    def fresh(cls, lif: LIF, dt_s: float, n_samples: int, n: int) -> HostLIF:
        """All registers 0."""
        shape = n_samples, n
        return cls(lif, dt_s, np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.bool_))

    def step(self, drive: Array) -> Array:
        """Leak, integrate, fire, reset; how often each neuron fired, (B, n) float32."""
        lif, threshold, reset = self.lif, _single(self.lif.v_threshold, np.inf), RESETS[self.lif.reset]
        with np.errstate(over="ignore", invalid="ignore"):
            v = self.v * _single(lif.leak_v(self.dt_s), 0)
            if self.late.any():
                v = np.where(self.late, self._held(v - threshold) if reset.subtracts else np.float32(0), v)
            u = drive + _single(lif.bias_u, 0)
            if lif.tau_syn_s is not None:
                u = self.u * _single(lif.leak_u(self.dt_s), 0) + u
            v = self._held(v + u + _single(lif.bias, 0))
            s = (v > threshold).astype(np.float32)
            if lif.multi_spike:
                s = np.maximum(np.floor(v / threshold), np.float32(0))
            fired = s > 0
            at_once = np.zeros_like(v) if not reset.subtracts or not lif.fires else v - threshold * s
        self.u, self.late = u, fired & reset.late
        self.v = v if reset.stays else np.where(fired, at_once, v)
        return s

    def _held(self, v: Array) -> Array:
        return v if self.lif.v_min is None else np.maximum(v, np.float32(self.lif.v_min))
