"""Runs that are cut in time: what Lava's processes begin with, and what a run leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Ints
from ir.state import State


@dataclass(frozen=True, eq=False)
class Start:
    """Where a population's samples go on from, under the layered schedule.

    The spikes that are still on their way are sent once more, in as many time steps before the run's own; in those
    nothing else moves, and nothing is recorded.

    Attributes:
        t0: the run's first time step.
        past: time steps that are sent once more.
        states: (B, N) each, by name, of the whole network.
        sent: (past, B, n) what was sent: how often the weights were delivered.
    """

    t0: int
    past: int
    states: dict[str, Ints]
    sent: Ints

    @staticmethod
    def of(state: State, at: slice) -> Start:
        """That of the population that lies at ``at``."""
        states = {name: x.astype(np.int64) for name, x in state.states.items()}
        return Start(state.t, len(state.sent), states, state.sent[:, :, at].astype(np.int64))

    def sent_in(self, sample: int, t: int) -> Ints | None:
        """(n,) what is sent once more in time step ``t``, counted from the run's first; None = a step of the run."""
        return self.sent[self.past + t, sample] if t < 0 else None
