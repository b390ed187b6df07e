"""One sample on a chip without a barrier, in plain Python: slow, readable, and the definition of what is right."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from ir.arrays import Ints
from targets.clockless.board import Routes
from targets.clockless.cores import Core
from targets.clockless.deadlock import stuck
from targets.clockless.ledger import Ledger
from targets.clockless.options import Timekeeping
from targets.clockless.registers import Registers
from targets.clockless.wiring import Wiring

ENDS, ARRIVALS, FRAMES, STARTS = range(4)
"""Phases of an instant: a core never starts with half of an instant's arrivals."""

Action = Callable[[], None]


@dataclass(order=True)
class Happening:
    """Something that happens: the order is (time, phase, place, number)."""

    ps: int
    phase: int
    place: int
    number: int
    action: Action = field(compare=False)


@dataclass(frozen=True)
class Packet:
    """Spikes of one service on their way."""

    route: int
    neurons: tuple[int, ...]
    t: int
    flits: int


class PlainSample:
    """One sample.

    Places are the input port, then the cores, then the links, then the word that a queue has room again.

    Args:
        inputs: of each frame, (ps after the frame, input) of every event, in the order in which they enter.
    """

    def __init__(
        self, wiring: Wiring, routes: Routes, time: Timekeeping, inputs: list[list[tuple[int, int]]], ledger: Ledger
    ) -> None:
        self.w, self.routes, self.time, self.inputs, self.ledger = wiring, routes, time, inputs, ledger
        self.model = wiring.core_model
        self.registers = Registers(wiring, self.model.leak == "lazy")
        self.cores = [Core(c, wiring, self.registers, ledger) for c in range(wiring.n_cores)]
        self.heap: list[Happening] = []
        self.number = self.live = self.now = self.order = 0
        self.t = -1
        self.link_free = [0] * len(routes.links)
        self.port: deque[tuple[int, int, int]] = deque()
        self.port_waits = self.port_expected = self.credit_expected = False

    def run(self) -> None:
        """From the first frame to the end of the last.

        Raises:
            DeadlockError: nothing can move any more.
        """
        if self.inputs:
            self._push(0, FRAMES, 0, self._frame)
        while self.heap:
            happening = heappop(self.heap)
            self.live -= happening.phase != FRAMES
            self.now = happening.ps
            happening.action()
            if not self.live and not (self.heap and self.heap[0].ps == self.now):
                self._quiet()
        for core in self.cores:
            core.close_frame()
        self.ledger.end_ps = self.now

    def _push(self, ps: int, phase: int, place: int, action: Action) -> None:
        heappush(self.heap, Happening(ps, phase, place, self.number, action))
        self.number += 1
        self.live += phase != FRAMES

    def _quiet(self) -> None:
        """Nothing runs, travels or comes: biases that are due enter by depth, else the frame is done."""
        if self.port or any(core.out or core.queue for core in self.cores):
            raise stuck(self.cores, self.now, self.t, self.model.queue_events, self._next_packet, self._port_head())
        depths = [int(self.w.depth[p]) for core in self.cores for p in core.due]
        if depths:
            for core in self.cores:
                due = sorted(p for p in core.due if self.w.depth[p] == min(depths))
                if due:
                    self._works(core, core.start_bias(due, self.now))
            return
        if self.ledger.quiescent_ps[self.t] < 0:
            self.ledger.quiescent_ps[self.t] = self.now
        if self.time.period_ps is None and self.t + 1 < len(self.inputs):
            self._push(self.now + self.time.frame_detect_ps, FRAMES, 0, self._frame)

    def _next_packet(self, core: Core) -> tuple[tuple[int, ...], int]:
        """Where a held packet wants to go, and how many places it needs."""
        packet = core.out[0]
        return self.routes.routes[packet.route].targets, len(packet.neurons)

    def _port_head(self) -> tuple[int, ...]:
        """Cores that the waiting input event wants to enter."""
        return () if not self.port else tuple(self.w.entry_core[e] for e in self._entries(self.port[0][2]))

    def _frame(self) -> None:
        self.t += 1
        self.ledger.frame_ps[self.t] = self.now
        for core in self.cores:
            core.frames_to_come += 1
            self._let_frames_in(core)
        for after, index in self.inputs[self.t]:
            source = self.w.n_neurons + index
            for entry in self._entries(source):
                self.ledger.of_core["sent"][self.w.entry_core[entry]] += 1
            self.port.append((self.now + after, self.t, source))
        self._pump()
        if self.time.period_ps is not None and self.t + 1 < len(self.inputs):
            self._push(self.ledger.frame_ps[0] + (self.t + 1) * self.time.period_ps, FRAMES, 0, self._frame)

    def _let_frames_in(self, core: Core) -> None:
        """Frames take effect on a core between two services."""
        while core.frames_to_come and not core.busy:
            lasts = core.begin_frame(self.now)
            if lasts:
                self._works(core, lasts)

    def _works(self, core: Core, lasts: int) -> None:
        self._push(self.now + lasts, ENDS, 1 + core.index, lambda: self._end(core))

    def _end(self, core: Core) -> None:
        """A service, an entry of biases or a sweep ends: what it does takes effect, its spikes leave."""
        for t, fired in core.end(self.now):
            core.out.extend(self._packets(core, t, fired))
        self._let_frames_in(core)
        self._send(core)
        self._wake(core)

    def _packets(self, core: Core, t: int, fired: list[int]) -> list[Packet]:
        """The packets of the neurons that one entry fired, by the cores that hear them."""
        groups: dict[int, list[int]] = {}
        for i in fired:
            groups.setdefault(int(self.routes.group[i]), []).append(i)
        groups.pop(-1, None)
        found, size = [], self.model.packet_spikes
        for group, neurons in groups.items():
            for first in range(0, len(neurons), size):
                part = tuple(neurons[first : first + size])
                for route in self.routes.of_group[group]:
                    found.append(Packet(route, part, t, self.model.flits(len(part))))
                    self.ledger.packet(found[-1].flits, len(part), self.routes.routes[route])
        return found

    def _send(self, core: Core) -> None:
        """Let packets of a core go, in their order, as long as their targets have places."""
        while core.out:
            packet: Packet = core.out[0]
            targets, n = self._next_packet(core)
            if self.model.full == "block":
                if any(self.cores[c].room < n for c in targets):
                    core.hold(self.now)
                    return
                for c in targets:
                    self.cores[c].reserved += n
            core.out.popleft()
            self._push(self.now, ARRIVALS, 1 + core.index, self._arrival(packet, 0))
        core.release(self.now)

    def _arrival(self, packet: Packet, node: int) -> Action:
        return lambda: self._arrive(packet, node)

    def _arrive(self, packet: Packet, node: int) -> None:
        """A packet is on a tile: it enters the queues there, and the links ahead."""
        route = self.routes.routes[packet.route]
        for c in route.cores[node]:
            core = self.cores[c]
            self.ledger.queue_bits(packet.flits)
            if self.model.full == "block":
                core.reserved -= len(packet.neurons)
            for i in packet.neurons:
                self._enqueue(core, 1, i, packet.t, i)
        for link, child in route.children[node]:
            done = max(self.now, self.link_free[link]) + packet.flits * self.model.flit_ps
            self.link_free[link] = done
            self.ledger.crosses(link, packet.flits)
            self._push(done, ARRIVALS, 1 + self.w.n_cores + link, self._arrival(packet, child))

    def _enqueue(self, core: Core, kind: int, order: int, t: int, source: int) -> bool:
        """Put an event in a queue; whether there was a place."""
        entry = next(e for e in self._entries(source) if self.w.entry_core[e] == core.index)
        found = core.enqueue((self.now, kind, order, t), entry, source)
        self._wake(core)
        return found

    def _wake(self, core: Core) -> None:
        if core.may_start and not core.start_expected:
            core.start_expected = True
            self._push(self.now, STARTS, 1 + core.index, lambda: self._start(core))

    def _start(self, core: Core) -> None:
        core.start_expected = False
        if not core.may_start:
            return
        self._works(core, core.start(self.now))
        waits = self.port_waits or any(other.out for other in self.cores)
        if self.model.full == "block" and waits and not self.credit_expected:
            self.credit_expected = True
            self._push(self.now + 1, ENDS, 1 + self.w.n_cores + len(self.link_free), self._credit)

    def _credit(self) -> None:
        """Word that a queue has room again: who waits tries anew."""
        self.credit_expected = False
        for core in self.cores:
            if core.out:
                self._send(core)
                self._wake(core)
        self._pump()

    def _entries(self, source: int) -> range:
        return range(int(self.w.entry_start[source]), int(self.w.entry_start[source + 1]))

    def _pump(self) -> None:
        """Let input events in that are due, each at all of its cores at once."""
        self.port_waits = False
        while self.port:
            ps, t, source = self.port[0]
            entries = self._entries(source)
            if ps > self.now:
                if not self.port_expected:
                    self.port_expected = True
                    self._push(ps, ARRIVALS, 0, self._port_arrives)
                return
            cores = [self.cores[self.w.entry_core[e]] for e in entries]
            if self.model.full == "block" and any(core.room < 1 for core in cores):
                self.port_waits = True
                return
            self.port.popleft()
            for core in cores:
                self.ledger.queue_bits(self.model.flits(1))
                if self._enqueue(core, 0, self.order, t, source):
                    core.log_input(self.now, t, source)
            self.order += 1

    def _port_arrives(self) -> None:
        self.port_expected = False
        self._pump()


def inputs_of(ordered: Ints, after: Ints) -> list[tuple[int, int]]:
    """Input events of a frame as ``PlainSample`` takes them."""
    return list(zip(after.tolist(), ordered.tolist()))
