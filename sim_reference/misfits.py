"""Replay a trace neuron by neuron: what would each have done, given what reached it there?

Whatever a trace says of a neuron's past is taken from the trace, so a neuron misfits only where its own numbers, or
those of the weights into it, are not the network's. A run goes its own way after its first difference, a replay does
not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ir.arrays import Array, Bits, Ints
from ir.check import require
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork, limit_names
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from sim_reference.drive import projected, register_drive
from sim_reference.layered import arriving
from sim_reference.layout import Layout, Link, layout_of
from sim_reference.neurons import Dynamics, dynamics_of
from sim_reference.registers import LimitCounts
from sim_reference.serve import KeyAddress, Queue, in_order, served

END = -1
"""Stands for "at the end of the time step" where a forward step would be named."""


@dataclass(frozen=True)
class Misfit:
    """A neuron that did something else than the network has it do.

    Attributes:
        position: of the sample in the batch. k: forward step; ``END`` for the membrane that a time step leaves.
        expected, found: membrane before a reset or at the end, in register units; found None = not recorded.
        fires, fired: whether it spikes here by the network, and in the trace; both False at the end.
    """

    position: int
    t: int
    k: int
    neuron: int
    expected: int
    found: int | None
    fires: bool = False
    fired: bool = False


def replay(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    trace: Trace,
    schedule: Schedule,
    positions: Sequence[int],
    only: Collection[str] | None = None,
    most: int | None = None,
) -> list[Misfit]:
    """Find what neurons of some samples did that the network does not explain.

    Args:
        trace: of the same network but for some numbers.
        schedule: its kind and input rule count; who is served is the trace's.
        positions: samples of the batch.
        only: populations to look at; None = all.
        most: stop behind the sample in which so many misfits are reached; None = look at all.

    Raises:
        ValueError: the trace only counted, or events wait in the queue with the neurons, which a trace does not tell.
    """
    require(trace.spikes is not None, "a trace that only counted cannot be replayed; record spikes")
    known = schedule.kind == "layered" or schedule.input == "first"
    require(
        known, f"a trace does not tell when events of input rule {schedule.input!r} arrived; only 'first' is replayed"
    )
    layout = layout_of(mapped)
    chosen = [p for p in layout.network.populations if only is None or p.name in only]
    reached = LimitCounts(limit_names(layout.network))
    groups = {p.name: dynamics_of(layout.members([p]), reached) for p in chosen}
    found: list[Misfit] = []
    for b in positions:
        for state in (state for group in groups.values() for state in group.states.values()):
            state[:] = 0
        sample = _Sample(layout, groups, stimulus.frames[:, b], _Rows(trace, b), reached, b)
        found += sample.layered() if schedule.kind == "layered" else sample.asynchronous()
        if most is not None and len(found) >= most:
            break
    return found


class _Rows:
    """One sample of a trace: its spikes by time step, and its states."""

    def __init__(self, trace: Trace, b: int) -> None:
        s = trace.spikes
        assert s is not None
        mine = s.sample == trace.sample_ids[b]
        self.t, self.k, self.neuron, self.k_served = s.t[mine], s.k[mine], s.neuron[mine], s.k_served[mine]
        self.m, self.n = s.m[mine], trace.n_neurons
        self.rounds: Ints = trace.forward_steps[:, b].astype(np.int64)
        self.states: dict[str, Array] = {name: values[:, b] for name, values in trace.states.items()}
        self.bounds = np.searchsorted(self.t, np.arange(len(self.rounds) + 1))

    def of(self, t: int) -> slice:
        return slice(int(self.bounds[t]), int(self.bounds[t + 1]))

    def spikes(self, t: int, k: int | None) -> tuple[Bits, Ints]:
        """(N,) who spikes in a forward step, or anywhere in the time step, and with which membranes."""
        at = self.of(t)
        rows = np.arange(at.start, at.stop)
        rows = rows if k is None else rows[self.k[at] == k]
        fired, m = np.zeros(self.n, bool), np.zeros(self.n, np.int64)
        fired[self.neuron[rows]] = True
        m[self.neuron[rows]] = self.m[rows]
        return fired, m

    def served(self, t: int, k: int) -> Ints:
        """(N,) how many spikes of each neuron leave the queue in a forward step."""
        at = self.of(t)
        return np.bincount(self.neuron[at][self.k_served[at] == k], minlength=self.n)


class _Sample:
    """One sample, replayed."""

    def __init__(
        self, layout: Layout, groups: dict[str, Dynamics], frames: Array, rows: _Rows, reached: LimitCounts, b: int
    ) -> None:
        self.layout, self.groups, self.frames, self.rows, self.reached, self.b = (
            layout,
            groups,
            frames,
            rows,
            reached,
            b,
        )
        self.links = {name: [x for x in layout.links if x.post == layout.blocks[name]] for name in groups}

    def asynchronous(self) -> list[Misfit]:
        found: list[Misfit] = []
        for t in range(len(self.rows.rounds)):
            for group in self.groups.values():
                group.begin_time_step(t)
            fired, delivered = np.zeros(self.layout.n_neurons, bool), np.zeros(self.layout.n_neurons, np.int64)
            inputs = self.frames[t].astype(np.int64)
            for k in range(int(self.rows.rounds[t])):
                now, m = self.rows.spikes(t, k)
                for name, group in self.groups.items():
                    x = self._drive(
                        name, [(inputs if link.from_input else delivered)[link.pre] for link in self.links[name]]
                    )
                    found += self._round(group, x, (t, k), fired, now, m)
                fired |= now & self.layout.refractory
                delivered, inputs = self.rows.served(t, k), np.zeros_like(inputs)
            found += self._end(t)
        return found

    def layered(self) -> list[Misfit]:
        found: list[Misfit] = []
        sent = np.zeros((len(self.rows.rounds), self.layout.n_neurons), np.int64)
        resting = np.zeros(self.layout.n_neurons, bool)
        for t in range(len(self.rows.rounds)):
            now, m = self.rows.spikes(t, None)
            sent[t] = now
            for name, group in self.groups.items():
                group.begin_time_step(t)
                x = self._drive(name, [arriving(x, self.frames if x.from_input else sent, t) for x in self.links[name]])
                found += self._round(group, x, (t, None), resting, now, m)
            found += self._end(t)
        return found

    def _drive(self, name: str, sources: Sequence[Ints]) -> Ints:
        at = self.layout.blocks[name]
        a = np.zeros(at.stop - at.start, np.int64)
        for link, q in zip(self.links[name], sources):
            a += _projected(link, q, self.reached)
        return register_drive(a, self.layout.arithmetic, self.reached)

    def _round(
        self, group: Dynamics, x: Ints, when: tuple[int, int | None], fired: Bits, now: Bits, m: Ints
    ) -> list[Misfit]:
        """Let a drive arrive and compare who fires; reset those that did in the trace."""
        at, (t, k) = group.members.at, when
        resting = fired[at]
        group.receive(x, k)
        if k is not None:
            group.rest(resting)
        firing = group.fires() & ~resting
        v, truth = group.states["v"].copy(), now[at]
        wrong = np.flatnonzero((firing != truth) | (truth & (v != m[at])))
        round_ = self.layout.order.place[group.members.populations[0].name] if k is None else k
        index = np.arange(self.layout.n_neurons)[at]
        group.fire(truth)
        return [self._misfit(t, round_, int(index[i]), int(v[i]), m, bool(firing[i]), bool(truth[i])) for i in wrong]

    def _misfit(self, t: int, k: int, neuron: int, v: int, m: Ints, fires: bool, fired: bool) -> Misfit:
        found = int(m[neuron]) if fired else None
        return Misfit(self.b, t, k, neuron, int(v), found, fires, fired)

    def _end(self, t: int) -> list[Misfit]:
        """Compare the states that a time step leaves, and go on from the trace's."""
        found: list[Misfit] = []
        for group in self.groups.values():
            index = np.arange(self.layout.n_neurons)[group.members.at]
            for name, state in group.states.items():
                if name not in self.rows.states:
                    continue
                truth = self.rows.states[name][t, index].astype(np.int64)
                if name == "v":
                    wrong = np.flatnonzero(truth != state)
                    found += [Misfit(self.b, t, END, int(index[i]), int(state[i]), int(truth[i])) for i in wrong]
                state[:] = truth
        return found


