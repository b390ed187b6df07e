"""The spike queue: who waits, who is served next, when a time step ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Bits, Int32s, Ints
from ir.schedule import Schedule, key


@dataclass(frozen=True, eq=False)
class Entries:
    """Queue entries to be ranked, (n,) each.

    Attributes:
        index: a neuron's global index, an input event's N + its input.
        m: membrane of the newest spike just before its reset; 0 of an event.
        born: forward step of the newest spike; -1 of an event.
        seed: of the keys.
        address: sample id, time step, forward step.
    """

    index: Ints
    m: Ints
    born: Ints
    seed: int
    address: tuple[int, int, int]

    def keys(self) -> NDArray[np.uint64]:
        """Drawn anew in every forward step."""
        return key(self.seed, *self.address, self.index)


class Order(NamedTuple):
    """Who is served first.

    Attributes:
        columns: what entries are compared by, the first that differs decides; smallest first, ties by index.
        events_compete: whether input events are ranked among neurons; else they are served before all of them, in
            time-stamp order.
    """

    columns: Callable[[Entries], tuple[NDArray[Any], ...]]
    events_compete: bool = False


ORDERS: dict[str, Order] = {
    "random": Order(lambda entries: (entries.keys(),), events_compete=True),
    "momentum": Order(lambda entries: (-entries.m, entries.keys())),
    "fifo": Order(lambda entries: (entries.born,)),
}
"""The order rules, by the names of ``ir.schedule.ORDERS``."""


@dataclass(frozen=True, eq=False)
class QueuePlan:
    """What a queue must know.

    Attributes:
        schedule: the order, F, stop rules and seed.
        n_neurons, n_inputs: sizes of the network.
        cores: for each core it serves, the neurons that send through it, ascending; one for all = (all,).
        output: the deciding population.
        sends: (N + N_in,) whether a neuron's population, or an input, has a projection.
        last_due: the last forward step at which a bias or a current arrives; -1 = none.
        sample_ids: (B,).
        n_steps: time steps a sample.
        input_rounds: (B * T,) as in ``Feed``, sample by sample.
        t0: time steps that the samples have behind them; keys count these, too.
    """

    schedule: Schedule
    n_neurons: int
    n_inputs: int
    cores: tuple[Ints, ...]
    output: slice
    sends: Bits
    last_due: int
    sample_ids: Ints
    n_steps: int
    input_rounds: Int32s
    t0: int = 0

    @property
    def n_frames(self) -> int:
        return self.sample_ids.size * self.n_steps

    @property
    def n_served(self) -> int:
        """Length of what a queue sends: neurons, inputs where they queue, and the word "done"."""
        return self.n_neurons + (self.n_inputs if self.schedule.input == "queued" else 0) + 1

    def nothing(self) -> Int32s:
        """(n_served,) zeros: nothing served, not done."""
        return np.zeros(self.n_served, np.int32)


class Clock:
    """Counts frames and forward steps, and says when a time step ends.

    Attributes:
        frame: number of the running frame, sample by sample; -1 before the first.
        k: the running forward step.
    """

    def __init__(self, plan: QueuePlan) -> None:
        self.plan = plan
        self.frame = -1
        self.k = 0
        self.stop_at = math.inf

    @property
    def finished(self) -> bool:
        return self.frame >= self.plan.n_frames

    @property
    def address(self) -> tuple[int, int]:
        """Sample id and time step of the running frame."""
        row, t = divmod(self.frame, self.plan.n_steps)
        return int(self.plan.sample_ids[row]), t

    def next_frame(self) -> None:
        """Begin the next time step."""
        self.frame += 1
        self.k = 0
        stop_after = self.plan.schedule.stop_after
        self.stop_at = math.inf if stop_after is None else stop_after - 1

    def forced(self, fired: Bits) -> bool:
        """Whether a stop rule ends the time step in this round; ``fired`` are this round's spikes, (N,)."""
        patience = self.plan.schedule.stop_after_output
        if patience is not None and bool(fired[self.plan.output].any()):
            self.stop_at = min(self.stop_at, self.k + patience)
        return self.k >= self.stop_at

    def drained(self, pending: bool) -> bool:
        """Whether nothing is on its way to a neuron: no spike or queued event, no paced one, no bias or current."""
        return not pending and self.k >= self.plan.last_due and self.plan.input_rounds[self.frame] <= self.k + 1


