"""When a decision stands: the forward step after which the leading class of a sample no longer changes."""

from __future__ import annotations

import numpy as np

from ir.arrays import Ints
from ir.trace import Trace
from sim_reference.compare.same_runs import recorded_spikes
from sim_reference.compare.statistics import batch_positions


def settled(trace: Trace) -> Ints:
    """(B,) forward steps from the start of the sample until its decision stands; -1 = it never decides.

    The leader after a forward step has most output spikes so far, ties to the smallest index; the decision stands from
    the forward step on after which the leader is the sample's decision by spikes, that one included.
    """
    s, out = recorded_spikes(trace), trace.population_slice(trace.output)
    before = np.cumsum(trace.forward_steps, 0, dtype=np.int64) - trace.forward_steps
    mine = np.flatnonzero((s.neuron >= out.start) & (s.neuron < out.stop))
    position = batch_positions(trace)[mine]
    clock, neuron = before[s.t[mine], position] + s.k[mine] + 1, s.neuron[mine] - out.start
    found = np.full(len(trace.sample_ids), -1, np.int64)
    for b in np.unique(position):
        own = position == b
        order = np.argsort(clock[own], kind="stable")
        found[b] = _stands_from(clock[own][order], neuron[own][order], out.stop - out.start)
    return found


def _stands_from(clock: Ints, neuron: Ints, n: int) -> int:
    """The forward step from which the leader of spikes, in order of time, stays the same."""
    counts = np.cumsum(np.eye(n, dtype=np.int64)[neuron], 0)
    last = np.append(clock[1:] != clock[:-1], True)  # spikes of one forward step count together
    leader, when = np.argmax(counts[last], 1), clock[last]
    other = np.flatnonzero(leader != leader[-1])
    return int(when[other[-1] + 1] if len(other) else when[0])
