"""What could be other in one population, read off the misfits of a replay; a guess is believed once it was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import Ints
from ir.connection import synapses, with_weight
from ir.graph import slices
from ir.neurons import FixedLIF
from ir.neurons.reset import RESETS, ResetName
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.misfits import END, Misfit
from sim_reference.registers import leak
from unlayered.causes.setup import Setup, population, with_population, with_projections

MOST_ROWS, MOST_WEIGHTS, MOST_NEURONS = 400, 10, 4
"""Misfits from which single weights are worked out; weights, and neurons with a threshold of their own, to try."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a replay found at one population.

    Attributes:
        at: where it lies in the global index. misfits: its own.
    """

    name: str
    at: slice
    misfits: Sequence[Misfit]
    stimulus: Stimulus
    trace: Trace


def guesses(setup: Setup, seen: Evidence) -> Iterator[Setup]:
    """Set-ups with one thing changed at the population, simplest first."""
    neuron = population(setup, seen.name).neuron
    if isinstance(neuron, FixedLIF):
        for changed in (
            *_thresholds(setup, neuron, seen),
            *_decays(neuron, seen),
            *_resets(neuron),
            *_biases(neuron, seen),
        ):
            yield with_population(setup, seen.name, neuron=changed)
    yield from _delays(setup, seen)
    yield from _dropped(setup, seen)
    yield from _weights(setup, seen)


def _thresholds(setup: Setup, neuron: FixedLIF, seen: Evidence) -> Iterator[FixedLIF]:
    """Thresholds that let those fire who fired, and keep silent who did not; one for all first, then a neuron's own."""
    network = setup.network
    assert isinstance(network, QuantizedNetwork)
    if neuron.v_threshold is None:
        return
    unit = 1 << ARITHMETICS[network.arithmetic].weight_shift
    least: dict[int, int] = {}
    most: dict[int, int] = {}
    for x in seen.misfits:
        v, i = x.expected, x.neuron - seen.at.start
        if x.fires and not x.fired:
            least[i] = max(least.get(i, 0), -(-v // unit))
        elif x.fired and not x.fires and x.found == v:
            most[i] = min(most.get(i, 1 << 62), -(-v // unit) - 1)
    now = np.broadcast_to(np.asarray(neuron.v_threshold), (seen.at.stop - seen.at.start,))
    steps = [value - int(now[i]) for bound in (most, least) for i, value in bound.items()]
    for step in dict.fromkeys(sorted(steps, key=abs)[:1] + sorted(steps, key=abs)[-1:]):
        yield replace(neuron, v_threshold=np.maximum(np.asarray(neuron.v_threshold) + step, 0))
    for i, value in list({**least, **most}.items())[:MOST_NEURONS]:
        own = np.array(now)
        own[i] = max(value, 0)
        yield replace(neuron, v_threshold=own)


def _decays(neuron: FixedLIF, seen: Evidence) -> Iterator[FixedLIF]:
    """Decays that carry each membrane of the trace to the next; without membranes the nearest ones."""
    now = np.asarray(neuron.decay_v)
    if now.ndim == 0:
        low, high = _decay_range(int(now), seen)
        for d in dict.fromkeys((min(max(int(now), low), high), low, high, int(now) - 1, int(now) + 1)):
            if low <= d <= high and d != now and 0 <= d <= DECAY_ALL:
                yield replace(neuron, decay_v=d)
    else:
        yield from (replace(neuron, decay_v=np.clip(now + step, 0, DECAY_ALL)) for step in (-1, 1))
    if neuron.has_current:
        for step in (-1, 1, -2, 2):
            yield replace(neuron, decay_u=np.clip(np.asarray(neuron.decay_u) + step, 0, DECAY_ALL))


def _decay_range(now: int, seen: Evidence) -> tuple[int, int]:
    """The decays that explain every membrane at the end of a time step without a spike; empty where none does."""
    low, high, v = 0, DECAY_ALL, seen.trace.v
    if v is None:
        return low, high
    for x in _ends(seen):
        before = int(v[x.t - 1, x.position, x.neuron]) if x.t else 0
        kept = int(leak(np.array(before), np.array(now))) + int(x.found or 0) - x.expected
        if before == 0 or (kept and (kept > 0) != (before > 0)) or abs(kept) > abs(before):
            return 1, 0
        share_low, share_high = (
            -(-abs(kept) * DECAY_ALL // abs(before)),
            ((abs(kept) + 1) * DECAY_ALL - 1) // abs(before),
        )
        low, high = max(low, DECAY_ALL - share_high), min(high, DECAY_ALL - share_low)
    return low, high


def _ends(seen: Evidence) -> list[Misfit]:
    """Misfits at the end of a time step in which the neuron did not spike and was not expected to."""
    busy = {(x.position, x.t, x.neuron) for x in seen.misfits if x.k != END}
    ends = [x for x in seen.misfits if x.k == END and (x.position, x.t, x.neuron) not in busy]
    return [x for x in ends[:MOST_ROWS] if not _spikes(seen, x)]


def _spikes(seen: Evidence, x: Misfit) -> bool:
    s = seen.trace.spikes
    assert s is not None
    sample = seen.trace.sample_ids[x.position]
    first, last = np.searchsorted(s.sample, [sample, sample + 1])
    return bool(((s.t[first:last] == x.t) & (s.neuron[first:last] == x.neuron)).any())


def _resets(neuron: FixedLIF) -> Iterator[FixedLIF]:
    for reset in RESETS:
        if reset != neuron.reset:
            yield replace(neuron, reset=cast(ResetName, reset))
    yield replace(neuron, refractory=not neuron.refractory)


def _biases(neuron: FixedLIF, seen: Evidence) -> Iterator[FixedLIF]:
    """A bias, where every misfit of the population is by the same amount."""
    off = {int(x.found or 0) - x.expected for x in _ends(seen)}
    if len(off) == 1:
        unit, bias = neuron.bias_exp, 0 if neuron.bias is None else np.asarray(neuron.bias)
        step = off.pop() / 2.0**unit
        if step == int(step) and abs(step) < 1 << 20:
            yield replace(neuron, bias=bias + int(step))


def _delays(setup: Setup, seen: Evidence) -> Iterator[Setup]:
    """A projection that delivers a time step later or sooner; the layered schedule alone knows delays."""
    edges = list(setup.network.projections)
    for i, e in enumerate(edges if setup.schedule.kind == "layered" else []):
        for step in (1, -1) if e.post == seen.name else ():
            delay = np.asarray(e.delay_steps) + step
            if delay.min() >= 0:
                yield with_projections(setup, [*edges[:i], replace(e, delay_steps=delay), *edges[i + 1 :]])


def _dropped(setup: Setup, seen: Evidence) -> Iterator[Setup]:
    """A whole projection that is not there."""
    edges = list(setup.network.projections)
    if sum(e.post == seen.name for e in edges) > 1:
        for i, e in enumerate(edges):
            if e.post == seen.name:
                yield with_projections(setup, edges[:i] + edges[i + 1 :])


def _weights(setup: Setup, seen: Evidence) -> Iterator[Setup]:
    """Single weights that explain the most misfits, each with its new value."""
    network = setup.network
    assert isinstance(network, QuantizedNetwork)
    votes: list[Ints] = []
    edges = list(network.projections)
    for i, e in enumerate(edges):
        if e.post == seen.name:
            votes += _votes(setup, seen, i)
    if not votes:
        return
    ballots, counts = np.unique(np.concatenate(votes), axis=0, return_counts=True)
    order = np.lexsort((np.abs(ballots[:, 2]), -counts))[:MOST_WEIGHTS]
    for i, flat, step in ballots[order].tolist():
        weight = np.array(edges[i].connection.weight)
        weight.reshape(-1)[flat] += step
        e = replace(edges[i], connection=with_weight(edges[i].connection, weight))
        yield with_projections(setup, [*edges[:i], e, *edges[i + 1 :]])


def _votes(setup: Setup, seen: Evidence, i: int) -> list[Ints]:
    """(n, 3) of (projection, place of a weight, step): each misfit votes for every weight that alone explains it."""
    network = setup.network
    assert isinstance(network, QuantizedNetwork)
    e = network.projections[i]
    numbered = with_weight(
        e.connection, np.arange(e.connection.weight.size, dtype=np.int64).reshape(e.connection.weight.shape)
    )
    pre, post, place = synapses(numbered)
    order = np.argsort(post, kind="stable")
    pre, place, start = pre[order], place[order], np.searchsorted(post[order], np.arange(e.connection.n_post + 1))
    unit = (1 << ARITHMETICS[network.arithmetic].weight_shift) * 2.0**e.weight_exp
    found: list[Ints] = []
    for x in [x for x in seen.misfits if x.found is not None and x.found != x.expected][:MOST_ROWS]:
        j = x.neuron - seen.at.start
        mine = slice(int(start[j]), int(start[j + 1]))
        n = delivered(setup, seen, i, x)[pre[mine]]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (int(x.found or 0) - x.expected) / (unit * n)
        whole = (n != 0) & (np.abs(step) < 1 << 30) & (step == np.rint(step))
        flat, steps = place[mine][whole], step[whole].astype(np.int64)
        found.append(np.stack([np.full(len(flat), i), flat, steps], 1))
    return found


def delivered(setup: Setup, seen: Evidence, i: int, x: Misfit) -> Ints:
    """(n_pre,) how often each source of a projection reached the neuron of a misfit in its time step, until then."""
    network, e, s = setup.network, setup.network.projections[i], seen.trace.spikes
    assert s is not None
    layered = setup.schedule.kind == "layered"
    inputs, blocks = slices(network.inputs), slices(network.populations)
    t = x.t - (int(np.max(e.delay_steps)) if layered else 0)
    if e.pre in inputs:
        frames = seen.stimulus.frames
        return (
            frames[t, x.position, inputs[e.pre]].astype(np.int64) if t >= 0 else np.zeros(e.connection.n_pre, np.int64)
        )
    at = blocks[e.pre]
    if layered:
        from ir.graph import layered_order

        t -= int(layered_order(network).recurrent[i])
    mine = (s.sample == seen.trace.sample_ids[x.position]) & (s.t == t) & (s.neuron >= at.start) & (s.neuron < at.stop)
    if not layered:
        mine &= (s.k_served >= 0) & ((x.k == END) | (s.k_served < x.k))
    return np.bincount(s.neuron[mine] - at.start, minlength=at.stop - at.start)


def evidence(network: Any, name: str, misfits: Sequence[Misfit], stimulus: Stimulus, trace: Trace) -> Evidence:
    """The misfits of one population."""
    at = slices(network.populations)[name]
    return Evidence(name, at, [x for x in misfits if at.start <= x.neuron < at.stop], stimulus, trace)
