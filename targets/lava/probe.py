"""What is recorded of a population under the layered schedule, and the tick at which it sees each time step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Int32s, Ints
from targets.lava.registers import Reached, write_reached

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

    @property
    def n_frames(self) -> int:
        return self.n_samples * self.n_steps

    def rows(self, late: int) -> Ints:
        """(ticks,) number of the frame (sample by sample) at hand ``late`` ticks after the source; -1 = none."""
        slot = np.arange(self.n_ticks) - late
        sample, t = np.divmod(slot, self.n_steps + self.gap)
        busy = (slot >= 0) & (sample < self.n_samples) & (t < self.n_steps)
        return np.where(busy, sample * self.n_steps + t, IDLE)


@dataclass(eq=False)
class Probe:
    """Records of one population, its part of arrays that all share, one row a frame.

    Attributes:
        rows: (ticks,) from ``Pipeline``.
        n_steps: time steps a sample; row ``r`` is its time step ``r % n_steps``.
        at: where the population lies.
        fired, m: (frames, N) spikes and membranes just before the reset.
        states: (frames, N) registers at the end of the step, by the name of the state; those that are kept.
        limits: how often each edge acted, this population's own array.
    """

    rows: Ints
    n_steps: int
    at: slice
    fired: Bits
    m: Int32s
    states: Mapping[str, Int32s]
    limits: Ints

    def spikes(self, row: int, fired: Bits, m: Ints) -> None:
        """Record what fires and its membrane."""
        self.fired[row, self.at] = fired
        self.m[row, self.at] = m

    def after(self, row: int, states: Mapping[str, Ints], reached: Reached) -> None:
        """Record the registers at the end of the step, and how often an edge has acted so far."""
        for name, values in states.items():
            if name in self.states:
                self.states[name][row, self.at] = values
        write_reached(reached, self.limits)
