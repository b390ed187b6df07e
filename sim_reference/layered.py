"""One sample under the layered schedule: populations in topological order, each fires once a time step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from ir.arrays import Int32s, Ints
from sim_reference.drive import projected, register_drive
from sim_reference.layout import Layout, Link
from sim_reference.neurons import Dynamics
from sim_reference.registers import LimitCounts


class LayeredRecord(Protocol):
    """Where a sample's spikes and states are written."""

    forward_steps: Ints
    sent: Ints

    def add(self, t: int, k: int, neurons: Ints, m: Ints, k_served: int, carried: Ints) -> range: ...
    def keep(self, t: int, group: Dynamics) -> None: ...


def run_layered_sample(
    layout: Layout,
    groups: Mapping[str, Dynamics],
    frames: Int32s,
    before: Ints,
    t0: int,
    record: LayeredRecord,
    reached: LimitCounts,
) -> None:
    """Run all time steps of one sample.

    Args:
        groups: one of each population, by its name.
        frames: (H + T, N_in) counts, with those of the H time steps before.
        before: (H, N) what neurons sent in these.
        t0: the first time step, counted from the sample's start.
    """
    past = len(before)
    sent = np.concatenate([before, record.sent])
    for t in range(len(record.sent)):
        for group in groups.values():
            group.begin_time_step(t0 + t)
        for name in layout.order.order:
            part, group, k = layout.blocks[name], groups[name], layout.order.place[name]
            shift = layout.shifts[name]
            group.receive(_drive(layout, part, shift, frames, sent, past + t, reached), None)
            spikes = group.fires()
            m = group.states["v"][spikes]
            carried = np.where(spikes, group.fire(spikes), 0)
            record.add(t, k, part.start + np.flatnonzero(spikes), m, k, carried[spikes])
            sent[past + t, part] = carried
            record.keep(t, group)
        record.forward_steps[t] = layout.order.n_places
    record.sent[:] = sent[past:]


def _drive(layout: Layout, part: slice, shift: int, frames: Int32s, sent: Ints, t: int, reached: LimitCounts) -> Ints:
    """What arrives at one population in time step t of those that are known, in register units."""
    a = np.zeros(part.stop - part.start, np.int64)
    for link in layout.links:
        if link.post == part:
            q = arriving(link, frames if link.from_input else sent, t)
            if q.any():
                a += projected(link, q, reached)
    return register_drive(a, layout.arithmetic, reached, shift)


def arriving(link: Link, sent: Ints | Int32s, t: int) -> Ints:
    """(n_pre,) what the sources sent ``delay_steps`` ago, one more on a recurrent edge."""
    sent_at = t - link.delay_steps.astype(np.int64) - int(link.recurrent)
    q = sent[np.maximum(sent_at, 0), np.arange(link.pre.start, link.pre.stop)].astype(np.int64)
    return np.where(sent_at >= 0, q, 0)
