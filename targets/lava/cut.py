"""Runs that are cut in time: what Lava's processes begin with, and what a run leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Ints
from ir.quantized import QuantizedNetwork
from ir.state import State, fingerprint, initial_state, latest, look_back
from ir.stimulus import Stimulus
from ir.trace import Trace


@dataclass(frozen=True, eq=False)
class Start:
    """Where a population's samples go on from, under the layered schedule.

    The spikes that are still on their way are sent once more, in as many time steps before the run's own; in those
    nothing else moves, and nothing is recorded.

    Attributes:
        t0: the run's first time step.
        past: time steps that are sent once more.
        states: (B, N) each, by name, of the whole network.
        sent: (past, B, n) 0 and 1.
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

    def sent_in(self, sample: int, t: int) -> Bits | None:
        """(n,) what is sent once more in time step ``t``, counted from the run's first; None = a step of the run."""
        return self.sent[self.past + t, sample] != 0 if t < 0 else None


def ended(network: QuantizedNetwork, stimulus: Stimulus, trace: Trace, before: State | None) -> State:
    """Where a run ended, from a trace of every state; a spike of Lava's delivers its weights once."""
    assert trace.spikes is not None
    start = initial_state(network, trace.sample_ids) if before is None else before
    n_steps, most = stimulus.n_steps, look_back(network)
    if n_steps == 0:
        return start
    t = start.t + n_steps
    spikes = trace.spikes
    rows = np.argsort(trace.sample_ids)[np.searchsorted(np.sort(trace.sample_ids), spikes.sample)]
    kept = min(most, n_steps)
    sent = np.zeros((kept, *trace.counts.shape), np.int64)
    late = spikes.t >= n_steps - kept
    np.add.at(sent, (spikes.t[late] - (n_steps - kept), rows[late], spikes.neuron[late]), 1)
    states = {name: x[-1] for name, x in trace.states.items()}
    inputs = latest(start.inputs, stimulus.frames, most)
    return State(
        fingerprint(network), t, trace.sample_ids, states, sent[-1] > 0, latest(start.sent, sent, most), inputs
    )