class SpikeQueue:
    """The entries of one or several cores' queues, and the trace of what happened to them.

    Args:
        log_path: file that takes the trace, (n, 6) int64 rows of sample, t, k, neuron, m, k_served.
    """

    def __init__(self, plan: QueuePlan, log_path: str) -> None:
        self.plan, self.log_path = plan, log_path
        self.order = ORDERS[plan.schedule.order]
        self.count = np.zeros(plan.n_neurons, np.int64)
        self.m = np.zeros(plan.n_neurons, np.int64)
        self.born = np.zeros(plan.n_neurons, np.int64)
        self.events = np.zeros(0, np.int64)
        self.mine = np.zeros(plan.n_neurons, bool)
        self.mine[np.concatenate(plan.cores)] = True
        self.everything = len(plan.cores) == 1 and bool(self.mine.all())
        self.log: list[Ints] = []
        self.pending: list[Ints] = []

    def receive(self, k: int, fired: Bits, m: Ints) -> None:
        """Take this round's spikes, (N,), and their membranes before the reset, (N,)."""
        new = np.flatnonzero(fired if self.everything else fired & self.mine)
        if new.size:
            self.count[new] += 1
            self.m[new] = m[new]
            self.born[new] = k
            self.pending.append(np.stack([np.full(new.size, k), new, m[new], np.full(new.size, -1)], axis=1))

    def receive_events(self, inputs: Ints) -> None:
        """Take a time step's input events, in order."""
        self.events = inputs

    def serve(self, sample: int, t: int, k: int) -> tuple[Int32s, bool]:
        """Take the best F entries of each core.

        Returns:
            How often each source is delivered, (n_served,), and whether anything that was served or still waits goes
            to a neuron.
        """
        served = self.plan.nothing()
        waiting = np.flatnonzero(self.count)
        if waiting.size == 0 and self.events.size == 0:
            return served, False
        pending = bool(self.plan.sends[np.concatenate([waiting, self.plan.n_neurons + self.events])].any())
        for core in self.plan.cores:
            mine = waiting if self.everything else waiting[np.isin(waiting, core, assume_unique=True)]
            neurons = self._best(mine, (sample, self.plan.t0 + t, k), served)
            served[neurons] = self.count[neurons]
            self.count[neurons] = 0
            self._mark(neurons, k)
        return served, pending

    def _best(self, waiting: Ints, address: tuple[int, int, int], served: Int32s) -> Ints:
        """Choose neurons, and take events into ``served``."""
        schedule, n = self.plan.schedule, self.plan.n_neurons
        room = waiting.size + self.events.size if schedule.F is None else schedule.F
        if self.events.size == 0 and waiting.size <= room:
            return waiting
        if waiting.size + self.events.size <= room:
            taken, neurons = np.arange(self.events.size), waiting
        elif self.order.events_compete:
            best = self._rank(waiting, self.events, address)[:room]
            taken, neurons = best[best >= waiting.size] - waiting.size, waiting[best[best < waiting.size]]
        else:
            taken = np.arange(min(room, self.events.size))
            neurons = waiting[self._rank(waiting, self.events[:0], address)[: room - taken.size]]
        np.add.at(served, n + self.events[taken], 1)
        self.events = np.delete(self.events, taken)
        return neurons

    def _rank(self, waiting: Ints, events: Ints, address: tuple[int, int, int]) -> Ints:
        """Places of the entries, neurons first, then events: who is served first comes first."""
        index = np.concatenate([waiting, self.plan.n_neurons + events])
        m = np.concatenate([self.m[waiting], np.zeros_like(events)])
        born = np.concatenate([self.born[waiting], np.full_like(events, -1)])
        columns = self.order.columns(Entries(index, m, born, self.plan.schedule.seed, address))
        return np.lexsort((index, *reversed(columns)))

    def _mark(self, neurons: Ints, k: int) -> None:
        """Note in the trace that the pending spikes of ``neurons`` were served in round k."""
        if neurons.size == 0:
            return
        gone = np.zeros(self.plan.n_neurons, bool)
        gone[neurons] = True
        for rows in self.pending:
            rows[gone[rows[:, 1]] & (rows[:, 3] < 0), 3] = k

    def end_step(self, sample: int, t: int) -> None:
        """Empty the queue and close the time step's trace; the sample's last one is followed by writing."""
        self.count[:] = 0
        self.events = self.events[:0]
        if self.pending:
            rows = np.concatenate(self.pending)
            self.log.append(np.column_stack([np.full(len(rows), sample), np.full(len(rows), t), rows]))
            self.pending = []
        if t == self.plan.n_steps - 1 and self.log:
            with open(self.log_path, "ab") as file:
                file.write(np.concatenate(self.log).tobytes())
            self.log = []
