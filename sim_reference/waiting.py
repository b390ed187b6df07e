"""What waits in one time step of one sample, and what is delivered: one queue, one a core, or one at each receiver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Ints
from ir.connection import apply
from ir.receivers import cores_reached
from ir.schedule import Schedule
from sim_reference.drive import in_weights, projected, register_drive
from sim_reference.layout import Layout
from sim_reference.registers import LimitCounts
from sim_reference.serve import KeyAddress, Queue, in_order, served, take


@dataclass(frozen=True)
class Moment:
    """A time step of a sample: the address of its keys, but for k, and its input.

    Attributes:
        frame: (N_in,) counts.
        events: inputs in time-stamp order, one entry an event.
    """

    sample: int
    t: int
    frame: Ints
    events: Ints

    def at(self, schedule: Schedule, k: int) -> KeyAddress:
        """The address of the keys of forward step k."""
        return KeyAddress(schedule.seed, self.sample, self.t, k)


class Arrivals:
    """The input of a time step, and what of it is still to come.

    Attributes:
        later: paced events that come later.
        on_its_way: whether anything that was served or taken last, or still waits, goes to a neuron.
    """

    def __init__(self, layout: Layout, schedule: Schedule, now: Moment) -> None:
        self.layout, self.schedule, self.now = layout, schedule, now
        self.later = now.events if schedule.input == "paced" else now.events[:0]
        self.on_its_way = True

    def counted(self, events: Ints) -> Ints:
        """(N_in,) how many of them each input has."""
        return np.bincount(events, minlength=self.layout.network.n_inputs)

    def paced(self) -> Ints:
        """The next R events."""
        now, self.later = self.later[: self.schedule.R], self.later[self.schedule.R :]
        return now


class Waiting(Arrivals):
    """One queue for all neurons, or one a core of those that fire; with queued input events compete in it."""

    def __init__(self, layout: Layout, schedule: Schedule, now: Moment) -> None:
        super().__init__(layout, schedule, now)
        self.queue = Queue.empty(layout.n_neurons)
        self.delivered = np.zeros(layout.n_neurons, np.int64)
        if schedule.input == "queued":
            self.queue.inputs = now.events
            self.inputs = self.counted(take(self.queue, self._best(-1))[1])
        else:
            self.inputs = now.frame if schedule.input == "first" else self.counted(self.paced())

    def _best(self, k: int) -> Ints:
        entries = in_order(self.queue, self.schedule, self.now.at(self.schedule, k))
        return served(entries, self.schedule, self.layout.core_of_neuron)

    def drive(self, reached: LimitCounts) -> Ints:
        """All served weights in register units, (N,)."""
        a = np.zeros(self.layout.n_neurons, np.int64)
        for link in self.layout.links:
            q = (self.inputs if link.from_input else self.delivered)[link.pre]
            if q.any():
                a[link.post] += projected(link, q, reached)
        return register_drive(a, self.layout.arithmetic, reached)

    def add(self, neurons: Ints, m: Ints, k: int, carried: Ints) -> None:
        """Let spikes of forward step k wait, with their membranes and what they carry, (n,) each."""
        self.queue.add(neurons, m, k, carried)

    def serve(self, k: int) -> Ints:
        """Serve what is best after forward step k; the neurons none of whose spikes waits any more."""
        n, sends, sends_input = self.layout.n_neurons, self.layout.sends, self.layout.sends_input
        best = self._best(k)
        self.delivered, events = take(self.queue, best)
        events = self.paced() if self.schedule.input == "paced" else events
        self.inputs, neurons = self.counted(events), best[best < n]
        waits = bool((self.queue.q > 0)[sends].any()) or bool(sends_input[self.queue.inputs].any())
        moving = bool(sends[neurons].any()) or bool(sends_input[np.concatenate([events, self.later])].any())
        self.on_its_way = waits or moving
        return neurons


class WaitingAtReceivers(Arrivals):
    """A queue at each core for the spikes, and under queued input the events, that reach a neuron on it.

    Each core serves its own F in every forward step; they reach its own neurons alone. A spike without a receiver is
    gone at once.
    """

    def __init__(self, layout: Layout, schedule: Schedule, now: Moment) -> None:
        super().__init__(layout, schedule, now)
        n = layout.n_neurons
        self.cores, self.reach = cores_reached(layout.network, layout.core_of_neuron)
        self.queues = [Queue.empty(n) for _ in self.reach]
        self.delivered = [np.zeros(n, np.int64) for _ in self.reach]
        self.without_entry: Bits = np.zeros(n, bool)
        if schedule.input == "queued":
            self.inputs: list[Ints] = []
            for core, queue in enumerate(self.queues):
                queue.inputs = now.events[self.reach[core, n + now.events]]
                self.inputs.append(self.counted(take(queue, self._best(core, -1))[1]))
        else:
            self.inputs = [now.frame if schedule.input == "first" else self.counted(self.paced())] * len(self.queues)

    def _best(self, core: int, k: int) -> Ints:
        return in_order(self.queues[core], self.schedule, self.now.at(self.schedule, k))[: self.schedule.F]

    def drive(self, reached: LimitCounts) -> Ints:
        """All served weights in register units, (N,)."""
        a = np.zeros(self.layout.n_neurons, np.int64)
        for link in self.layout.links:
            total, own = np.zeros(link.connection.n_post, np.int64), self.cores[link.post]
            for core in np.unique(own):
                q = (self.inputs if link.from_input else self.delivered)[core][link.pre]
                if q.any():
                    total = np.where(own == core, apply(link.connection, q), total)
            a[link.post] += in_weights(link, total, reached)
        return register_drive(a, self.layout.arithmetic, reached)

    def add(self, neurons: Ints, m: Ints, k: int, carried: Ints) -> None:
        """Let spikes of forward step k wait at their receivers, with their membranes and what they carry."""
        for core, queue in enumerate(self.queues):
            there = self.reach[core, neurons]
            queue.add(neurons[there], m[there], k, carried[there])
        self.without_entry[neurons] = ~self.reach[:, neurons].any(0)

    def serve(self, k: int) -> Ints:
        """Serve what is best on each core after forward step k; the neurons none of whose spikes waits any more."""
        waited = self._waiting()
        left = any(len(queue.inputs) for queue in self.queues) or bool(self.layout.sends_input[self.later].any())
        self.on_its_way = bool(waited.any()) or left
        now = self.paced()
        for core, queue in enumerate(self.queues):
            self.delivered[core], events = take(queue, self._best(core, k))
            self.inputs[core] = self.counted(now if self.schedule.input == "paced" else events)
        gone = (waited & ~self._waiting()) | self.without_entry
        self.without_entry = np.zeros_like(gone)
        return np.flatnonzero(gone)

    def _waiting(self) -> Bits:
        """(N,) who has an entry anywhere."""
        return np.any([queue.q > 0 for queue in self.queues], 0)
