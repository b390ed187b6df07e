"""Give every neuron a core: the cheapest partition found under all limits, recounted by the independent checker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir.arrays import Int32s, Ints
from ir.check import CapacityError, require
from ir.chip import Chip
from ir.quantized import QuantizedNetwork
from mapper.cells import network_cells, synapse_counts
from mapper.check import Tally, network_edges, recount
from mapper.hypergraph import Caps
from mapper.search import search
from mapper.twins import Cells

Array = NDArray[Any]
RATE_SCALE = 1000


@dataclass(frozen=True, eq=False)
class Partition:
    """Who lies on which core.

    Attributes:
        core_of_neuron: (N,) core, numbered from 0.
        method: how it was found.
        tally: what the checker counted.
        cells: the twin classes that were searched.
        candidates: (km1, cores) of every method tried.
    """

    core_of_neuron: Int32s
    method: str
    tally: Tally
    cells: Cells
    candidates: dict[str, tuple[int, int]]


def partition(
    network: QuantizedNetwork, chip: Chip, rates: ArrayLike | None = None, preset: str = "default", seed: int = 0
) -> Int32s:
    """Assign every neuron to a core; see ``find_partition``.

    Returns:
        (N,) core of each neuron.
    """
    return find_partition(network, chip, rates, preset, seed).core_of_neuron


def find_partition(
    network: QuantizedNetwork, chip: Chip, rates: ArrayLike | None = None, preset: str = "default", seed: int = 0
) -> Partition:
    """Minimize the packets a time step: sum over sources of rate x cores reached besides their own.

    Args:
        rates: (N + inputs,) spikes a time step of each source; None = all equal.
        preset: ``fast`` (no outside library), ``default`` or ``quality`` (several starts).
        seed: same seed, same partition.

    Raises:
        CapacityError: a neuron exceeds a limit alone, or no partition fits.
    """
    caps = caps_of(chip)
    cells = network_cells(network, chip, scaled(rates, network))
    check_neurons(network, cells, chip)
    orders = {
        "id order": np.arange(network.n_neurons, dtype=np.int32),
        "position order": np.argsort(cells.cell[: network.n_neurons], kind="stable").astype(np.int32),
    }
    tight = caps
    while True:
        core, method, candidates = _cheapest(cells, tight, orders, preset, seed, chip)
        tally = recount(network_edges(network), core, cells.rate)
        wrong = tally.violations(caps.neurons, caps.memory // chip.synapse_format.weight_bits[-1], caps.axons)
        require(wrong == 0, f"the checker found {wrong} exceeded limits in the partition by {method}")
        if int(tally.out_axons.max()) <= caps.out_axons:
            return Partition(core, method, tally, cells, candidates)
        tight = _fewer_neurons(tight, tally, chip)


def _cheapest(
    cells: Cells, caps: Caps, orders: dict[str, Int32s], preset: str, seed: int, chip: Chip
) -> tuple[Int32s, str, dict[str, tuple[int, int]]]:
    """Best partition, how it was found, and what each method found; nothing is compiled where one core is enough."""
    n = cells.n_neurons
    feeding = (np.diff(cells.start) > 0)[cells.cell]
    if n <= caps.neurons and int(cells.memory.sum()) <= caps.memory and int(feeding.sum()) <= caps.axons:
        cost = int(cells.rate[n:][feeding[n:]].sum())
        return np.zeros(n, np.int32), "one core", {"one core": (cost, 1)}
    found = search(cells, caps, orders, preset, seed, chip.mesh.n_cores)
    require(bool(found), "the search returned no partition though every neuron fits a core")
    return found[0].block, found[0].method, {c.method: (c.km1, c.n_cores) for c in found}


def _fewer_neurons(caps: Caps, tally: Tally, chip: Chip) -> Caps:
    """Lower the neuron limit where too many axons leave a core.

    Raises:
        CapacityError: one neuron a core is still too many.
    """
    if caps.neurons == 1:
        worst = int(tally.out_axons.argmax())
        raise CapacityError(
            f"core {worst} sends to {tally.out_axons[worst]} other cores, {chip.title} allows "
            f"{caps.out_axons} output axons; give its neuron fewer targets"
        )
    return replace(caps, neurons=max(1, min(caps.neurons, int(tally.neurons.max())) * 2 // 3))


def caps_of(chip: Chip) -> Caps:
    """A core's limits; memory in bits."""
    limit = chip.limits
    memory = limit.max_synapse_words * limit.synapse_word_bits
    return Caps(limit.max_neurons, memory, limit.max_input_axons, limit.max_output_axons)


def scaled(rates: ArrayLike | None, network: QuantizedNetwork) -> Ints:
    """Integer rates of at least 1: thousandths of a spike a time step, or all 1."""
    n = network.n_neurons + network.n_inputs
    if rates is None:
        return np.ones(n, np.int64)
    given = np.asarray(rates, np.float64)
    require(given.shape == (n,), f"rates have shape {given.shape}; the network has {n} neurons and inputs")
    require(bool(np.isfinite(given).all() and (given >= 0).all()), "rates must be finite and at least 0")
    return np.maximum(np.rint(given * RATE_SCALE), 1).astype(np.int64)


def check_neurons(network: QuantizedNetwork, cells: Cells, chip: Chip) -> None:
    """Raise where a neuron fits no core even alone.

    Raises:
        CapacityError: says which neuron, what it needs and what a core holds.
    """
    size = np.bincount(cells.cell, minlength=cells.start.size - 1)
    sources = np.zeros(cells.start.size - 1, np.int64)
    np.add.at(sources, cells.target, np.repeat(size, np.diff(cells.start)))
    sources = sources[cells.cell[: cells.n_neurons]]
    worst, most = int(np.argmax(sources)), chip.limits.max_input_axons
    if sources[worst] > most:
        raise CapacityError(f"neuron {worst} has {sources[worst]} sources, a core takes {most}; give it fewer inputs")
    synapses, room = synapse_counts(network), caps_of(chip).memory // chip.synapse_format.weight_bits[-1]
    worst = int(np.argmax(synapses))
    if synapses[worst] > room:
        raise CapacityError(f"neuron {worst} has {synapses[worst]} synapses, a core holds {room}; give it fewer inputs")
