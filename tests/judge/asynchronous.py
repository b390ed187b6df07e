"""A time step under the asynchronous schedule, from docs/semantics.md: one queue, one a core, one at each receiver."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.chip import Block, Chip
from tests.judge.numbers import key

NEVER = -1


@dataclass
class Spike:
    """(sample, t, k, neuron, m, k_served)."""

    sample: int
    t: int
    k: int
    neuron: int
    m: int
    k_served: int = NEVER

    def row(self) -> tuple[int, int, int, int, int, int]:
        return (self.sample, self.t, self.k, self.neuron, self.m, self.k_served)


@dataclass
class Entry:
    """A place in the queue: a neuron's unserved spikes, or one input event.

    Attributes:
        event: position of the event by time stamp; None = a neuron's entry.
    """

    source: int
    event: int | None = None
    spikes: list[Spike] = field(default_factory=list)

    def before(self, schedule: Schedule, sample: int, t: int, k: int) -> tuple[int, ...]:
        """Smaller is served first."""
        if schedule.order == "random":
            return (key(schedule.seed, sample, t, k, self.source), self.source)
        if self.event is not None:
            return (0, self.event)
        newest = self.spikes[-1]
        if schedule.order == "fifo":
            return (1, newest.k, self.source)
        return (1, -newest.m, key(schedule.seed, sample, t, k, self.source), self.source)


def fire(block: Block, done: set[int], sample: int, t: int, k: int, waits: bool = False) -> list[Spike]:
    """Steps a (its second half) to c of one population, unless it ``waits``; ``done`` holds the refractory neurons."""
    spikes: list[Spike] = []
    for index, neuron in enumerate(block.neurons, block.start):
        if index in done:
            neuron.v = 0 if block.reset == "zero" else neuron.v
        elif not waits and neuron.threshold is not None and neuron.v > neuron.threshold:
            spikes.append(Spike(sample, t, k, index, neuron.v))
            block.after_spike(neuron)
            if block.refractory:
                done.add(index)
    return spikes


def ordered_events(stimulus: Stimulus, b: int, t: int) -> list[int]:
    """Inputs of one time step's events, by time stamp, ties by index."""
    if stimulus.events is not None:
        rows = [row for row in stimulus.events.tolist() if row[0] == b and row[1] == t]
        return [source for _, source in sorted((stamp, source) for _, _, stamp, source in rows)]
    return [i for i, count in enumerate(stimulus.frames[t, b].tolist()) for _ in range(count)]


class AsynchronousStep:
    """One time step of one sample, round by round."""

    def __init__(self, chip: Chip, cores: list[int], stimulus: Stimulus, schedule: Schedule, b: int, t: int) -> None:
        assert stimulus.sample_ids is not None
        self.chip, self.cores, self.schedule, self.t = chip, cores, schedule, t
        self.sample = int(stimulus.sample_ids[b])
        self.queue: dict[object, Entry] = {}
        self.coming: list[int] = []
        self.arriving: Counter[int] = Counter()
        n = chip.n_neurons
        if schedule.input == "first":
            self.arriving.update({n + i: c for i, c in enumerate(stimulus.frames[t, b].tolist()) if c})
        else:
            self.coming = [n + i for i in ordered_events(stimulus, b, t)]
        if schedule.input == "queued":
            self.queue = {("event", at): Entry(source, at) for at, source in enumerate(self.coming)}
            self.coming = []
            self.arriving = Counter(entry.source for entry in self.serve(-1))
        self.take()

    def take(self) -> list[int]:
        """Paced events join what arrives next."""
        taken, self.coming = self.coming[: self.schedule.R], self.coming[self.schedule.R :]
        self.arriving.update(taken)
        return taken

    def serve(self, k: int) -> list[Entry]:
        """The best F entries, of each core or of all, leave the queue."""
        served: list[Entry] = []
        for core in set(self.cores) if self.schedule.scope == "core" else [None]:
            names = [n for n, e in self.queue.items() if core is None or self.cores[e.source] == core]
            names.sort(key=lambda name: self.queue[name].before(self.schedule, self.sample, self.t, k))
            served += [self.queue.pop(name) for name in names[: self.schedule.F]]
        for entry in served:
            for spike in entry.spikes:
                spike.k_served = k
        return served

    def run(self) -> tuple[list[Spike], int]:
        """All spikes, and the number of rounds."""
        spikes: list[Spike] = []
        done: set[int] = set()
        first_output: int | None = None
        k = 0
        while True:
            x = self.drive()
            fired: list[Spike] = []
            for block in self.chip.blocks:
                end = block.start + len(block.neurons)
                block.receive(x[block.start : end], self.chip.edges, (k > block.depth) - (k < block.depth))
                fired += fire(block, done, self.sample, self.t, k, block.waits and k < block.depth)
            spikes += fired
            self.enter(fired)
            if first_output is None and any(spike.neuron in self.chip.output for spike in fired):
                first_output = k
            if self.stopped(k, first_output) or not self.goes_on(k):
                return spikes, k + 1
            k += 1

    def drive(self) -> list[int]:
        """(N,) what reaches every neuron in this round."""
        return self.chip.total(self.chip.share(self.arriving))

    def enter(self, fired: list[Spike]) -> None:
        """Spikes wait in the queue."""
        for spike in fired:
            self.queue.setdefault(spike.neuron, Entry(spike.neuron)).spikes.append(spike)

    def stopped(self, k: int, first_output: int | None) -> bool:
        """Whether the run is stopped by force after step d of round k."""
        n, after = self.schedule.stop_after, self.schedule.stop_after_output
        by_rounds = n is not None and k + 1 == n
        return by_rounds or (after is not None and first_output is not None and k - first_output >= after)

    def goes_on(self, k: int) -> bool:
        """Serve, and say whether anything is on its way to a neuron."""
        served = self.serve(k)
        self.arriving = Counter()
        for entry in served:
            self.arriving[entry.source] += len(entry.spikes) if entry.event is None else 1
        taken = self.take()
        sources = [e.source for e in served] + [e.source for e in self.queue.values()] + taken + self.coming
        due = any(block.depth > k and block.due for block in self.chip.blocks)
        return due or any(self.chip.sends[s] for s in sources)


