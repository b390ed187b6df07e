"""One core in plain Python: its queue, its services, its frames; what each takes and does."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from ir.timing import BIAS, FRAME, INPUT, SERVICE
from targets.clockless.ledger import Ledger
from targets.clockless.registers import Registers
from targets.clockless.wiring import Wiring

Key = tuple[int, int, int, int]
"""(arrival ps, 0 of inputs and 1 of neurons, its number or index, frame): the order in a queue."""

Effect = tuple[int, list[int]]
"""(frame, neurons that fired) of one entry of the log."""


class Core:
    """A core and its neurons.

    Attributes:
        queue: waiting events, (key, entry, source) each.
        reserved: places for packets that are on their way.
        out: packets that have not left.
        t: the frame its neurons are in; ``frames_to_come``: those that wait for the end of what runs.
        due: populations whose bias or current has not entered in this frame.
        k: log entries with a charge so far in this frame.
    """

    def __init__(self, index: int, wiring: Wiring, registers: Registers, ledger: Ledger) -> None:
        self.index, self.w, self.registers, self.ledger = index, wiring, registers, ledger
        self.model = wiring.core_model
        self.queue: list[tuple[Key, int, int]] = []
        self.out: deque[Any] = deque()
        self.reserved = self.frames_to_come = self.k = self.began = 0
        self.t = -1
        self.busy = self.start_expected = False
        self.held_since = -1
        self.taken: list[tuple[Key, int, int]] = []
        self.entering: list[int] = []
        self.due: set[int] = set()
        self.populations = [p for p in range(wiring.n_populations) if self.held(p)]
        self.neurons = [i for p in self.populations for i in self.held(p)]

    def held(self, p: int) -> list[int]:
        """Its neurons of a population."""
        at = self.index * self.w.n_populations + p
        return self.w.held[self.w.held_start[at] : self.w.held_start[at + 1]].tolist()

    @property
    def room(self) -> int:
        """Free places in its queue."""
        return self.model.queue_events - len(self.queue) - self.reserved

    @property
    def may_start(self) -> bool:
        """Whether it is idle, has events, and no packet of it waits."""
        return bool(self.queue) and not self.busy and not self.out

    def enqueue(self, key: Key, entry: int, source: int) -> bool:
        """Put an event in the queue, by arrival, ties by index; False where there is no place."""
        if self.model.full == "drop" and len(self.queue) >= self.model.queue_events:
            self.ledger.of_core["dropped"][self.index] += 1
            return False
        at = len(self.queue)
        while at and self.queue[at - 1][0] > key:
            at -= 1
        self.queue.insert(at, (key, entry, source))
        self.ledger.peak(self.index, len(self.queue))
        return True

    def log_input(self, now: int, t: int, source: int) -> None:
        """An input event entered."""
        self.ledger.log(INPUT, self.index, t, now, now, [(t, source)])

    def begin_frame(self, now: int) -> int:
        """Take the next frame; returns how long the core is busy with it."""
        self.close_frame()
        self.frames_to_come -= 1
        self.t += 1
        self.ledger.add("missed_bias", len(self.due))
        self.k, self.due = 0, {p for p in self.populations if self.w.due[p]}
        self.registers.begin_frame(self.neurons, self.t)
        self.ledger.log(FRAME, self.index, self.t, now, now, [])
        if self.model.leak == "lazy":
            return 0
        n = len(self.neurons)
        self.ledger.add("leaked", n)
        return self._begins(now, self._steps(n), 0, n, self._states(self.neurons), least=0)

    def close_frame(self) -> None:
        """Keep the states at the end of the frame; who has not leaked in it does so for that, which costs nothing."""
        if self.t >= 0:
            self.ledger.forward_steps[self.t] = max(self.ledger.forward_steps[self.t], self.k)
            for i in self.neurons:
                self.registers.settle(i, self.t)
                self.ledger.keep(self.t, i, self.registers)

    def start(self, now: int) -> int:
        """Take up to G events; returns how long the service lasts."""
        self.taken, self.queue = self.queue[: self.model.group], self.queue[self.model.group :]
        entries = [entry for _, entry, _ in self.taken]
        of_core, w = self.ledger.of_core, self.w
        of_core["services"][self.index] += 1
        of_core["taken"][self.index] += len(entries)
        self.ledger.add("events", len(entries))
        self.ledger.add("late", sum(key[3] < self.t for key, _, _ in self.taken))
        touched = {p for e in entries for p in w.touched[w.touched_start[e] : w.touched_start[e + 1]].tolist()}
        self.entering = sorted(self.due & touched)
        pointers = sum(int(w.touched_start[e + 1] - w.touched_start[e]) for e in entries)
        synapses = sum(int(w.entry_synapses[e]) for e in entries)
        self.ledger.add("synapses", synapses)
        self.ledger.operations["controller"] += pointers * self.model.pointer_ops
        self.ledger.operations["memory_read_bits"] += sum(int(w.entry_bits[e]) for e in entries)
        reached = self._reached()
        steps = sum(int(w.entry_steps[e]) for e in entries)
        return self._charge(now, steps, len(entries), synapses, reached)

    def start_bias(self, due: list[int], now: int) -> int:
        """Let biases and currents of populations in by themselves; returns how long that lasts."""
        self.taken, self.entering = [], due
        return self._charge(now, 0, 0, 0, self._reached())

    def _charge(self, now: int, steps: int, n_events: int, n_synapses: int, reached: list[int]) -> int:
        """Begin what charges ``reached``: synapses, the biases that enter with them, leaks that have waited."""
        n_due = [len(self.held(p)) for p in self.entering]
        waited = sum(self.registers.frame[i] < self.t for i in reached)
        steps += sum(self._steps(n) for n in n_due) + self._steps(waited)
        self.ledger.add("touched", len(reached))
        self.ledger.add("leaked", waited)
        self.ledger.add("biased", sum(n_due))
        stamps = len(reached) * self.model.stamp_bits if self.model.leak == "lazy" else 0
        n_ops = n_synapses + sum(n_due) + waited
        return self._begins(now, steps, n_events, n_ops, self._states(reached) + stamps, least=1)

    def _begins(self, now: int, steps: int, n_events: int, n_ops: int, bits: int, least: int) -> int:
        """Price work and make the core busy with it; returns how long it lasts."""
        model, operations = self.model, self.ledger.operations
        operations["controller"] += steps * model.step_ops
        operations["npe"] += n_ops * model.npe_ops
        operations["memory_read_bits"] += bits
        operations["memory_write_bits"] += bits
        lasts = max(least, (steps * model.npe_ops + n_events * model.event_periods) * model.period_ps)
        self.busy, self.began = lasts > 0, now
        self.ledger.of_core["busy_ps"][self.index] += lasts
        return lasts

    def _steps(self, n: int) -> int:
        return -(-n // self.model.npe)

    def _states(self, neurons: list[int]) -> int:
        """Bits of their states."""
        currents = sum(bool(self.w.has_current[self.w.population[i]]) for i in neurons)
        return (len(neurons) + currents) * self.model.state_bits

    def _reached(self) -> list[int]:
        """Neurons that what begins now touches."""
        due = {i for p in self.entering for i in self.held(p)}
        return sorted(due | {int(self.w.slot_neuron[slot]) for slot in self._sums()})

    def _sums(self) -> Counter[int]:
        """The exact sum of each slot that the events reach."""
        w, sums = self.w, Counter[int]()
        for _, e, _ in self.taken:
            for at in range(int(w.synapse_start[e]), int(w.synapse_start[e + 1])):
                sums[int(w.synapse_slot[at])] += int(w.synapse_weight[at])
        return sums

    def end(self, now: int) -> list[Effect]:
        """What ran takes effect; returns who fires, entry by entry."""
        self.busy = False
        effects: list[Effect] = []
        if self.taken:
            events = [(key[3], source) for key, _, source in self.taken]
            self.ledger.log(SERVICE, self.index, self.t, self.began, now, events)
            effects.append(self._effect(now, self._reached(), self._sums(), set(self.entering)))
        else:
            for p in self.entering:
                self.ledger.log(BIAS, self.index, self.t, self.began, now, p)
                effects.append(self._effect(now, self.held(p), {}, {p}))
        self.taken, self.entering = [], []
        return effects

    def _effect(self, now: int, reached: list[int], sums: dict[int, int], entering: set[int]) -> Effect:
        """Charge, then everyone over the threshold and allowed to fire fires."""
        self.due -= entering
        fired: list[int] = []
        for i in reached:
            self.registers.settle(i, self.t)
            due = int(self.w.population[i]) in entering
            if self.registers.receive(i, self.registers.drive(i, sums), due):
                fired.append(i)
        for i in fired:
            self.ledger.spike(self.t, self.k, i, self.registers.fire(i), now)
        self.k += 1
        return self.t, fired

    def hold(self, now: int) -> None:
        """A packet of it finds no place."""
        self.held_since = now if self.held_since < 0 else self.held_since

    def release(self, now: int) -> None:
        """All packets of it have left."""
        if self.held_since >= 0:
            self.ledger.hold(self.index, self.held_since, now)
        self.held_since = -1
