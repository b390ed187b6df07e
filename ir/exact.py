"""Which runs every executor computes exactly: no sum of a projection leaves +-2^53, whatever is served together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.connection import Connection, Conv2d, Dense, apply, with_weight
from ir.graph import slices
from ir.quantized import FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.worst_case import deliveries_at_most

EXACT_BITS = 53
"""float64 holds every integer up to 2^53, and int64 has room to spare."""

NEAR = 2.0**-20
"""Sums of float64 are right to far more than this share."""

_ROUGH: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

CHUNK = 1 << 20
"""Frames are multiplied in pieces of about so many values."""


def check_exact(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> None:
    """Raise where the sum of one projection, or its left shift, could leave +-2^53.

    A projection's sum is bounded by all that excites, and by all that inhibits, of what one time step holds: the whole
    frame as it arrives (whatever the input rule), and every source neuron as often as it can spike in a time step
    and with all that its spikes carry (``deliveries_at_most``). No order of serving, and no order of additions, comes
    to more.

    Raises:
        ValueError: the projection, and how far its sum could come.
    """
    most = _deliveries(network, stimulus, schedule)
    for e in network.projections:
        limit = (1 << EXACT_BITS) >> max(e.weight_exp, 0)
        if most[e.pre] * _rough(e.connection) <= limit:
            continue
        reached = _reach(network, e, stimulus, most[e.pre], limit)
        bits = math.log2(max(reached, 1)) + max(e.weight_exp, 0)
        require(
            reached <= limit,
            f"projection {e.pre} -> {e.post}: its sum could come to 2^{bits:.1f} on this stimulus, and not every "
            f"executor is exact beyond 2^{EXACT_BITS}; use smaller weights, counts or weight_exp",
        )


def _deliveries(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> dict[str, int]:
    """How often one source of each block delivers its weights in a time step at most."""
    most = {name: _largest(stimulus.frames[:, :, at]) for name, at in slices(network.inputs).items()}
    if schedule.kind == "layered" or all(p.neuron.refractory for p in network.populations):
        return {**most, **{p.name: p.neuron.carries for p in network.populations}}
    many = deliveries_at_most(replace(network, schedule=schedule), max(most.values()), stimulus.frames)
    return {**most, **{name: int(n) for name, n in many.items()}}


def _largest(values: Array) -> int:
    """The largest size of a value; one pass where none is negative."""
    unsigned = int(values.view(f"u{values.dtype.itemsize}").max(initial=0))
    if unsigned >> (8 * values.dtype.itemsize - 1) == 0:
        return unsigned
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def _rough(connection: Connection) -> int:
    """At least the largest sum of sizes of weights into one target; one look at each weight, in the first run."""
    known = _ROUGH.get(connection)
    if known is not None:
        return known
    w = connection.weight
    if isinstance(connection, Dense):
        most = connection.n_pre
    elif isinstance(connection, Conv2d):
        most = math.prod(w.shape[1:])
    else:
        most = int(np.diff(connection.indptr).max(initial=0))
    return _ROUGH.setdefault(connection, _largest(w) * most)


def _reach(network: QuantizedNetwork, e: FixedProjection, stimulus: Stimulus, most: int, limit: int) -> int:
    """The most that all excitatory, or all inhibitory, charge of one time step sums to at one target."""
    inputs, n_pre = slices(network.inputs), e.connection.n_pre
    if e.pre not in inputs:
        return _of_counts(e.connection, np.full((1, n_pre), most), limit)
    pieces = _arriving(e, stimulus.frames[:, :, inputs[e.pre]])
    return max((_of_counts(e.connection, counts, limit) for counts in pieces), default=0)


def _arriving(e: FixedProjection, frames: Array) -> Iterator[Array]:
    """(n, N_pre) the counts that meet at the targets, a piece of all time steps and samples at a time."""
    c, held = e.connection, frames
    delays = np.broadcast_to(np.asarray(e.delay_steps), (c.n_pre,))
    if delays.any():
        held = np.zeros_like(frames)
        for d in np.unique(delays):
            held[d:, :, delays == d] = frames[: max(len(frames) - d, 0), :, delays == d]
    flat = held.reshape(-1, c.n_pre)
    piece = max(1, CHUNK // max(c.n_pre, c.n_post, 0 if isinstance(c, Dense) else c.weight.size))
    for start in range(0, len(flat), piece):
        yield flat[start : start + piece].astype(np.int64)


def _of_counts(connection: Connection, counts: Array, limit: int) -> int:
    """The same for counts (n, n_pre) of any sign: in float64, and where that is too near ``limit`` exactly."""
    found = float(_both_signs(connection, counts, np.float64).max(initial=0))
    near = abs(found - limit) <= limit * NEAR
    return int(_both_signs(connection, counts, np.int64).max(initial=0)) if near else int(found)


def _both_signs(connection: Connection, counts: Array, dtype: Any) -> Array:
    """(2, n, n_post) what excites and what inhibits."""
    weight = connection.weight.astype(np.int64)
    up, down = (with_weight(connection, np.maximum(w, 0).astype(dtype)) for w in (weight, -weight))
    more, less = np.maximum(counts, 0).astype(dtype), np.maximum(-counts, 0).astype(dtype)
    return np.stack([apply(up, more) + apply(down, less), apply(down, more) + apply(up, less)])
