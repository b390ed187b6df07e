"""A network as flat arrays over all its neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.arrays import Bits, Int32s, Ints
from ir.connection import Connection
from ir.graph import LayeredOrder, input_depths, layered_order, senders, slices
from ir.mapped import MappedNetwork, one_large_core
from ir.neurons import FixedLIF, as_lif
from ir.quantized import QuantizedNetwork

NEVER = 1 << 62
"""The register value of a threshold that nothing reaches."""


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
    """Parameters of all neurons in register units, one array each, (N,).

    Attributes:
        decay_v, decay_u: in 1/4096.
        threshold: register value; ``NEVER`` where there is none.
        bias: register value.
        v_min: lower clip of the membrane.
        has_current: whether the population keeps a current from one time step to the next.
        due: whether something (a bias, a current) arrives at k = ``depth`` of every time step.
        depth: fewest hops from the input.
        refractory, subtract: of the population.
        sends: whether the population has a projection; ``sends_input`` (N_in,) the same of inputs. What they send is
            on its way to a neuron.
        reset_interval, reset_offset: of the population; interval 0 = never.
        blocks: where each population lies, by name.
    """

    network: QuantizedNetwork
    arithmetic: Arithmetic
    decay_v: Ints
    decay_u: Ints
    threshold: Ints
    bias: Ints
    v_min: Ints
    has_current: Bits
    due: Bits
    depth: Ints
    refractory: Bits
    subtract: Bits
    sends: Bits
    sends_input: Bits
    reset_interval: Ints
    reset_offset: Ints
    blocks: dict[str, slice]
    order: LayeredOrder
    links: tuple[Link, ...]
    core_of_neuron: Int32s

    @property
    def n_neurons(self) -> int:
        return len(self.decay_v)

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

    def resets_at(self, t: int) -> Bits:
        """Which neurons start time step t from u = v = 0, (N,)."""
        every = np.maximum(self.reset_interval, 1)
        return (self.reset_interval > 0) & ((t + 1) % every == self.reset_offset % every)


def as_mapped(network: MappedNetwork | QuantizedNetwork) -> MappedNetwork:
    """An unmapped network lies on one large core."""
    return network if isinstance(network, MappedNetwork) else one_large_core(network)


def wrap(x: Any, bits: int) -> Any:
    """Two's complement in ``bits`` bits beside the sign.

    >>> wrap(128, 7), wrap(-129, 7), wrap(5, 7)
    (-128, 127, 5)
    """
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


def layout_of(mapped: MappedNetwork | QuantizedNetwork) -> Layout:
    """Lay the network out over the global index."""
    mapped = as_mapped(mapped)
    network, arithmetic = mapped.network, ARITHMETICS[mapped.network.arithmetic]
    columns = [_columns(as_lif(p.name, p.neuron, "the simulator"), arithmetic) for p in network.populations]
    sizes = [p.n for p in network.populations]

    def flat(name: str, dtype: Any = np.int64) -> Any:
        return np.concatenate([np.broadcast_to(np.asarray(c[name], dtype), (n,)) for c, n in zip(columns, sizes)])

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
        arithmetic=arithmetic,
        decay_v=flat("decay_v"),
        decay_u=flat("decay_u"),
        threshold=flat("threshold"),
        bias=flat("bias"),
        v_min=flat("v_min"),
        has_current=flat("has_current", np.bool_),
        due=flat("due", np.bool_),
        depth=np.repeat([depths[p.name] for p in network.populations], sizes).astype(np.int64),
        refractory=flat("refractory", np.bool_),
        subtract=flat("subtract", np.bool_),
        sends=np.repeat([p.name in sending for p in network.populations], sizes),
        sends_input=np.repeat([i.name in sending for i in network.inputs], [i.n for i in network.inputs]),
        reset_interval=flat("reset_interval"),
        reset_offset=flat("reset_offset"),
        blocks=blocks,
        order=order,
        links=links,
        core_of_neuron=mapped.core_of_neuron,
    )


def _columns(neuron: FixedLIF, arithmetic: Arithmetic) -> dict[str, Any]:
    """The parameters of one population in register units."""
    bias = neuron.register_bias()
    v_min = -arithmetic.v_max if neuron.v_min is None else max(neuron.v_min, -arithmetic.v_max)
    shift = arithmetic.weight_shift
    never = NEVER >> shift
    threshold = np.minimum(never if neuron.v_threshold is None else neuron.v_threshold, never) << shift
    return {
        "decay_v": neuron.decay_v,
        "decay_u": neuron.decay_u,
        "threshold": threshold,
        "bias": 0 if bias is None else bias,
        "v_min": v_min,
        "has_current": neuron.has_current,
        "due": bias is not None or neuron.has_current,
        "refractory": neuron.refractory,
        "subtract": neuron.reset == "subtract",
        "reset_interval": neuron.reset_interval,
        "reset_offset": neuron.reset_offset,
    }
