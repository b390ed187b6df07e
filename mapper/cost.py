"""Energy and time of a sample on a chip: counted events x the chip's constants, as a range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir.arrays import Floats
from ir.check import require
from ir.chip import Chip, Range
from ir.connection import Connection, Conv2d, Dense, synapses
from ir.graph import slices
from ir.mapped import MappedNetwork
from mapper.cells import network_cells
from mapper.partition import scaled
from mapper.route import core_traffic, route
from mapper.twins import Cells

KINDS = ("dense", "sparse", "conv")


@dataclass(frozen=True)
class Events:
    """What happens in one sample.

    Attributes:
        time_steps: how many.
        updates: neuron updates, one a neuron and time step. spikes: of neurons.
        synops_dense, synops_sparse, synops_conv: served spikes x fan-out by kind of connection.
        packets: spike copies that leave a core. hops_x, hops_y: links they cross.
        busiest_synops, busiest_updates, busiest_packets: of the core with most work.
    """

    time_steps: float
    updates: float
    spikes: float
    synops_dense: float
    synops_sparse: float
    synops_conv: float
    packets: float
    hops_x: float
    hops_y: float
    busiest_synops: float
    busiest_updates: float
    busiest_packets: float


@dataclass(frozen=True)
class Cost:
    """Of one sample: energy that its events take (dynamic, no static power) and time, each with its uncertainty.

    Attributes:
        energy_pj: total. time_ns: total, the busiest core and the barrier of every time step.
        parts_pj: energy by name of event.
    """

    energy_pj: Range
    time_ns: Range
    parts_pj: dict[str, Range]


def count_events(mapped: MappedNetwork, counts: ArrayLike, time_steps: int) -> Events:
    """Count a sample's events from its spike counts.

    Args:
        mapped: a placed network.
        counts: (N + inputs,) whole numbers, spikes of each neuron in the sample, then events of each input.
        time_steps: of the sample.
    """
    network, chip = mapped.network, mapped.chip
    require(chip is not None, "an unmapped network has no packets; map it first")
    assert chip is not None
    spikes = np.asarray(counts, np.float64)
    cells = network_cells(network, chip, scaled(None, network))
    real = Cells(cells.cell, cells.n_neurons, cells.start, cells.target, spikes.astype(np.int64), cells.memory)
    routes = route(core_traffic(real, mapped.core_of_neuron), mapped.cores, chip.mesh)
    totals, arriving = _synops(mapped, spikes)
    k = len(mapped.cores)
    work = np.bincount(mapped.core_of_neuron, arriving, minlength=k)
    held = np.bincount(mapped.core_of_neuron, minlength=k)
    n = network.n_neurons
    return Events(
        float(time_steps),
        float(n * time_steps),
        float(spikes[:n].sum()),
        totals["dense"],
        totals["sparse"],
        totals["conv"],
        routes.packets,
        routes.hops_x,
        routes.hops_y,
        float(work.max()),
        float(held.max() * time_steps),
        float(routes.packets_in.max()),
    )


def _synops(mapped: MappedNetwork, spikes: Floats) -> tuple[dict[str, float], Floats]:
    """Synaptic operations by kind of connection, and (N,) those that arrive at each neuron."""
    network = mapped.network
    at, inputs = slices(network.populations), slices(network.inputs)
    totals: dict[str, float] = {kind: 0.0 for kind in KINDS}
    arriving = np.zeros(network.n_neurons)
    for e in network.projections:
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        drive = _deliveries(e.connection, spikes[low : low + e.connection.n_pre])
        arriving[at[e.post]] += drive
        totals[_kind(e.connection)] += float(drive.sum())
    return totals, arriving


def _kind(c: Connection) -> str:
    """Which of the chip's synapse constants a connection falls under."""
    return "dense" if isinstance(c, Dense) else "conv" if isinstance(c, Conv2d) else "sparse"


def _deliveries(c: Connection, spikes: Floats) -> NDArray[np.float64]:
    """(n_post,) spikes that reach each target, one a synapse."""
    if isinstance(c, Dense):
        return np.full(c.n_post, spikes.sum())
    if not isinstance(c, Conv2d):
        pre, post, _ = synapses(c)
        return np.bincount(post, spikes[pre], minlength=c.n_post).astype(np.float64)
    side, per_group = c.in_shape[1:], c.in_shape[0] // c.groups
    summed = spikes.reshape(c.groups, per_group, *side).sum(1)
    window = Conv2d(
        np.ones((c.groups, 1, *c.weight.shape[2:]), np.int32),
        (c.groups, *side),
        c.stride,
        c.padding,
        c.dilation,
        c.groups,
    )
    pre, post, _ = synapses(window)
    once = np.bincount(post, summed.reshape(-1)[pre], minlength=window.n_post).reshape(c.groups, -1)
    return np.repeat(once, c.out_shape[0] // c.groups, axis=0).reshape(-1).astype(np.float64)


def estimate(events: Events, chip: Chip) -> Cost:
    """Energy = sum of events x constants; time = the busiest core's work plus a barrier a time step.

    Low and high add up the low and the high ends of the chip's constants: the true value lies outside only if
    a constant does. The mean number of hops delays no core and is left out of the time.

    Raises:
        ValueError: the chip's data lack a constant.
    """
    active = min(events.spikes, events.updates)
    amounts = {
        "synop_dense": events.synops_dense,
        "synop_sparse": events.synops_sparse,
        "synop_conv": events.synops_conv,
        "neuron_active": active,
        "neuron_inactive": events.updates - active,
        "spike_out": events.spikes,
        "packet_out": events.packets,
        "hop_x": events.hops_x,
        "hop_y": events.hops_y,
    }
    parts = {name: _times(_constant(chip, f"{name}_pj"), amount) for name, amount in amounts.items()}
    total = events.synops_dense + events.synops_sparse + events.synops_conv
    share = events.busiest_synops / total if total else 0.0
    work = [_times(_constant(chip, f"synop_{kind}_ns"), share * getattr(events, f"synops_{kind}")) for kind in KINDS]
    work.append(_times(_constant(chip, "neuron_inactive_ns"), events.busiest_updates))
    work.append(_times(_constant(chip, "packet_in_ns"), events.busiest_packets))
    work.append(_times(_constant(chip, "barrier_ns"), events.time_steps))
    return Cost(_sum(list(parts.values())), _sum(work), parts)


def _constant(chip: Chip, name: str) -> Range:
    """One of the chip's cost constants."""
    require(name in chip.costs, f"chip {chip.name!r} has no cost {name!r}; add it to [costs] with its source")
    return chip.costs[name]


def _times(unit: Range, amount: float) -> Range:
    """A constant times a count."""
    return Range(unit.value * amount, unit.low * amount, unit.high * amount)


def _sum(parts: list[Range]) -> Range:
    """Add ranges end by end."""
    return Range(sum(p.value for p in parts), sum(p.low for p in parts), sum(p.high for p in parts))
