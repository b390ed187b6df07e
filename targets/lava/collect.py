"""From the processes' records to a trace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.state import is_graded
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace, count_spikes
from targets.lava.registers import Reached, none_reached


@dataclass(eq=False)
class Records:
    """What a run recorded, frames sample by sample.

    Attributes:
        states: (B * T, N) registers at the end of each time step, by the name of the state; those that are kept.
        forward_steps: (B * T,).
        reached: how often each edge acted.
        rows: arrays (n, 6) of sample id, t, k, neuron, m, k_served, of a network with graded spikes (n, 7), with
            their payloads.
    """

    states: dict[str, Int32s]
    forward_steps: Int32s
    reached: Reached
    rows: list[Ints]


def trace_of(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, records: Records) -> Trace:
    """Arrange the records as executor E3's trace."""
    network = mapped.network
    b, t = stimulus.n_samples, stimulus.n_steps
    graded = is_graded(network)
    rows = np.concatenate([np.zeros((0, 7 if graded else 6), np.int64), *records.rows])
    columns = [rows[:, i] for i in range(6)]
    spikes = Spikes(*columns, payload=rows[:, 6] if graded else None)
    ids = np.asarray(stimulus.sample_ids)

    def time_first(x: Int32s) -> Ints:
        return x.reshape(b, t, -1).transpose(1, 0, 2).astype(np.int64)

    return Trace(
        executor="E3",
        spikes=spikes,
        counts=count_spikes(spikes, ids, network.n_neurons),
        states={name: time_first(state) for name, state in records.states.items()},
        forward_steps=records.forward_steps.reshape(b, t).T,
        sample_ids=ids,
        populations=tuple((p.name, p.n) for p in network.populations),
        output=network.output,
        output_fires=network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=mapped.core_of_neuron,
        limits_reached={name: int(n) for name, n in records.reached.items()},
    )


def nothing(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, record: Collection[str]) -> Trace:
    """The trace of a run without samples or without time steps."""
    network, shape = mapped.network, (stimulus.n_steps, stimulus.n_samples)
    none = np.zeros(0, np.int64)
    registers = np.zeros((*shape, network.n_neurons), np.int64)
    return Trace(
        executor="E3",
        spikes=Spikes(none, none, none, none, none, none, payload=none if is_graded(network) else None),
        counts=np.zeros((shape[1], network.n_neurons), np.int32),
        states=dict.fromkeys(record, registers),
        forward_steps=np.zeros(shape, np.int32),
        sample_ids=np.asarray(stimulus.sample_ids),
        populations=tuple((p.name, p.n) for p in network.populations),
        output=network.output,
        output_fires=network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=mapped.core_of_neuron,
        limits_reached=none_reached(network),
    )
