"""What reached its targets in a run: spikes that were served, and ticks in which each neuron gets charge: only there
does a chip update it in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from ir.arrays import Array, Bits, Floats, Ints
from ir.connection import Connection, Conv2d, Dense, synapses
from ir.graph import layered_order, slices
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from mapper.view.cells import one_channel

Sources = Any
"""A sparse matrix, (ticks, sources) which sources reach their targets in each tick."""

TICKS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Delivered:
    """What reached its targets, all samples together.

    Attributes:
        charged: (N,) ticks in which each neuron gets charge; None where the trace does not say.
        served: (N,) spikes of each neuron that left for their targets; None where the trace does not say.
    """

    charged: Ints | None
    served: Ints | None

    def __add__(self, other: Delivered) -> Delivered:
        def both(a: Ints | None, b: Ints | None) -> Ints | None:
            return None if a is None or b is None else a + b

        return Delivered(both(self.charged, other.charged), both(self.served, other.served))


UNKNOWN = Delivered(None, None)


def delivered(network: QuantizedNetwork, trace: Trace, stimulus: Stimulus) -> Delivered:
    """What a run delivered."""
    return Delivered(charged(network, trace, stimulus), served(trace))


def served(trace: Trace) -> Ints | None:
    """(N,) spikes that left for their targets: all of them, but those that a forced stop left in the queue.

    Returns:
        None where the trace does not say: it only counted, under a forced stop.
    """
    at = trace.schedule
    if at.kind == "layered" or (at.stop_after is None and at.stop_after_output is None):
        return trace.counts.sum(0, dtype=np.int64)
    if trace.spikes is None:
        return None
    left = trace.spikes.neuron[trace.spikes.k_served >= 0]
    return np.bincount(left, minlength=trace.n_neurons).astype(np.int64)


def charged(network: QuantizedNetwork, trace: Trace, stimulus: Stimulus) -> Ints | None:
    """(N,) ticks in which each neuron gets charge, all samples together.

    A tick is a time step of the layered schedule and a forward step of the asynchronous one, where what is served in a
    round reaches its targets in the next; layered, an edge that looks back delivers the spikes of the time step before.
    A bias is a tick of its own in every time step; delays are left out.

    Returns:
        None where the trace does not say: it only counted, or its input was served one event at a time.
    """
    schedule = trace.schedule
    if trace.spikes is None or (schedule.kind == "asynchronous" and schedule.input != "first"):
        return None
    ticks, sources, n_ticks = _arrivals(network, trace, stimulus)
    n, found = network.n_neurons, np.zeros(network.n_neurons, np.int64)
    late = n + network.n_inputs
    order = np.argsort(ticks, kind="stable")
    ticks, sources = ticks[order], sources[order]
    at, inputs = slices(network.populations), slices(network.inputs)
    back = layered_order(network).recurrent if trace.schedule.kind == "layered" else [False] * len(network.projections)
    begins = [
        n + inputs[e.pre].start if e.pre in inputs else at[e.pre].start + (late if looks_back else 0)
        for e, looks_back in zip(network.projections, back)
    ]
    for first in range(0, n_ticks, TICKS_AT_ONCE):
        size = min(TICKS_AT_ONCE, n_ticks - first)
        part = slice(*np.searchsorted(ticks, (first, first + size)))
        served = scipy.sparse.csr_matrix(
            (np.ones(part.stop - part.start, np.int8), (ticks[part] - first, sources[part])),
            shape=(size, late + n),
        )
        for p in network.populations:
            into = [(e.connection, low) for e, low in zip(network.projections, begins) if e.post == p.name]
            found[at[p.name]] += _reached(served, into, p.n)
    for p in network.populations:
        found[at[p.name]] += np.broadcast_to(p.neuron.biased(), (p.n,)) * trace.forward_steps.size
    return found


def _arrivals(network: QuantizedNetwork, trace: Trace, stimulus: Stimulus) -> tuple[Ints, Ints, int]:
    """(m,) tick and source of everything that reaches its targets, and how many ticks there are.

    Sources are neurons, then inputs, then, layered, neurons again, a tick later: what edges that look back deliver.
    """
    s, n = trace.spikes, network.n_neurons
    assert s is not None
    steps = np.ones_like(trace.forward_steps) if trace.schedule.kind == "layered" else trace.forward_steps
    begin = np.concatenate([[0], np.cumsum(steps.T.reshape(-1), dtype=np.int64)])  # sample by sample
    n_steps, n_samples = steps.shape
    t, b, i = np.nonzero(stimulus.frames)
    tick_of_frame = begin[b * n_steps + t]
    order = np.argsort(trace.sample_ids, kind="stable")
    position = order[np.searchsorted(trace.sample_ids, s.sample, sorter=order)]
    at, within = begin[position * n_steps + s.t], np.zeros(len(s), np.int64)
    lasts = steps[s.t, position]
    kept = np.ones(len(s), bool)
    if trace.schedule.kind == "asynchronous":
        within, kept = s.k_served + 1, (s.k_served >= 0) & (s.k_served + 1 < lasts)
    ticks, sources = [tick_of_frame, (at + within)[kept]], [n + i, s.neuron[kept]]
    if trace.schedule.kind == "layered":
        goes_on = s.t + 1 < n_steps
        ticks.append(at[goes_on] + 1)
        sources.append(n + network.n_inputs + s.neuron[goes_on])
    whole = int(begin[n_steps * n_samples])
    return np.concatenate(ticks).astype(np.int64), np.concatenate(sources).astype(np.int64), whole


def _reached(served: Sources, into: list[tuple[Connection, int]], n: int) -> Array:
    """(n,) ticks in which any source has a synapse into each neuron of a population."""
    whole: Bits = np.zeros(served.shape[0], bool)
    part: Any = scipy.sparse.csr_matrix((served.shape[0], n), dtype=np.int32)
    for c, low in into:
        mine = served[:, low : low + c.n_pre]
        if isinstance(c, Dense):
            whole |= np.diff(mine.indptr) > 0
        elif isinstance(c, Conv2d):
            part = part + _through_window(mine, c)
        else:
            pre, post, _ = synapses(c)
            ones = np.ones(len(pre), np.int32)
            part = part + mine.astype(np.int32) @ scipy.sparse.csr_matrix((ones, (pre, post)), shape=(c.n_pre, n))
    sparse: Floats = (part[np.flatnonzero(~whole)] > 0).sum(0)
    return np.asarray(sparse, np.int64).reshape(-1) + int(whole.sum())


def _through_window(served: Sources, c: Conv2d) -> Sources:
    """What a convolution's sources reach: all channels of a group alike at one position."""
    per_group, size = c.in_shape[0] // c.groups, c.in_shape[1] * c.in_shape[2]
    index = np.arange(c.n_pre)
    together = index // (per_group * size) * size + index % size
    ones = np.ones(c.n_pre, np.int32)
    merged = served.astype(np.int32) @ scipy.sparse.csr_matrix(
        (ones, (index, together)), shape=(c.n_pre, c.groups * size)
    )
    window = one_channel(c)
    pre, post, _ = synapses(window)
    once = scipy.sparse.csr_matrix((np.ones(len(pre), np.int32), (pre, post)), shape=(window.n_pre, window.n_post))
    per_out = c.out_shape[0] // c.groups
    found, size_out = merged @ once, window.n_post // c.groups
    parts = [found[:, g * size_out : (g + 1) * size_out] for g in range(c.groups) for _ in range(per_out)]
    return scipy.sparse.hstack(parts, format="csr")