class StepAtReceivers(AsynchronousStep):
    """The same with a queue at every core for what reaches its neurons.

    Attributes:
        heard: for each source the cores that hold a neuron it has a synapse to.
        queues: of each core, by source or event.
        brought: to each core, times a source.
        pending: unserved spikes of each neuron.
    """

    def __init__(self, chip: Chip, cores: list[int], stimulus: Stimulus, schedule: Schedule, b: int, t: int) -> None:
        self.heard: list[set[int]] = [set() for _ in range(chip.n_neurons + chip.n_inputs)]
        for fibre in chip.fibres:
            for source, synapses in enumerate(fibre.synapses, fibre.pre_start):
                self.heard[source] |= {cores[fibre.post_start + post] for post, _ in synapses}
        self.queues: dict[int, dict[object, Entry]] = {core: {} for core in set(cores)}
        self.brought: dict[int, Counter[int]] = {core: Counter() for core in self.queues}
        self.pending: dict[int, list[Spike]] = {}
        super().__init__(chip, cores, stimulus, replace(schedule, scope="network"), b, t)

    def serve(self, k: int) -> list[Entry]:
        """The best F entries of every core leave its queue."""
        if k < 0:  # the events that wait, each at all who hear it
            for name, entry in self.queue.items():
                for core in self.heard[entry.source]:
                    self.queues[core][name] = entry
            self.queue = {}
        for core, queue in self.queues.items():
            names = sorted(queue, key=lambda name: queue[name].before(self.schedule, self.sample, self.t, k))
            entries = [queue.pop(name) for name in names[: self.schedule.F]]
            self.brought[core] = Counter()
            for entry in entries:
                self.brought[core][entry.source] += len(entry.spikes) if entry.event is None else 1
        waiting = {entry.source for queue in self.queues.values() for entry in queue.values() if entry.event is None}
        for neuron in [i for i in self.pending if i not in waiting]:
            for spike in self.pending.pop(neuron):
                spike.k_served = k
        return []

    def enter(self, fired: list[Spike]) -> None:
        """Spikes wait at all who hear them."""
        for spike in fired:
            self.pending.setdefault(spike.neuron, []).append(spike)
            for core in self.heard[spike.neuron]:
                self.queues[core].setdefault(spike.neuron, Entry(spike.neuron)).spikes.append(spike)

    def drive(self) -> list[int]:
        """What was served at a core reaches the neurons on it; the rest of the input everybody."""
        shares = {core: self.chip.share(spikes) for core, spikes in self.brought.items()}
        return self.chip.total_by_core({None: self.chip.share(self.arriving), **shares}, self.cores)

    def goes_on(self, k: int) -> bool:
        """Serve, and say whether anything was on its way."""
        waited = any(self.queues.values())
        self.serve(k)
        self.arriving = Counter()
        sources = self.take() + self.coming
        due = any(block.depth > k and block.due for block in self.chip.blocks)
        return waited or due or any(self.chip.sends[s] for s in sources)
