"""A network over the global index: where everything lies, who is connected, what holds for neurons of any model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.arrays import Bits, Int32s, Ints
from ir.connection import Connection
from ir.graph import LayeredOrder, input_depths, layered_order, senders, slices
from ir.mapped import MappedNetwork, one_large_core
from ir.quantized import FixedPopulation, QuantizedNetwork
from sim_reference.neurons import Members, check_known


@dataclass(frozen=True, eq=False)
class Link:
    """A projection between blocks of the global index.

    Attributes:
        from_input: whether ``pre`` counts inputs, else neurons.
        pre, post: where its ends lie.
        delay_steps: (n_pre,).
        recurrent: under the layered schedule it delivers the spikes of t - 1.
    """

    from_input: bool
    pre: slice
    post: slice
    connection: Connection
    weight_exp: int
    delay_steps: Int32s
    recurrent: bool


@dataclass(frozen=True, eq=False)
class Layout:
    """What holds for neurons of any model, one array each, (N,); the rest is in ``neurons``.

    Attributes:
        depth: fewest hops from the input.
        due: whether something (a bias, a current) arrives at k = ``depth`` of every time step.
        refractory: of the population.
        sends: whether the population has a projection; ``sends_input`` (N_in,) the same of inputs. What they send is
            on its way to a neuron.
        blocks: where each population lies, by name.
        shifts: how far left a population's drive is shifted into its registers, by name.
    """

    network: QuantizedNetwork
    arithmetic: Arithmetic
    depth: Ints
    due: Bits
    refractory: Bits
    sends: Bits
    sends_input: Bits
    blocks: dict[str, slice]
    shifts: dict[str, int]
    order: LayeredOrder
    links: tuple[Link, ...]
    core_of_neuron: Int32s

    @property
    def n_neurons(self) -> int:
        return len(self.depth)

    @property
    def output(self) -> slice:
        return self.blocks[self.network.output]

    @property
    def last_due(self) -> int:
        """The latest forward step at which a bias or current arrives; -1 where there is none."""
        return int(self.depth[self.due].max(initial=-1))

    def populations(self) -> tuple[tuple[str, int], ...]:
        """(name, size) in the order of the global index."""
        return tuple((p.name, p.n) for p in self.network.populations)

    def members(self, populations: Sequence[FixedPopulation]) -> Members:
        """The neurons of some populations, which are of one model and in the order of the network."""
        blocks = [self.blocks[p.name] for p in populations]
        side_by_side = all(a.stop == b.start for a, b in itertools.pairwise(blocks))
        index = np.concatenate([np.arange(b.start, b.stop) for b in blocks])
        at = slice(blocks[0].start, blocks[-1].stop) if side_by_side else index
        return Members(tuple(populations), at, self.depth[at], self.arithmetic)

    def by_model(self) -> dict[str, Members]:
        """All neurons of each model."""
        populations = self.network.populations
        names = dict.fromkeys(p.neuron.MODEL for p in populations)
        return {name: self.members([p for p in populations if p.neuron.MODEL == name]) for name in names}


def as_mapped(network: MappedNetwork | QuantizedNetwork) -> MappedNetwork:
    """An unmapped network lies on one large core."""
    return network if isinstance(network, MappedNetwork) else one_large_core(network)


def layout_of(mapped: MappedNetwork | QuantizedNetwork) -> Layout:
    """Lay the network out over the global index.

    Raises:
        ValueError: the simulator does not know a neuron model.
    """
    mapped = as_mapped(mapped)
    network = mapped.network
    check_known(network)
    sizes = [p.n for p in network.populations]

    def of_population(values: Iterable[Any], dtype: Any = np.bool_) -> Any:
        return np.repeat(np.array(list(values), dtype), sizes)

    depths, sending = input_depths(network), senders(network)
    blocks, inputs, order = slices(network.populations), slices(network.inputs), layered_order(network)
    links = tuple(
        Link(
            e.pre in inputs,
            inputs[e.pre] if e.pre in inputs else blocks[e.pre],
            blocks[e.post],
            e.connection,
            e.weight_exp,
            np.broadcast_to(np.asarray(e.delay_steps), (e.connection.n_pre,)),
            back,
        )
        for e, back in zip(network.projections, order.recurrent)
    )
    return Layout(
        network=network,
        arithmetic=ARITHMETICS[network.arithmetic],
        depth=of_population((depths[p.name] for p in network.populations), np.int64),
        due=of_population(p.neuron.due for p in network.populations),
        refractory=of_population(p.neuron.refractory for p in network.populations),
        sends=of_population(p.name in sending for p in network.populations),
        sends_input=np.repeat([i.name in sending for i in network.inputs], [i.n for i in network.inputs]),
        blocks=blocks,
        shifts={p.name: p.neuron.drive_shift(ARITHMETICS[network.arithmetic]) for p in network.populations},
        order=order,
        links=links,
        core_of_neuron=mapped.core_of_neuron,
    )
