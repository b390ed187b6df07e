"""An encoder's time steps: layered, in the order of its populations, some samples at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Array
from ir.encoder.neurons import HostLIF
from ir.encoder.sums import ordered_sums
from ir.graph import layered_order, slices
from ir.network import Network, Projection
from ir.neurons import as_trained_lif
from ir.state import State, fingerprint, look_back

VALUES_AT_ONCE = 1 << 23
"""Of one layer over all time steps, so that memory holds them."""


@dataclass(eq=False)
class HostState:
    """What an encoder keeps from one time step to the next, for some samples.

    Attributes:
        neurons: of each population.
        past: (B, n) what each block sent in the time steps that a projection may still deliver, newest last.
        t: time steps done.
    """

    neurons: dict[str, HostLIF]
    past: dict[str, list[Array]] = field(default_factory=dict)
    t: int = 0


class _Link(NamedTuple):
    """A projection and what of it is the same in all time steps: delays, looking back, a whole input's product."""

    e: Projection
    back: bool
    delays: Array
    whole: Array | None


def fresh_state(encoder: Network, n_samples: int) -> HostState:
    """Before the first time step."""
    lifs = {p.name: (as_trained_lif(p.name, p.neuron, "an encoder"), p.n) for p in encoder.populations}
    return HostState({name: HostLIF.fresh(lif, encoder.dt_s, n_samples, n) for name, (lif, n) in lifs.items()})


def encode(encoder: Network, frames: NDArray[np.number], state: HostState | None = None) -> Array:
    """The output's spikes, (T, B, n) float32.

    Args:
        frames: (T, B, inputs) currents or counts.
        state: of these samples, where the run goes on from; it is moved on. None = from the start.
    """
    n_steps, n_samples, _ = frames.shape
    out = np.zeros((n_steps, n_samples, next(p.n for p in encoder.populations if p.name == encoder.output)), np.float32)
    widest = max(p.n for p in (*encoder.inputs, *encoder.populations))
    size = n_samples if state is not None else max(1, VALUES_AT_ONCE // max(1, n_steps * widest))
    for a in range(0, n_samples, size):
        part = np.asarray(frames[:, a : a + size], np.float32)
        own = fresh_state(encoder, part.shape[1]) if state is None else state
        for t, s in enumerate(_steps(encoder, part, own)):
            out[t, a : a + size] = s
    return out


def _steps(encoder: Network, frames: Array, state: HostState) -> Iterator[Array]:
    """The output's spikes, time step by time step."""
    order, inputs = layered_order(encoder), slices(encoder.inputs)
    links = [_link(e, back, frames, inputs) for e, back in zip(encoder.projections, order.recurrent)]
    keep = 1 + max((int(np.max(link.delays)) + link.back for link in links), default=0)
    for t in range(len(frames)):
        for name, at in inputs.items():
            state.past.setdefault(name, []).append(frames[t][:, at])
        for name in order.order:
            neurons = state.neurons[name]
            drive = np.zeros_like(neurons.v)
            for link in (x for x in links if x.e.post == name):
                brought = link.whole[t] if link.whole is not None else _brought(link, state)
                drive = drive if brought is None else drive + brought
            state.past.setdefault(name, []).append(neurons.step(drive))
            neurons.n_steps += 1
        state.t += 1
        for sent in state.past.values():
            del sent[:-keep]
        yield state.past[encoder.output][-1]


def _link(e: Projection, back: bool, frames: Array, inputs: dict[str, slice]) -> _Link:
    """A projection; of an input without delays its product with all frames, of a still image with one."""
    delays = np.asarray(e.delay_steps)
    if e.pre not in inputs or delays.any():
        return _Link(e, back, delays, None)
    x = frames[:, :, inputs[e.pre]]
    still = len(x) > 1 and bool((x[1:] == x[:1]).all())
    rows = x[:1] if still else x
    sums = ordered_sums(e.connection, rows.reshape(len(rows) * x.shape[1], x.shape[2]))
    whole = sums.reshape(len(rows), x.shape[1], e.connection.n_post)
    return _Link(e, back, delays, np.broadcast_to(whole, (len(x), *whole.shape[1:])) if still else whole)


def _brought(link: _Link, state: HostState) -> Array | None:
    """What a projection brings now; None where nothing of its source has been on its way long enough."""
    pre = link.e.pre
    sent, done = state.past.get(pre, []), state.neurons[pre].n_steps if pre in state.neurons else state.t + 1
    total: Array | None = None
    for d in np.unique(link.delays):
        at = state.t - int(d) - int(link.back)
        if at < 0:
            continue
        s = sent[at - done]
        chosen = s if link.delays.ndim == 0 else np.where(link.delays == d, s, np.float32(0))
        total = chosen if total is None else total + chosen
    return None if total is None else ordered_sums(link.e.connection, total)


def saved_state(encoder: Network, state: HostState, sample_ids: Array) -> State:
    """The state as a value that files hold, as any other network's."""
    names, most = [p.name for p in encoder.populations], look_back(encoder)
    neurons = [state.neurons[name] for name in names]
    states = {"v": [x.v for x in neurons], "u": [x.u for x in neurons], "late": [x.late for x in neurons]}

    def past(blocks: list[tuple[str, int]]) -> Array:
        h = min(most, state.t)
        rows = [state.past[name][-h:] if h else [] for name, _ in blocks]
        none = np.zeros((0, len(sample_ids), sum(n for _, n in blocks)), np.float32)
        return np.stack([np.concatenate(step, 1) for step in zip(*rows)]) if h else none

    sent = past([(p.name, p.n) for p in encoder.populations])
    fired = sent[-1] > 0 if len(sent) else np.zeros((len(sample_ids), encoder.n_neurons), np.bool_)
    arrays = {name: np.concatenate([np.asarray(x, np.float32) for x in parts], 1) for name, parts in states.items()}
    inputs = past([(i.name, i.n) for i in encoder.inputs])
    return State(fingerprint(encoder), state.t, sample_ids, arrays, fired, sent, inputs)


def host_state(encoder: Network, saved: State) -> HostState:
    """What :func:`saved_state` was made of."""
    state = fresh_state(encoder, len(saved.sample_ids))
    state.t = saved.t
    for name, at in slices(encoder.populations).items():
        neurons = state.neurons[name]
        neurons.v, neurons.u = saved.states["v"][:, at], saved.states["u"][:, at]
        neurons.late, neurons.n_steps = saved.states["late"][:, at] > 0, saved.t
        state.past[name] = list(saved.sent[:, :, at])
    for name, at in slices(encoder.inputs).items():
        state.past[name] = list(saved.inputs[:, :, at])
    return state
