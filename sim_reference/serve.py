"""The spike queue: who is served first, decided anew in every forward step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ir.arrays import Int32s, Ints
from ir.schedule import Schedule, key


@dataclass
class Queue:
    """The entries of one time step of one sample.

    Attributes:
        q: (N,) spikes waiting in each neuron's entry; 0 = no entry.
        m: (N,) membrane of the newest spike just before its reset.
        fired_at: (N,) forward step of the newest spike.
        inputs: input events that compete with neurons, in time-stamp order.
    """

    q: Ints
    m: Ints
    fired_at: Ints
    inputs: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class KeyAddress:
    """What a key is made of beside the neuron."""

    seed: int
    sample: int
    t: int
    k: int


def in_order(queue: Queue, schedule: Schedule, at: KeyAddress) -> Ints:
    """All entries, best first, as global indices; an input event is N + its input.

    Events of the same input differ in nothing, so which of them is meant follows from their order.
    """
    n = len(queue.q)
    neurons = np.flatnonzero(queue.q)
    index = np.concatenate([queue.inputs + n, neurons])
    is_neuron = index >= 0
    is_neuron[: len(queue.inputs)] = False
    keys = key(at.seed, at.sample, at.t, at.k, index)
    if schedule.order == "random":
        return index[np.lexsort((index, keys))]
    stamp = np.arange(len(queue.inputs))
    if schedule.order == "fifo":
        first = np.concatenate([stamp, queue.fired_at[neurons]])
        ties = np.where(is_neuron, index, 0)
    else:
        first = np.concatenate([stamp, -queue.m[neurons]])
        ties = keys
    return index[np.lexsort((index, ties, first, is_neuron))]


def served(entries: Ints, schedule: Schedule, core_of_neuron: Int32s) -> Ints:
    """The best F of ``entries``, of each core with scope ``core``."""
    if schedule.F is None:
        return entries
    if schedule.scope == "network":
        return entries[: schedule.F]
    cores = core_of_neuron[entries]
    return np.concatenate([entries[:0], *(entries[cores == c][: schedule.F] for c in np.unique(cores))])


def take(queue: Queue, entries: Ints) -> tuple[Ints, Ints]:
    """Remove ``entries`` from the queue.

    Returns:
        (N,) how often each neuron's weights are delivered, and the input events taken.
    """
    n = len(queue.q)
    neurons, events = entries[entries < n], entries[entries >= n] - n
    delivered = np.zeros(n, np.int64)
    delivered[neurons] = queue.q[neurons]
    queue.q[neurons] = 0
    for event in events:
        queue.inputs = np.delete(queue.inputs, np.flatnonzero(queue.inputs == event)[0])
    return delivered, events
