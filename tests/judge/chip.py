"""A network as lists of whole numbers: neurons with registers, sources with synapses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ir.quantized import FixedPopulation, QuantizedNetwork
from tests.judge.graph import Synapses, Wiring, depths, wiring, write_out
from tests.judge.numbers import SHIFTS, Edges, leak, shift


@dataclass
class Neuron:
    """One neuron's numbers in register units, and its registers.

    Attributes:
        threshold: None = never fires.
        bias: None where the population has none.
        bias_u: of the current; 0 = none.
        late: whether it resets at the start of the next time step.
    """

    decay_v: int
    decay_u: int
    threshold: int | None
    bias: int | None
    bias_u: int
    v: int = 0
    u: int = 0
    late: bool = False


@dataclass
class Block:
    """A population."""

    name: str
    start: int
    neurons: list[Neuron]
    depth: int
    place: int
    current: bool
    refractory: bool
    reset: str
    interval: int
    offset: int
    v_min: int | None

    @property
    def bias(self) -> bool:
        return self.neurons[0].bias is not None

    @property
    def waits(self) -> bool:
        """Whether it fires not before k = depth."""
        return self.reset != "zero"

    @property
    def due(self) -> bool:
        """Whether something is due at k = depth."""
        return self.bias or self.current or self.waits or any(neuron.bias_u for neuron in self.neurons)

    def begin(self, t: int, edges: Edges) -> None:
        """Reset where the interval says so, then leak once, then reset what fired in the time step before."""
        for neuron in self.neurons:
            if self.interval and (t + 1 - self.offset) % self.interval == 0:
                neuron.v = neuron.u = 0
                neuron.late = False
            neuron.v = leak(neuron.v, neuron.decay_v)
            neuron.u = leak(neuron.u, neuron.decay_u)
            if neuron.late and self.reset == "zero_late":
                neuron.v = 0
            elif neuron.late:
                assert neuron.threshold is not None
                neuron.v = edges.v(neuron.v - neuron.threshold, self.v_min)
            neuron.late = False

    def after_spike(self, neuron: Neuron) -> None:
        """What a spike leaves."""
        neuron.late = self.reset.endswith("_late")
        if self.reset == "zero":
            neuron.v = 0
        elif self.reset == "subtract":
            assert neuron.threshold is not None
            neuron.v -= neuron.threshold

    def receive(self, x: list[int], edges: Edges, when: int) -> None:
        """Let (n,) ``x`` in; ``when``: -1 before k = depth, 0 at it, 1 later."""
        for neuron, arriving in zip(self.neurons, x):
            if not self.current:
                neuron.u = 0
            added = arriving + (neuron.bias_u if when == 0 else 0)
            neuron.u = edges.u(edges.int32(neuron.u + added, "u"))
            i = neuron.u if when == 0 or not self.current else 0 if when < 0 else arriving
            bias = neuron.bias if neuron.bias is not None and when == 0 else 0
            if edges.arithmetic == "loihi1" and neuron.bias is not None and when == 0:
                i, bias = edges.u(i + bias), 0
            neuron.v = edges.v(edges.int32(neuron.v + i + bias, "v"), self.v_min)


@dataclass
class Fibre:
    """A projection; sources have one index: neurons, then inputs, as in the keys."""

    pre_start: int
    post_start: int
    n_post: int
    synapses: Synapses
    exponent: int
    delays: list[int]
    looks_back: bool


@dataclass
class Chip:
    """Everything a run reads and its registers, all at 0.

    Attributes:
        sends: for each source, whether it has a projection.
    """

    blocks: list[Block]
    fibres: list[Fibre]
    n_neurons: int
    n_inputs: int
    output: range
    edges: Edges
    wires: Wiring
    sends: list[bool] = field(default_factory=list)

    @property
    def neurons(self) -> list[Neuron]:
        return [neuron for block in self.blocks for neuron in block.neurons]

    def total(self, fibre_spikes: list[dict[int, int]]) -> list[int]:
        """(N,) the drive x of one round, from {source: times} of each projection."""
        return self.total_by_core({None: fibre_spikes}, [])

    def total_by_core(self, brought: dict[int | None, list[dict[int, int]]], cores: list[int]) -> list[int]:
        """The same where what is brought to a core reaches the neurons on it alone; under None, everybody."""
        a = [0] * self.n_neurons
        for i, fibre in enumerate(self.fibres):
            sums = [0] * fibre.n_post
            for core, fibre_spikes in brought.items():
                for source, times in fibre_spikes[i].items():
                    for post, weight in fibre.synapses[source - fibre.pre_start]:
                        if core is None or cores[fibre.post_start + post] == core:
                            sums[post] += weight * times
            for post, exact in enumerate(sums):
                a[fibre.post_start + post] += self.edges.int32(shift(exact, fibre.exponent), "p")
        register = [self.edges.int32(self.edges.int32(sum_, "a") << SHIFTS[self.edges.arithmetic], "x") for sum_ in a]
        return [self.edges.accumulator(x) for x in register]

    def share(self, served: dict[int, int]) -> list[dict[int, int]]:
        """The served entries of each projection's own sources."""
        return [
            {s: q for s, q in served.items() if 0 <= s - fibre.pre_start < len(fibre.synapses)} for fibre in self.fibres
        ]