def _projected(link: Link, q: Ints, reached: LimitCounts) -> Ints:
    return projected(link, q, reached) if q.any() else np.zeros(link.post.stop - link.post.start, np.int64)


def misserved(
    mapped: MappedNetwork | QuantizedNetwork, trace: Trace, schedule: Schedule, positions: Sequence[int]
) -> int:
    """In how many forward steps of some samples others were served than a schedule says, given who waited there."""
    layout, wrong = layout_of(mapped), 0
    for b in positions:
        rows = _Rows(trace, b)
        for t in range(len(rows.rounds)):
            queue = Queue.empty(rows.n)
            for k in range(int(rows.rounds[t])):
                now, m = rows.spikes(t, k)
                neurons = np.flatnonzero(now)
                queue.add(neurons, m[neurons], k, np.ones(len(neurons), np.int64))
                truth = np.flatnonzero(rows.served(t, k))
                last = k + 1 == rows.rounds[t]
                address = KeyAddress(schedule.seed, int(trace.sample_ids[b]), t, k)
                best = served(in_order(queue, schedule, address), schedule, layout.core_of_neuron)
                wrong += not np.array_equal(np.sort(best), truth) and not (last and not len(truth))
                queue.q[truth] = 0
                queue.delivers[truth] = 0
    return wrong


def most_served(trace: Trace) -> int | None:
    """The group size that a trace shows: the most entries that left the queue in one forward step; None = none did."""
    s = trace.spikes
    if s is None or not (s.k_served >= 0).any():
        return None
    rows = np.stack([s.sample, s.t, s.k_served, s.neuron], 1)[s.k_served >= 0].astype(np.int64)
    rounds = np.unique(rows, axis=0)[:, :3]
    return int(np.unique(rounds, axis=0, return_counts=True)[1].max())
