"""One run, from docs/semantics.md; a time step layered stands here, an asynchronous one in a file of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.asynchronous import AsynchronousStep, Spike, StepAtReceivers, fire
from tests.judge.chip import Chip, Fibre, build
from tests.judge.refusals import refuse


@dataclass
class Verdict:
    """What a run must leave behind.

    Attributes:
        spikes: rows of (sample, t, k, neuron, m, k_served), sorted.
        v, u: [t][b][neuron] at the end of each time step.
        forward_steps: [t][b].
        limits: how often each edge changed a value.
        places: the same for ``int32``, by place.
    """

    spikes: list[tuple[int, ...]]
    v: list[list[list[int]]]
    u: list[list[list[int]]]
    forward_steps: list[list[int]]
    limits: Counter[str]
    places: Counter[str]


class LayeredSample:
    """All time steps of one sample, population by population.

    Attributes:
        sent: for each time step what every source sent, inputs from the start, neurons as they fire.
    """

    def __init__(self, chip: Chip, stimulus: Stimulus, b: int) -> None:
        assert stimulus.sample_ids is not None
        self.chip, self.sample = chip, int(stimulus.sample_ids[b])
        n = chip.n_neurons
        self.sent: list[dict[int, int]] = [
            {n + i: c for i, c in enumerate(frame) if c} for frame in stimulus.frames[:, b].tolist()
        ]

    def run(self, t: int) -> tuple[list[Spike], int]:
        """One time step."""
        spikes: list[Spike] = []
        for block in sorted(self.chip.blocks, key=lambda block: block.place):
            end = block.start + len(block.neurons)
            x = self.chip.total([self.seen(f, t) if f.post_start == block.start else {} for f in self.chip.fibres])
            block.receive(x[block.start : end], self.chip.edges, 0)
            fired = fire(block, set(), self.sample, t, block.place)
            for spike in fired:
                spike.k_served = spike.k
                self.sent[t][spike.neuron] = 1
            spikes += fired
        return spikes, 1 + max(block.place for block in self.chip.blocks)

    def seen(self, fibre: Fibre, t: int) -> dict[int, int]:
        """What a projection delivers at t: each source's spikes of its own delay ago."""
        seen: dict[int, int] = {}
        for source, delay in enumerate(fibre.delays, fibre.pre_start):
            at = t - delay - fibre.looks_back
            if at >= 0 and source in self.sent[at]:
                seen[source] = self.sent[at][source]
        return seen


def run(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule) -> Verdict:
    """What the page says that this network does; raises ``Refused`` where it says that none may run it."""
    refuse(mapped.network, stimulus, schedule)
    cores = mapped.core_of_neuron.tolist()
    n_steps, n_samples = stimulus.n_steps, stimulus.n_samples
    v, u, forward_steps = ([[] for _ in range(n_steps)] for _ in range(3))
    verdict = Verdict([], v, u, forward_steps, Counter(), Counter())
    for b in range(n_samples):
        chip = build(mapped.network)
        sample = LayeredSample(chip, stimulus, b)
        for t in range(n_steps):
            for block in chip.blocks:
                block.begin(t, chip.edges)
            if schedule.kind == "layered":
                spikes, rounds = sample.run(t)
            else:
                step = StepAtReceivers if schedule.scope == "receiver" else AsynchronousStep
                spikes, rounds = step(chip, cores, stimulus, schedule, b, t).run()
            verdict.spikes += [spike.row() for spike in spikes]
            verdict.v[t].append([neuron.v for neuron in chip.neurons])
            verdict.u[t].append([neuron.u for neuron in chip.neurons])
            verdict.forward_steps[t].append(rounds)
        verdict.limits += chip.edges.reached
        verdict.places += chip.edges.places
    verdict.spikes.sort()
    return verdict
