"""What is recorded of a population under the layered schedule, and the tick at which it sees each time step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Int32s, Ints
from targets.lava.cut import Start
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
        n_steps: time steps a sample; row ``r`` is its time step ``r % n_steps``, less those that are sent once more.
        start: what the samples go on from; None = they begin.
        at: where the population lies.
        fired, m: (frames, N) spikes and membranes just before the reset.
        payload: (frames, N) what spikes carry; None where every spike of the network carries 1.
        states: (frames, N) registers at the end of the step, by the name of the state; those that are kept.
        limits: how often each edge acted, this population's own array.
    """

    rows: Ints
    n_steps: int
    start: Start | None
    at: slice
    fired: Bits
    m: Int32s
    states: Mapping[str, Int32s]
    limits: Ints
    payload: Int32s | None = None

    def step_of(self, row: int) -> tuple[int, int]:
        """Sample and time step of a row, counted from the first of the run: below 0 where spikes are sent once more."""
        sample, t = divmod(row, self.n_steps)
        return sample, t if self.start is None else t - self.start.past

    def time_of(self, row: int) -> int:
        """The time step of a row, counted from the sample's start."""
        return self.step_of(row)[1] + (0 if self.start is None else self.start.t0)

    def sent_again(self, row: int) -> Ints | None:
        """(n,) what the population sends once more in a row; None = a time step of the run."""
        return None if self.start is None else self.start.sent_in(*self.step_of(row))

    def begins(self, row: int) -> bool:
        """Whether a sample begins with this row."""
        return self.step_of(row)[1] == 0

    def states_before(self, row: int) -> dict[str, Ints] | None:
        """(N,) each, what the sample of a row goes on from; None = zero."""
        sample = self.step_of(row)[0]
        return None if self.start is None else {name: x[sample] for name, x in self.start.states.items()}

    def spikes(self, row: int, fired: Bits, m: Ints, carried: Ints | int = 1) -> None:
        """Record what fires, its membrane and what its spike carries."""
        self.fired[row, self.at] = fired
        self.m[row, self.at] = m
        if self.payload is not None:
            self.payload[row, self.at] = carried

    def after(self, row: int, states: Mapping[str, Ints], reached: Reached) -> None:
        """Record the registers at the end of the step, and how often an edge has acted so far."""
        for name, values in states.items():
            if name in self.states:
                self.states[name][row, self.at] = values
        write_reached(reached, self.limits)
