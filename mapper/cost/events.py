"""What happens on a chip in one sample: synaptic operations, updates, packets and hops, counted from its spikes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir.arrays import Array, Floats
from ir.check import require
from ir.chip import Chip
from ir.connection import Connection, Conv2d, Dense, synapses
from ir.graph import slices
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork
from mapper.board.route import core_packets, route, route_chips
from mapper.cost.active import UNKNOWN, Delivered
from mapper.rates import scaled
from mapper.view.cells import network_cells, one_channel

KINDS = ("dense", "sparse", "conv")
WORK = (
    *(f"synop_{kind}_ns" for kind in KINDS),
    "neuron_inactive_ns",
    "neuron_active_ns",
    "spike_out_ns",
    "packet_in_ns",
)


@dataclass(frozen=True)
class Events:
    """What happens in one sample.

    Attributes:
        time_steps: how many.
        updates: neuron updates in those of a LIF, one a neuron and tick (``time_steps`` counts ticks), more where a
            model takes more (``FixedNeuron.updates``).
        active: those in ticks in which the neuron gets charge; in others it only is looked at.
        spikes: of neurons.
        synops_dense, synops_sparse, synops_conv: served spikes x fan-out by kind of connection.
        packets: spike copies that leave a core. hops_x, hops_y: links they cross.
        input_packets: copies of input events that enter a core; where they come from is not counted.
        busiest_updates, busiest_active, busiest_spikes, busiest_dense, busiest_sparse, busiest_conv: of the core
            that works longest by the chip's times.
        busiest_packets: that arrive there, from other cores and from inputs.
        chip_links: how often a packet leaves a chip for the next.
    """

    time_steps: float
    updates: float
    active: float
    spikes: float
    synops_dense: float
    synops_sparse: float
    synops_conv: float
    packets: float
    input_packets: float
    hops_x: float
    hops_y: float
    busiest_updates: float
    busiest_active: float
    busiest_spikes: float
    busiest_dense: float
    busiest_sparse: float
    busiest_conv: float
    busiest_packets: float
    chip_links: float = 0.0


def count_events(mapped: MappedNetwork, counts: ArrayLike, time_steps: int, delivered: Delivered = UNKNOWN) -> Events:
    """Count a sample's events from its spike counts.

    Args:
        mapped: a placed network.
        counts: (N + inputs,) whole numbers, spikes of each neuron in the sample, then events of each input.
        time_steps: of the sample, in ticks of the chip.
        delivered: what of it reached its targets. Where it does not say, every spike did, and each neuron gets charge
            in as many ticks as it can be: one a spike that arrives, at most all.

    Raises:
        ValueError: the network is not mapped, or the counts do not fit it.
    """
    network, chip = mapped.network, mapped.chip
    require(chip is not None, "an unmapped network has no packets; map it first")
    assert chip is not None
    spikes, n = np.asarray(counts, np.float64), network.n_neurons
    require(
        spikes.shape == (n + network.n_inputs,) and bool((spikes >= 0).all()),
        f"counts have shape {spikes.shape}; give {n + network.n_inputs} numbers of at least 0, neurons, then inputs",
    )
    sent: Floats = spikes if delivered.served is None else np.r_[delivered.served.astype(np.float64), spikes[n:]]
    cells = replace(network_cells(network, chip, scaled(None, network)), rate=sent.astype(np.int64))
    flow, from_inputs = core_packets(cells, mapped.core_of_neuron)
    routes = route(flow, mapped.cores, chip.mesh)
    arriving = deliveries(network, sent)
    most = np.where(_biased(network), time_steps, np.minimum(sum(arriving.values()), time_steps))
    active = most if delivered.charged is None else np.minimum(delivered.charged.astype(np.float64), time_steps)
    core, k = mapped.core_of_neuron, len(mapped.cores)
    each = np.repeat([p.neuron.updates for p in network.populations], [p.n for p in network.populations])
    held = np.bincount(core, each, minlength=k) * float(time_steps)
    awake = np.bincount(core, active * each, minlength=k)
    fired = np.bincount(core, spikes[:n], minlength=k)
    work = {kind: np.bincount(core, arriving[kind], minlength=k) for kind in KINDS}
    packets_in = routes.packets_in + from_inputs
    amounts = [*work.values(), held - awake, awake, fired, packets_in]
    b = int(np.argmax(_nanoseconds(chip, amounts)))
    return Events(
        time_steps=float(time_steps),
        updates=float(held.sum()),
        active=float(awake.sum()),
        spikes=float(spikes[:n].sum()),
        **{f"synops_{kind}": float(work[kind].sum()) for kind in KINDS},
        packets=routes.packets,
        input_packets=float(from_inputs.sum()),
        hops_x=routes.hops_x,
        hops_y=routes.hops_y,
        busiest_updates=float(held[b]),
        busiest_active=float(awake[b]),
        busiest_spikes=float(fired[b]),
        **{f"busiest_{kind}": float(work[kind][b]) for kind in KINDS},
        busiest_packets=float(packets_in[b]),
        chip_links=route_chips(flow, mapped.cores, chip.mesh).hops,
    )


def _nanoseconds(chip: Chip, amounts: list[Array]) -> Floats:
    """(K,) work of each core; without times in the chip's file all events count the same."""
    times = [chip.costs[name].value if name in chip.costs else 1.0 for name in WORK]
    return np.sum([time * amount for time, amount in zip(times, amounts)], axis=0)


def _biased(network: QuantizedNetwork) -> NDArray[np.bool_]:
    """(N,) neurons that a bias drives."""
    biased = np.zeros(network.n_neurons, np.bool_)
    for p, at in zip(network.populations, slices(network.populations).values()):
        biased[at] = p.neuron.biased()
    return biased


def deliveries(network: QuantizedNetwork, spikes: Floats) -> dict[str, Floats]:
    """(N,) spikes that arrive at each neuron, one a synapse, by kind of connection."""
    at, inputs = slices(network.populations), slices(network.inputs)
    arriving = {kind: np.zeros(network.n_neurons) for kind in KINDS}
    for e in network.projections:
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        arriving[_kind(e.connection)][at[e.post]] += _delivered(e.connection, spikes[low : low + e.connection.n_pre])
    return arriving


def _kind(c: Connection) -> str:
    """Which of the chip's synapse constants a connection falls under."""
    return "dense" if isinstance(c, Dense) else "conv" if isinstance(c, Conv2d) else "sparse"


def _delivered(c: Connection, spikes: Floats) -> Floats:
    """(n_post,) spikes that reach each target, one a synapse."""
    if isinstance(c, Dense):
        return np.full(c.n_post, spikes.sum())
    if not isinstance(c, Conv2d):
        pre, post, _ = synapses(c)
        return np.bincount(post, spikes[pre], minlength=c.n_post).astype(np.float64)
    side, per_group = c.in_shape[1:], c.in_shape[0] // c.groups
    summed = spikes.reshape(c.groups, per_group, *side).sum(1)
    window = one_channel(c)
    pre, post, _ = synapses(window)
    once = np.bincount(post, summed.reshape(-1)[pre], minlength=window.n_post).reshape(c.groups, -1)
    return np.repeat(once, c.out_shape[0] // c.groups, axis=0).reshape(-1).astype(np.float64)
