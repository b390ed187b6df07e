"""The largest sums that any input, or given frames, can bring together in one time step."""

from __future__ import annotations

import numpy as np

from ir.arrays import Array, magnitudes
from ir.connection import Connection, Conv2d, Dense, apply, with_weight
from ir.graph import layered_order, slices
from ir.quantized import FixedProjection, QuantizedNetwork

CHUNK = 1 << 22
"""Frames are multiplied in pieces of about so many values."""

MOST_SPIKES = float(1 << 40)
"""Stands for "no limit" on the spikes of a neuron in one time step."""


def worst_drive(connection: Connection, served: int | None = None) -> Array:
    """(2, n_post) the sum of the excitatory and of the inhibitory weights into each target, both positive.

    Args:
        served: only so many sources come together, the strongest ones; None = all.
    """
    weight = connection.weight.astype(np.int64)
    parts = np.maximum(weight, 0), np.maximum(-weight, 0)
    if isinstance(connection, Dense):
        return np.array([_strongest(p, served) for p in parts], np.float64)
    if isinstance(connection, Conv2d):
        side = connection.n_post // connection.weight.shape[0]
        rows = (p.reshape(p.shape[0], -1) for p in parts)
        return np.array([np.repeat(_strongest(p, served), side) for p in rows], np.float64)
    owners = np.repeat(np.arange(connection.n_post), np.diff(connection.indptr))
    if served is not None:
        parts = tuple(_without_weaker(p, owners, served) for p in parts)
    return np.array([np.bincount(owners, p, connection.n_post) for p in parts])


def _strongest(rows: Array, served: int | None) -> Array:
    """The sum of each row's ``served`` largest values."""
    if served is None or served >= rows.shape[1]:
        return rows.sum(1)
    return np.partition(rows, rows.shape[1] - served, axis=1)[:, -served:].sum(1)


def _without_weaker(values: Array, owners: Array, served: int) -> Array:
    """Values with all but each owner's ``served`` largest set to 0."""
    order = np.lexsort((-values, owners))
    first = np.searchsorted(owners, owners)
    kept = values.copy()
    kept[order[np.arange(values.size) - first >= served]] = 0
    return kept


def worst_sums(connection: Connection) -> Array:
    """(2,) the largest sum of excitatory and of inhibitory weights into one target, both positive."""
    return worst_drive(connection).max(1)


def drive_bounds(
    network: QuantizedNetwork, population: str, count: float, frames: Array | None = None, one_round: bool = False
) -> Array:
    """(2, n) how far up and how far down one time step can drive each neuron of a population, in weights.

    Every source that can spike is taken to spike, excitatory or inhibitory ones alone: no order of serving sums to
    more. Inputs count with ``frames`` where given, else each with ``count``.

    Args:
        frames: (T, B, N_in) all the input there will be.
        one_round: only what meets in one forward step: under the asynchronous schedule F served spikes at most, and
            none beside a frame that comes first.
    """
    schedule, inputs = network.schedule, slices(network.inputs)
    many = deliveries_at_most(network, count, frames)
    n = next(p.n for p in network.populations if p.name == population)
    queued = one_round and schedule.kind == "asynchronous"
    served = schedule.F if queued and schedule.scope == "network" else None
    came, sent = np.zeros((2, n)), np.zeros((2, n))
    for e in network.projections:
        if e.post == population:
            if e.pre not in inputs:
                sent += worst_drive(e.connection, served) * (many[e.pre] * 2.0**e.weight_exp)
            elif frames is None:
                came += worst_drive(e.connection) * (count * 2.0**e.weight_exp)
            else:
                came += _drive_of_frames(e, frames[:, :, inputs[e.pre]]) * 2.0**e.weight_exp
    return np.maximum(came, sent) if queued and schedule.input == "first" else came + sent


def _drive_of_frames(e: FixedProjection, frames: Array) -> Array:
    """(2, n_post) the most that a frame excites and that it inhibits each target; negative counts swap the two."""
    weight = e.connection.weight.astype(np.float64)
    up, down = (with_weight(e.connection, np.maximum(w, 0.0)) for w in (weight, -weight))
    flat = frames.reshape(-1, e.connection.n_pre)
    # a spike delayed from another time step meets those of this one: let every source give its most
    if np.unique(np.asarray(e.delay_steps)).size > 1:
        flat = np.stack([flat.max(0, initial=0), flat.min(0, initial=0)])
    size = max(e.connection.n_pre, e.connection.n_post, 0 if isinstance(e.connection, Dense) else weight.size)
    piece = max(1, CHUNK // size)
    most = np.zeros((2, e.connection.n_post))
    for start in range(0, flat.shape[0], piece):
        some = flat[start : start + piece].astype(np.float64)
        positive, negative = np.maximum(some, 0), np.maximum(-some, 0)
        for row, (with_, against) in enumerate(((up, down), (down, up))):
            drive = apply(with_, positive)
            if negative.any():
                drive = drive + apply(against, negative)
            most[row] = np.maximum(most[row], drive.max(0))
    return most


def _events(most: float, frames: Array | None, at: slice) -> float:
    """Events of the inputs ``at`` in one time step."""
    return most if frames is None else float(magnitudes(frames[:, :, at]).sum(2, dtype=np.float64).max(initial=0))


def deliveries_at_most(network: QuantizedNetwork, count: float, frames: Array | None = None) -> dict[str, float]:
    """How often the spikes of one neuron deliver its weights in one time step, for each population."""
    many = spikes_at_most(network, count, frames)
    return {p.name: many[p.name] * p.neuron.carries for p in network.populations}


def spikes_at_most(network: QuantizedNetwork, count: float, frames: Array | None = None) -> dict[str, float]:
    """Spikes of one neuron in one time step, for each population: 1, more only for asynchronous ones that may repeat.

    Those may fire ``stop_after`` times, but without cycles at most once more than their sources send events (a frame
    that comes first is one) and spikes: a neuron fires only in a forward step that brings it something.
    """
    schedule = network.schedule
    order = layered_order(network)
    where = slices(network.inputs)
    rounds = {
        i.name: 1.0 if schedule.input == "first" else _events(i.n * count, frames, where[i.name])
        for i in network.inputs
    }
    cyclic = any(order.recurrent)
    size = {p.name: p.n for p in network.populations}
    many: dict[str, float] = {}
    for name in order.order:
        neuron = next(p.neuron for p in network.populations if p.name == name)
        if schedule.kind == "layered" or neuron.refractory:
            many[name] = 1.0
            continue
        many[name] = float(schedule.stop_after or MOST_SPIKES)
        if not cyclic:
            sources = [e.pre for e in network.projections if e.post == name]
            served = sum(rounds[s] if s in rounds else size[s] * many[s] for s in dict.fromkeys(sources))
            many[name] = min(1.0 + served, many[name])
    return many