def _each(value: object, n: int) -> list[int]:
    return [int(x) for x in np.broadcast_to(np.asarray(value), (n,))]


def _neurons(population: FixedPopulation, to_register: int) -> list[Neuron]:
    lif, n = population.neuron, population.n
    thresholds: list[int | None] = [None] * n
    if lif.v_threshold is not None:
        thresholds = [x << to_register for x in _each(lif.v_threshold, n)]
    biases: list[int | None] = [None] * n
    if lif.bias is not None:
        register = [shift(x, lif.bias_exp) for x in _each(lif.bias, n)]
        if any(register):
            biases = list(register)
    currents = [x << to_register for x in _each(0 if lif.bias_u is None else lif.bias_u, n)]
    decays = _each(lif.decay_v, n), _each(lif.decay_u, n)
    return [Neuron(*numbers) for numbers in zip(*decays, thresholds, biases, currents)]


def build(network: QuantizedNetwork) -> Chip:
    """Write a network out."""
    depth, wires = depths(network), wiring(network)
    blocks: list[Block] = []
    starts: dict[str, int] = {}
    at = 0
    for population in network.populations:
        lif, neurons = population.neuron, _neurons(population, SHIFTS[network.arithmetic])
        blocks.append(
            Block(
                population.name,
                at,
                neurons,
                depth[population.name],
                wires.place[population.name],
                any(neuron.decay_u < 4096 for neuron in neurons),
                lif.refractory,
                lif.reset,
                lif.reset_interval,
                lif.reset_offset,
                lif.v_min,
            )
        )
        starts[population.name] = at
        at += len(neurons)
    n_neurons = at
    for block in network.inputs:
        starts[block.name] = at
        at += block.n
    fibres: list[Fibre] = []
    sends = [False] * at
    for projection, looks_back in zip(network.projections, wires.looks_back):
        written = write_out(projection.connection)
        start = starts[projection.pre]
        delays = _each(projection.delay_steps, len(written))
        n_post = next(len(b.neurons) for b in blocks if b.name == projection.post)
        fibres.append(Fibre(start, starts[projection.post], n_post, written, projection.weight_exp, delays, looks_back))
        sends[start : start + len(written)] = [True] * len(written)
    size = next(len(b.neurons) for b in blocks if b.name == network.output)
    output = range(starts[network.output], starts[network.output] + size)
    return Chip(blocks, fibres, n_neurons, at - n_neurons, output, Edges(network.arithmetic), wires, sends)
