"""Run an integer network on a batch in plain numpy: slow, readable, and the definition of what is right."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np

from ir.arrays import Bits, Ints
from ir.encoder import hosted
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork, limit_names
from ir.runnable import check_record, check_run
from ir.schedule import Schedule
from ir.state import State, is_graded
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace, count_spikes
from sim_reference.cut import Cut
from sim_reference.layered import run_layered_sample
from sim_reference.layout import Layout, as_mapped, layout_of
from sim_reference.neurons import Dynamics, dynamics_of
from sim_reference.registers import LimitCounts
from sim_reference.serve import check_order
from sim_reference.waiting import Moment, Waiting, WaitingAtReceivers

WAITING: dict[str, type[Waiting] | type[WaitingAtReceivers]] = {
    "network": Waiting,
    "core": Waiting,
    "receiver": WaitingAtReceivers,
}
"""What waits under each scope of ``ir.schedule.SCOPES``."""

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass
class Record:
    """What one sample leaves behind while it runs; ``states`` are (T, N), those that were asked for, and ``sent``
    (T, N) how often neurons delivered their weights."""

    states: dict[str, Ints]
    forward_steps: Ints
    sent: Ints
    rows: list[list[int]] = field(default_factory=list)
    """(t, k, neuron, m, k_served, payload) of each spike."""

    @staticmethod
    def empty(names: Collection[str], n_steps: int, n_neurons: int) -> Record:
        """A record of as many time steps; 0 in neurons that lack a state."""
        shape = n_steps, n_neurons
        states = {name: np.zeros(shape, np.int64) for name in names}
        return Record(states, np.zeros(n_steps, np.int64), np.zeros(shape, np.int64))

    def fired(self, n_neurons: int) -> Bits:
        """(N,) who fired in the last time step."""
        last = len(self.forward_steps) - 1
        found = np.zeros(n_neurons, bool)
        found[[row[2] for row in self.rows if row[0] == last]] = True
        return found

    def add(self, t: int, k: int, neurons: Ints, m: Ints, k_served: int, carried: Ints) -> range:
        """Append the spikes of one round and return their row numbers."""
        start = len(self.rows)
        self.rows += [[t, k, int(i), int(mi), k_served, int(q)] for i, mi, q in zip(neurons, m, carried)]
        return range(start, len(self.rows))

    def keep(self, t: int, group: Dynamics) -> None:
        """Write a group's states at the end of time step t."""
        for name, values in self.states.items():
            if name in group.states:
                values[t, group.members.at] = group.states[name]


@hosted
def run(
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule | None = None,
    *,
    record: Collection[str] = ("v",),
    progress: Progress | None = None,
    state: State | None = None,
    keep_state: bool = False,
) -> Trace:
    """Execute the network and record every spike.

    Args:
        schedule: None = the one the network was trained for.
        record: names of the neurons' states that the trace holds, (T, B, N), in register units: ``v``, ``u``, ...;
            0 in populations without it. Under the asynchronous schedule u is 0 in those without current memory.
        progress: called after each sample.
        state: where the samples go on from: what a run of the time steps before has left; None = they begin.
        keep_state: leave ``trace.state``, for a run of the time steps that follow.

    Raises:
        ValueError: the network, the stimulus and the schedule do not go together.
    """
    layout = layout_of(mapped)
    schedule = layout.network.schedule if schedule is None else schedule
    cut = Cut(layout.network, stimulus, check_run(layout.network, stimulus, schedule, state), keep_state)
    check_order(schedule)
    check_record(layout.network, record)
    reached, records = LimitCounts(limit_names(layout.network)), []
    groups = _groups(layout, schedule, reached)
    for b in range(stimulus.n_samples):
        sample = Record.empty(record, stimulus.n_steps, layout.n_neurons)
        cut.begin(b, groups.values())
        if schedule.kind == "layered":
            run_layered_sample(layout, groups, cut.frames(b), cut.sent_before(b), cut.t0, sample, reached)
        else:
            _Sample(layout, tuple(groups.values()), stimulus, schedule, b, cut.t0, sample, reached).run()
        cut.end(b, groups.values(), sample.sent, sample.fired(layout.n_neurons))
        records.append(sample)
        if progress is not None:
            progress(b + 1, stimulus.n_samples)
    return replace(_trace(layout, mapped, stimulus, schedule, records, reached, record), state=cut.left())


def _groups(layout: Layout, schedule: Schedule, reached: LimitCounts) -> dict[str, Dynamics]:
    """What moves together: a population where they fire in turn (layered), all neurons of a model elsewhere."""
    alone = {p.name: layout.members([p]) for p in layout.network.populations}
    together = alone if schedule.kind == "layered" else layout.by_model()
    return {name: dynamics_of(members, reached) for name, members in together.items()}


