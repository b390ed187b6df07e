"""Replay the log of a timed run without time, queues or mesh: it must give the same spikes and membranes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ir.arrays import Bits, Ints
from ir.connection import Dense, apply, with_weight
from ir.mapped import MappedNetwork
from ir.quantized import limit_names
from ir.stimulus import Stimulus
from ir.timing import BIAS, FRAME, INPUT, PER_CORE, SERVICE, EffectLog
from ir.trace import Trace
from sim_reference.drive import register_drive
from sim_reference.layout import Layout, Link, layout_of
from sim_reference.neurons.lif import columns_of
from sim_reference.registers import LimitCounts, leak, wrap, wrap_current


class LawError(ValueError):
    """A log that is none: an entry takes what is not there, or its replay differs from the run."""


@dataclass(frozen=True)
class Replayed:
    """How much of a run a replay compared: log entries, spikes, and values of states and counters."""

    entries: int
    spikes: int
    values: int


def check_law(mapped: MappedNetwork, stimulus: Stimulus, trace: Trace, b: int, log: EffectLog) -> Replayed:
    """Replay sample b and hold the run to it: spikes, their times, states, edges reached of one sample, copies taken.

    Raises:
        LawError: the first thing in which they differ.
    """
    timing, spikes = trace.timing, trace.spikes
    if timing is None or spikes is None or stimulus.sample_ids is None:
        raise LawError("the trace is of no timed run; run it --on clockless")
    replay = Replay(mapped, stimulus.frames[:, b], timing.said["targetless spikes"], int(timing.said["group"]))
    replay.run(log)
    mine = spikes.sample == stimulus.sample_ids[b]
    assert spikes.ps is not None
    of_run = np.stack([x[mine] for x in (spikes.t, spikes.k, spikes.neuron, spikes.m, spikes.ps)], 1)
    found = np.array(sorted(replay.rows), np.int64).reshape(-1, 5)
    _same("spikes", of_run[np.lexsort(of_run.T[::-1])], found)
    compared = found.size
    for name, states in trace.states.items():
        _same(f"{name} at the end of time steps", states[:, b], replay.states[name])
        compared += states[:, b].size
    lost = timing.of_cores("dropped")[b] + timing.of_cores("left")[b]
    pairs = {"sent": replay.sent, "taken": replay.taken, "dropped or left": replay.sent - replay.taken}
    for name, replayed in pairs.items():
        _same(f"copies {name} by core", timing.of_cores(name)[b] if name in PER_CORE else lost, replayed)
        compared += len(mapped.cores)
    if len(trace.sample_ids) == 1:  # edges are counted over all samples of a run
        _same("edges reached", np.array(list(trace.limits_reached.values())), np.array(list(replay.reached.values())))
        compared += len(replay.reached)
    return Replayed(len(log.entries), len(found), int(compared))


def _same(what: str, run: Ints, replayed: Ints) -> None:
    if run.shape != replayed.shape or bool((run != replayed).any()):
        sizes = f"{run.shape} in the run, {replayed.shape} replayed"
        where = sizes if run.shape != replayed.shape else f"first at {np.argwhere(run != replayed)[0].tolist()}"
        raise LawError(f"the run and the replay of its log differ in {what}: {where}")


class Replay:
    """One sample's neurons, and which events each core has received and not yet taken."""

    def __init__(self, mapped: MappedNetwork, frames: Ints, targetless: str, group: int) -> None:
        self.layout: Layout = layout_of(mapped)
        self.frames, self.targetless, self.group = frames, targetless, group
        n, self.n_cores, t = self.layout.n_neurons, len(mapped.cores), len(frames)
        self.lif = columns_of(self.layout.members(self.layout.network.populations))
        self.core = self.layout.core_of_neuron
        self.v, self.u, self.late, self.rests = (np.zeros(n, kind) for kind in (np.int64, np.int64, np.int64, bool))
        self.states = {name: np.zeros((t, n), np.int64) for name in ("v", "u", "late")}
        self.reached = LimitCounts(limit_names(self.layout.network))
        self.frame_of, self.k = [-1] * self.n_cores, [0] * self.n_cores
        self.due: set[tuple[int, int]] = set()
        self.received: list[Counter[tuple[int, int]]] = [Counter() for _ in range(self.n_cores)]
        self.entered: Counter[tuple[int, int, int]] = Counter()
        self.sent, self.taken = np.zeros(self.n_cores, np.int64), np.zeros(self.n_cores, np.int64)
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.hears = {source: self._hears(source) for source in range(n + self.layout.network.n_inputs)}
        self.populations = list(self.layout.blocks.values())

    def _q(self, sources: Counter[int]) -> tuple[Ints, Ints]:
        """How often each neuron and each input is delivered."""
        q = np.zeros(self.layout.n_neurons + self.layout.network.n_inputs, np.int64)
        for source, times in sources.items():
            q[source] = times
        return q[: self.layout.n_neurons], q[self.layout.n_neurons :]

    def _targets(self, sources: Counter[int]) -> Bits:
        """(N,) whom any of the sources has a synapse to, whatever its weight."""
        neurons, inputs = self._q(sources)
        found = np.zeros(self.layout.n_neurons, bool)
        for link in self.layout.links:
            q = (inputs if link.from_input else neurons)[link.pre]
            if q.any():
                found[link.post] |= _structure(link, q)
        return found

    def _hears(self, source: int) -> list[int]:
        """The cores that a source's spikes go to."""
        cores = np.unique(self.core[self._targets(Counter([source]))]).tolist()
        if cores or self.targetless == "host":
            return cores
        return [int(self.core[source]) if source < self.layout.n_neurons else 0]

    def run(self, log: EffectLog) -> None:
        """Let the entries take effect, one after the other."""
        for kind, core, t, _, ps, first, size in log.entries.tolist():
            events = [(int(a), int(s)) for a, s in log.events[first : first + size]] if kind != BIAS else []
            if kind == FRAME:
                self._frame(core, t)
            elif kind == INPUT:
                self._input(core, events)
            elif kind == BIAS:
                self._bias(core, first, t, ps)
            elif kind == SERVICE:
                self._service(core, t, events, ps)
            else:
                raise LawError(f"the log has an entry of kind {kind}; there are four")
        for core in range(self.n_cores):
            self._require(self.frame_of[core] == len(self.frames) - 1, core, "ends before the last time step")
            self._keep(core)
        for i, n in enumerate(self.frames.sum(0).tolist()):
            for core in self.hears[self.layout.n_neurons + i]:
                self.sent[core] += n

    def _require(self, holds: bool, core: int, what: str) -> None:
        if not holds:
            raise LawError(f"the log of core {core} {what}")

    def _keep(self, core: int) -> None:
        t, mine = self.frame_of[core], self.core == core
        if t >= 0:
            for name, values in self.states.items():
                values[t, mine] = getattr(self, name)[mine]

    def _frame(self, core: int, t: int) -> None:
        self._require(t == self.frame_of[core] + 1, core, f"takes time step {t} after {self.frame_of[core]}")
        self._keep(core)
        mine = self.core == core
        back = mine & self.lif.resets_at(t)
        self.v[back] = self.u[back] = self.late[back] = 0
        self.v[mine] = leak(self.v, self.lif.decay_v)[mine]
        self.u[mine] = np.where(self.lif.has_current, leak(self.u, self.lif.decay_u), 0)[mine]
        self._reset_late(np.flatnonzero(mine & (self.late > 0)))
        self.rests[mine] = False
        self.frame_of[core], self.k[core] = t, 0
        self.due = {pair for pair in self.due if pair[0] != core}
        self.due |= {
            (core, p)
            for p, block in enumerate(self.populations)
            if mine[block].any() and self.layout.network.populations[p].neuron.due
        }

    def _reset_late(self, at: Ints) -> None:
        """What fired in the time step before resets now, where its reset is late."""
        lif, a = self.lif, self.layout.arithmetic
        less = self.v[at] - lif.threshold[at]
        held = np.where(lif.subtract_late[at], np.clip(less, lif.v_min[at], a.v_max), less)
        held = self.reached.apply("v", less, held)
        self.v[at] = np.where(lif.zero_late[at], 0, held)
        self.late[at] = 0

    def _input(self, core: int, events: list[tuple[int, int]]) -> None:
        for t, source in events:
            i = source - self.layout.n_neurons
            self._require(i >= 0 and core in self.hears[source], core, f"has an input event of source {source}")
            self.entered[core, t, i] += 1
            self._require(self.entered[core, t, i] <= int(self.frames[t, i]), core, f"has too many events of input {i}")
            self.received[core][t, source] += 1

    def _bias(self, core: int, p: int, t: int, ps: int) -> None:
        self._require((core, p) in self.due, core, f"lets the bias of population {p} in, which is not due")
        self._effect(core, t, Counter(), {p}, ps)

    def _service(self, core: int, t: int, events: list[tuple[int, int]], ps: int) -> None:
        self._require(0 < len(events) <= self.group, core, f"takes {len(events)} events in one service")
        for event in events:
            self._require(self.received[core][event] > 0, core, f"takes event {event}, which it has not or has taken")
            self.received[core][event] -= 1
        self.taken[core] += len(events)
        sources = Counter(source for _, source in events)
        touched = self._targets(sources) & (self.core == core)
        entering = {p for c, p in self.due if c == core and touched[self.populations[p]].any()}
        self._effect(core, t, sources, entering, ps)

    def _effect(self, core: int, t: int, sources: Counter[int], entering: set[int], ps: int) -> None:
        """Charge, then everyone over the threshold and allowed to fire fires."""
        self._require(
            t == self.frame_of[core], core, f"works in time step {t}, its neurons are in {self.frame_of[core]}"
        )
        mine = self.core == core
        due = np.zeros(len(mine), bool)
        for p in entering:
            due[self.populations[p]] = True
            self.due.discard((core, p))
        at = np.flatnonzero(mine & (self._targets(sources) | due))
        self._receive(at, self._drive(at, sources), due[at])
        firing = at[(self.v[at] > self.lif.threshold[at]) & ~self.rests[at]]
        self.rows += [(t, self.k[core], int(i), int(self.v[i]), ps) for i in firing]
        late = self.lif.zero_late | self.lif.subtract_late
        left = np.where(self.lif.subtract, self.v - self.lif.threshold, np.where(self.lif.stays, self.v, 0))
        self.v[firing], self.late[firing] = left[firing], late[firing]
        self.rests[firing] = self.layout.refractory[firing]
        self.k[core] += 1
        for i in firing.tolist():
            for target in self.hears[i]:
                self.received[target][t, i] += 1
                self.sent[target] += 1

    def _drive(self, at: Ints, sources: Counter[int]) -> Ints:
        """What the sources bring to neurons ``at``, in register units."""
        neurons, inputs = self._q(sources)
        total = np.zeros(self.layout.n_neurons, np.int64)
        here = np.zeros(self.layout.n_neurons, bool)
        here[at] = True
        for link in self.layout.links:
            q = (inputs if link.from_input else neurons)[link.pre]
            if q.any():
                a = apply(link.connection, q)[here[link.post]]
                a = a << link.weight_exp if link.weight_exp >= 0 else a >> -link.weight_exp
                total[link.post][here[link.post]] += self.reached.apply("int32", a, wrap(a, 31))
        return register_drive(total[at], self.layout.arithmetic, self.reached)

    def _receive(self, at: Ints, x: Ints, due: Bits) -> None:
        a, lif, reached = self.layout.arithmetic, self.lif, self.reached
        keeps = lif.has_current[at]
        total = np.where(keeps, self.u[at], 0) + x + np.where(due, lif.bias_u[at], 0)
        total = reached.apply("int32", total, wrap(total, 31))
        u = reached.apply("u", total, wrap_current(total, a))
        arriving: Ints = np.where(due | ~keeps, u, x)
        bias: Ints = np.where(due, lif.bias[at], 0)
        if a.bias_in_u:
            s: Ints = arriving + bias
            arriving, bias = reached.apply("u", s, np.where(due, wrap_current(s, a), s)), np.zeros_like(bias)
        v = self.v[at] + arriving + bias
        v = reached.apply("int32", v, wrap(v, 31))
        held = reached.apply("v", v, np.clip(v, lif.v_min[at], a.v_max))
        self.u[at] = np.where(keeps, u, 0)
        self.v[at] = np.where(self.rests[at] & ~lif.waits[at], 0, held)


def _structure(link: Link, q: Ints) -> Bits:
    """Whom of a link's targets a source with q > 0 has a synapse to."""
    c = link.connection
    if isinstance(c, Dense):
        return np.ones(c.n_post, bool)
    return apply(with_weight(c, np.ones_like(c.weight)), (q > 0).astype(np.int64)) > 0
