"""One sample under the layered schedule: populations in topological order, each fires once a time step."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ir.arrays import Int32s, Ints
from sim_reference.layout import Layout, Link
from sim_reference.step import LimitCounts, Registers, When, begin_time_step, projected, receive, register_drive


class LayeredRecord(Protocol):
    """Where a sample's spikes and registers are written."""

    v: Ints
    u: Ints
    forward_steps: Ints

    def add(self, t: int, k: int, neurons: Ints, m: Ints, k_served: int) -> range: ...


def run_layered_sample(layout: Layout, frames: Int32s, record: LayeredRecord, reached: LimitCounts) -> None:
    """Run all time steps of one sample.

    Args:
        frames: (T, N_in) counts.
    """
    n_steps, n = len(frames), layout.n_neurons
    spikes = np.zeros((n_steps, n), np.int64)
    state = Registers(np.zeros(n, np.int64), np.zeros(n, np.int64))
    for t in range(n_steps):
        begin_time_step(layout, state, t)
        for name in layout.order.order:
            part = layout.blocks[name]
            x = _drive(layout, part, frames, spikes, t, reached)
            receive(layout, state, x, When.always(part.stop - part.start), reached, part)
            fires = part.start + np.flatnonzero(state.v[part] > layout.threshold[part])
            k = layout.order.place[name]
            record.add(t, k, fires, state.v[fires], k)
            spikes[t, fires] = 1
            state.v[fires] = np.where(layout.subtract[fires], state.v[fires] - layout.threshold[fires], 0)
        record.forward_steps[t] = layout.order.n_places
        record.v[t] = state.v
        record.u[t] = state.u


def _drive(layout: Layout, part: slice, frames: Int32s, spikes: Ints, t: int, reached: LimitCounts) -> Ints:
    """What arrives at one population in time step t, in register units."""
    a = np.zeros(part.stop - part.start, np.int64)
    for link in layout.links:
        if link.post == part:
            q = arriving(link, frames if link.from_input else spikes, t)
            if q.any():
                a += projected(link, q, reached)
    return register_drive(a, layout.arithmetic, reached)


def arriving(link: Link, sent: Ints | Int32s, t: int) -> Ints:
    """(n_pre,) what the sources sent ``delay_steps`` ago, one more on a recurrent edge."""
    sent_at = t - link.delay_steps.astype(np.int64) - int(link.recurrent)
    q = sent[np.maximum(sent_at, 0), np.arange(link.pre.start, link.pre.stop)].astype(np.int64)
    return np.where(sent_at >= 0, q, 0)