class _Sample:
    """One sample under the asynchronous schedule."""

    def __init__(
        self,
        layout: Layout,
        groups: tuple[Dynamics, ...],
        stimulus: Stimulus,
        schedule: Schedule,
        b: int,
        t0: int,
        record: Record,
        reached: LimitCounts,
    ) -> None:
        self.layout, self.groups, self.stimulus, self.schedule, self.b = layout, groups, stimulus, schedule, b
        self.t0, self.record, self.reached = t0, record, reached
        assert stimulus.sample_ids is not None
        self.sample_id = int(stimulus.sample_ids[b])

    def run(self) -> None:
        for t in range(self.stimulus.n_steps):
            for group in self.groups:
                group.begin_time_step(self.t0 + t)
            self.record.forward_steps[t] = self._time_step(t)
            for group in self.groups:
                self.record.keep(t, group)

    def _time_step(self, t: int) -> int:
        """Serve what waits until nothing is on its way or the run is stopped; returns the number of forward steps."""
        layout = self.layout
        fired = np.zeros(layout.n_neurons, bool)
        rows: dict[int, list[int]] = {}
        waiting = WAITING[self.schedule.scope](layout, self.schedule, self._moment(t))
        first_output, k = None, 0
        while True:
            spikes, m, carried = self._round(waiting.drive(self.reached), k, fired)
            neurons = np.flatnonzero(spikes)
            for row in self.record.add(t, k, neurons, m[neurons], -1, carried[neurons]):
                rows.setdefault(self.record.rows[row][2], []).append(row)
            waiting.add(neurons, m[neurons], k, carried[neurons])
            self.record.sent[t] += np.where(spikes, carried, 0)
            fired |= spikes & layout.refractory
            if first_output is None and spikes[layout.output].any():
                first_output = k
            if self._stops(k, first_output):
                return k + 1
            for row in (row for i in waiting.serve(k) for row in rows.pop(int(i))):
                self.record.rows[row][4] = k
            if not waiting.on_its_way and layout.last_due <= k:
                return k + 1
            k += 1

    def _moment(self, t: int) -> Moment:
        frame = self.stimulus.frames[t, self.b].astype(np.int64)
        events = frame[:0] if self.schedule.input == "first" else self.stimulus.inputs_in_order(self.b, t)
        return Moment(self.sample_id, self.t0 + t, frame, events)

    def _round(self, x: Ints, k: int, fired: Bits) -> tuple[Bits, Ints, Ints]:
        """Let a drive reach all neurons, and fire whom it lifts above the threshold.

        Returns:
            Who spikes, the membranes just before the reset, and what a spike carries, (N,) each.
        """
        n = self.layout.n_neurons
        spikes, m, carried = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
        for group in self.groups:
            at = group.members.at
            resting = fired[at]
            group.receive(x[at], k)
            group.rest(resting)
            firing = group.fires() & ~resting
            spikes[at], m[at] = firing, group.states["v"]
            carried[at] = group.fire(firing)
        return spikes, m, carried

    def _stops(self, k: int, first_output: int | None) -> bool:
        """Whether this round is the last although spikes may wait."""
        after, after_output = self.schedule.stop_after, self.schedule.stop_after_output
        return (after is not None and k + 1 >= after) or (
            after_output is not None and first_output is not None and k - first_output >= after_output
        )


def _trace(
    layout: Layout,
    mapped: MappedNetwork | QuantizedNetwork,
    stimulus: Stimulus,
    schedule: Schedule,
    records: list[Record],
    reached: LimitCounts,
    record: Collection[str],
) -> Trace:
    """Put the samples together."""
    n, ids = layout.n_neurons, stimulus.sample_ids
    assert ids is not None
    sample = np.repeat(ids, [len(r.rows) for r in records])
    rows = np.concatenate([np.zeros((0, 6), np.int64), *(np.array(r.rows, np.int64).reshape(-1, 6) for r in records)])
    t, k, neuron, k_served = rows[:, [0, 1, 2, 4]].T.astype(np.int32)
    payload = rows[:, 5] if is_graded(layout.network) else None
    spikes = Spikes(sample, t, k, neuron, rows[:, 3], k_served, payload=payload)
    shape = stimulus.n_steps, len(records)

    def stacked(parts: list[Ints]) -> Ints:
        return np.stack(parts, 1) if parts else np.zeros((*shape, n), np.int64)

    return Trace(
        executor="E2",
        spikes=spikes,
        counts=count_spikes(spikes, ids, n),
        states={name: stacked([r.states[name] for r in records]) for name in record},
        forward_steps=np.array([r.forward_steps for r in records], np.int32).reshape(shape[::-1]).T,
        sample_ids=ids,
        populations=layout.populations(),
        output=layout.network.output,
        output_fires=layout.network.output_fires,
        schedule=schedule,
        labels=stimulus.labels,
        core_of_neuron=as_mapped(mapped).core_of_neuron if isinstance(mapped, MappedNetwork) else None,
        limits_reached=dict(reached),
    )
