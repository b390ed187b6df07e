"""What reaches a population's membranes in each time step of a run, source by source, leaks applied."""

from __future__ import annotations

import numpy as np

from ir.arrays import Array
from ir.connection import Conv2d
from ir.graph import layered_order, slices
from ir.network import Network, Projection
from ir.trace import Trace

MOST_ROWS = 1 << 15
MOST_VALUES = 1 << 25
"""Of a table of features; rows are then taken at even distances."""


def source_counts(network: Network, e: Projection, frames: Array, trace: Trace) -> Array:
    """(T, B, n_pre) float32 spikes of a projection's sources, in the time step in which they arrive."""
    inputs = slices(network.inputs)
    found = np.asarray(frames[:, :, inputs[e.pre]], np.float32) if e.pre in inputs else _spikes_of(trace, e.pre)
    looks_back = layered_order(network).recurrent[_index(network, e)] and network.schedule.kind == "layered"
    late = np.broadcast_to(np.asarray(e.delay_steps) + int(looks_back), (found.shape[2],))
    if not late.any():
        return found
    shifted = np.zeros_like(found)
    for steps in np.unique(late):
        at = late == steps
        shifted[steps:, :, at] = found[: max(len(found) - steps, 0), :, at]
    return shifted


def _index(network: Network, e: Projection) -> int:
    return next(i for i, other in enumerate(network.projections) if other is e)


def _spikes_of(trace: Trace, name: str) -> Array:
    s, at = trace.spikes, trace.population_slice(name)
    assert s is not None
    here = (s.neuron >= at.start) & (s.neuron < at.stop)
    order = np.argsort(trace.sample_ids)
    sample = order[np.searchsorted(trace.sample_ids[order], s.sample[here])]
    found = np.zeros((trace.forward_steps.shape[0], len(order), at.stop - at.start), np.float32)
    np.add.at(found, (s.t[here], sample, s.neuron[here] - at.start), 1)
    return found


def leaked(counts: Array, decays: list[Array]) -> Array:
    """(T, B, n) what spikes leave on a membrane that nothing resets, through the current where there is one.

    Args:
        decays: of the membrane, then of the current; one a neuron counts with its mean.
    """
    kept = [1 - float(np.mean(d)) for d in decays]
    if not any(kept):
        return counts
    v, u, found = np.zeros_like(counts[0]), np.zeros_like(counts[0]), np.empty_like(counts)
    for t, came in enumerate(counts):
        u = came if len(kept) < 2 else kept[1] * u + came
        v = kept[0] * v + u
        found[t] = v
    return found


def rows_of_dense(counts: Array) -> Array:
    """(rows, n_pre) float32; the sources of all projections side by side."""
    flat = counts.reshape(-1, counts.shape[2])
    return flat[:: _stride(len(flat), flat.shape[1])]


def rows_of_kernel(counts: Array, c: Conv2d, group: int) -> Array:
    """(rows, C_in / groups * kh * kw) what lies under the kernels of a group of channels, at even distances."""
    (_, ho, wo), (per_group, kh, kw) = c.out_shape, c.weight.shape[1:]
    frames = counts.reshape(-1, *c.in_shape)[:, group * per_group : (group + 1) * per_group]
    stride = _stride(len(frames) * ho * wo, per_group * kh * kw)
    index = np.arange(0, len(frames) * ho * wo, stride)
    frame, place = np.divmod(index, ho * wo)
    y, x = np.divmod(place, wo)
    padded = np.pad(frames, ((0, 0), (0, 0), (c.padding[0],) * 2, (c.padding[1],) * 2))
    found = np.empty((len(index), per_group, kh, kw), np.float32)
    for a in range(kh):
        for b in range(kw):
            row, column = y * c.stride[0] + a * c.dilation[0], x * c.stride[1] + b * c.dilation[1]
            found[:, :, a, b] = padded[frame, :, row, column]
    return found.reshape(len(index), -1)


def _stride(n_rows: int, n_columns: int) -> int:
    return -(-n_rows // max(1, min(MOST_ROWS, MOST_VALUES // max(1, n_columns))))
