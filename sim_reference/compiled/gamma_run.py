"""A run of SpikingGamma through the compiled kernel: sample by sample, then the trace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Ints
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork, limit_names
from ir.schedule import Schedule
from ir.state import State, is_graded
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace, count_spikes
from sim_reference.compiled.gamma import FIRST_ROW, X0, GammaNet, flatten_gamma, run_sample
from sim_reference.cut import Cut
from sim_reference.layout import Layout
from sim_reference.neurons import Members
from sim_reference.simulate import Progress


@dataclass
class _Registers:
    """All neurons' registers, as :class:`sim_reference.cut.Cut` sets and reads them."""

    members: Members
    states: dict[str, Ints]


def run_gamma(
    layout: Layout,
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule,
    *,
    record: Collection[str],
    progress: Progress | None,
    state: State | None,
    keep_state: bool,
) -> Trace:
    """What ``simulate.run`` gives of a network of SpikingGamma alone; everything is checked before."""
    net, network = flatten_gamma(layout), layout.network
    n, (n_steps, n_samples) = layout.n_neurons, stimulus.frames.shape[:2]
    names = _names(net)
    cut, limits = Cut(network, stimulus, state, keep_state), np.zeros(FIRST_ROW + len(names), np.int64)
    kept = np.zeros((len(record), n_samples, n_steps, n), np.int64)
    which = np.array([names.index(name) for name in record], np.int64)
    registers, scratch = np.zeros((len(names), n), np.int64), np.zeros((2, n), np.int64)
    group = _Registers(Members((), slice(0, n), np.zeros(n, np.int64), layout.arithmetic), dict(zip(names, registers)))
    needed = {name for p in network.populations for name in p.neuron.STATES}
    group.states = {name: row for name, row in group.states.items() if name in needed}
    rows = [np.zeros((0, 5), np.int64)]
    for b in range(n_samples):
        registers[:] = 0
        cut.begin(b, [group])
        before = cut.sent_before(b)
        sent = np.concatenate([before, np.zeros((n_steps, n), np.int64)])
        v = np.zeros((n_steps, n), np.int64)
        frames = np.ascontiguousarray(cut.frames(b), np.int32)
        run_sample(net, frames, len(before), registers, sent, kept[:, b], which, v, *scratch, limits)
        own = sent[len(before) :]
        t, neuron = np.nonzero(own)
        rows.append(np.stack([np.full(t.size, b), t, neuron, v[t, neuron], own[t, neuron]], 1))
        cut.end(b, [group], own, own[-1] != 0 if n_steps else np.zeros(n, bool))
        if progress is not None:
            progress(b + 1, n_samples)
    counted = {"int32": limits[0], "accumulator": limits[1], **dict(zip(names, limits[FIRST_ROW:]))}
    spikes, ids = _spikes(layout, stimulus, np.concatenate(rows)), stimulus.sample_ids
    assert ids is not None
    return Trace(
        executor="E2",
        spikes=spikes,
        counts=count_spikes(spikes, ids, n),
        states=dict(zip(record, kept.transpose(0, 2, 1, 3))),
        forward_steps=np.full((n_steps, n_samples), layout.order.n_places, np.int32),
        sample_ids=ids,
        populations=layout.populations(),
        output=network.output,
        output_fires=network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=mapped.core_of_neuron if isinstance(mapped, MappedNetwork) else None,
        limits_reached={name: int(counted.get(name, 0)) for name in limit_names(network)},
        state=cut.left(),
    )


def _names(net: GammaNet) -> tuple[str, ...]:
    """The rows of the registers by the names of states."""
    names = ("v", "e", "th", *(f"x{k}" for k in range(net.decay.shape[1])))
    assert names[X0] == "x0"
    return names


def _spikes(layout: Layout, stimulus: Stimulus, rows: Array) -> Spikes:
    """Rows of (position, t, neuron, m, payload) as the plain simulator lists them: in a time step by population."""
    sizes = [p.n for p in layout.network.populations]
    names = [p.name for p in layout.network.populations]
    turn = np.repeat([layout.order.order.index(name) for name in names], sizes)
    place = np.repeat([layout.order.place[name] for name in names], sizes)
    b, t, neuron, m, carried = rows[np.lexsort((rows[:, 2], turn[rows[:, 2]], rows[:, 1], rows[:, 0]))].T
    k = place[neuron].astype(np.int32)
    assert stimulus.sample_ids is not None
    payload = carried if is_graded(layout.network) else None
    return Spikes(stimulus.sample_ids[b], t.astype(np.int32), k, neuron.astype(np.int32), m, k, payload=payload)
