"""The spike queue: who is served first, decided anew in every forward step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Int32s, Ints
from ir.check import require
from ir.schedule import Schedule, key


@dataclass
class Queue:
    """The entries of one time step of one sample.

    Attributes:
        q: (N,) spikes waiting in each neuron's entry; 0 = no entry.
        delivers: (N,) how often each entry delivers its neuron's weights: the sum of what its spikes carry.
        m: (N,) membrane of the newest spike just before its reset.
        fired_at: (N,) forward step of the newest spike.
        inputs: input events that compete with neurons, in time-stamp order.
    """

    q: Ints
    delivers: Ints
    m: Ints
    fired_at: Ints
    inputs: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @staticmethod
    def empty(n: int) -> Queue:
        """Of n neurons."""
        return Queue(*(np.zeros(n, np.int64) for _ in range(4)))

    def add(self, neurons: Ints, m: Ints, k: int, carried: Ints) -> None:
        """Let spikes of forward step k wait, with their membranes and what they carry."""
        self.m[neurons], self.fired_at[neurons] = m, k
        self.q[neurons] += 1
        self.delivers[neurons] += carried

    def waiting(self) -> Ints:
        """The neurons that have an entry."""
        return np.flatnonzero(self.q)


@dataclass(frozen=True)
class KeyAddress:
    """What a key is made of beside the neuron."""

    seed: int
    sample: int
    t: int
    k: int

    def keys(self, index: Ints) -> NDArray[np.uint64]:
        """The key of each entry."""
        return key(self.seed, self.sample, self.t, self.k, index)


def by_key(queue: Queue, at: KeyAddress) -> Ints:
    """``random``: the smallest key first, events too."""
    index = np.concatenate([queue.inputs + len(queue.q), queue.waiting()])
    return index[np.lexsort((index, at.keys(index)))]


def by_membrane(queue: Queue, at: KeyAddress) -> Ints:
    """``momentum``: the largest membrane first, ties by key."""
    neurons = queue.waiting()
    return behind_events(queue, neurons[np.lexsort((neurons, at.keys(neurons), -queue.m[neurons]))])


def by_time(queue: Queue, at: KeyAddress) -> Ints:
    """``fifo``: the earliest forward step first, ties by index."""
    neurons = queue.waiting()
    return behind_events(queue, neurons[np.lexsort((neurons, queue.fired_at[neurons]))])


def behind_events(queue: Queue, neurons: Ints) -> Ints:
    """Entries of neurons behind all input events, which go in time-stamp order."""
    return np.concatenate([queue.inputs + len(queue.q), neurons])


ORDERS: dict[str, Callable[[Queue, KeyAddress], Ints]] = {
    "random": by_key,
    "momentum": by_membrane,
    "fifo": by_time,
}
"""All entries of a queue, best first, under each rule of ``ir.schedule.ORDERS``."""


def check_order(schedule: Schedule) -> None:
    """Raise unless the order rule is one of the table; the layered schedule serves no queue."""
    require(
        schedule.kind == "layered" or schedule.order in ORDERS,
        f"the simulator does not know order rule {schedule.order!r}; use one of {', '.join(ORDERS)}",
    )


def in_order(queue: Queue, schedule: Schedule, at: KeyAddress) -> Ints:
    """All entries, best first, as global indices; an input event is N + its input.

    Events of the same input differ in nothing, so which of them is meant follows from their order.
    """
    return ORDERS[schedule.order](queue, at)


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
    delivered[neurons] = queue.delivers[neurons]
    queue.q[neurons] = 0
    queue.delivers[neurons] = 0
    for event in events:
        queue.inputs = np.delete(queue.inputs, np.flatnonzero(queue.inputs == event)[0])
    return delivered, events
