"""Give every neuron a core: the cheapest partition found under all limits, recounted by the independent checker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ir.arrays import Int32s, Ints
from ir.check import CapacityError, require
from ir.chip import Chip
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from mapper.check.capacity import caps_of, check_delays, check_neurons, core_use, exceeded
from mapper.check.recount import Tally, recount
from mapper.edges import network_edges
from mapper.memory.settings import split_settings
from mapper.memory.words import synapse_words
from mapper.rates import scaled
from mapper.search.search import search
from mapper.view.cells import network_cells
from mapper.view.hypergraph import Caps
from mapper.view.twins import Cells

SEEDS = 1 << 30  # as many fit the libraries' integers, with room for further starts
CUTS = 8  # times that cores with too many output axons are cut before the search starts again with smaller cores


@dataclass(frozen=True, eq=False)
class Partition:
    """Who lies on which core.

    Attributes:
        core_of_neuron: (N,) core, numbered from 0.
        method: how it was found.
        tally: what the checker counted.
        cells: the twin classes that were searched.
        candidates: (km1, cores) of every method tried.
        use: (K,) what each core holds of every limited thing, and a core's limit.
    """

    core_of_neuron: Int32s
    method: str
    tally: Tally
    cells: Cells
    candidates: dict[str, tuple[int, int]]
    use: dict[str, tuple[Ints, int]]


def partition(
    network: QuantizedNetwork, chip: Chip, rates: ArrayLike | None = None, preset: str = "default", seed: int = 0
) -> Int32s:
    """Assign every neuron to a core; see ``find_partition``.

    Returns:
        (N,) core of each neuron.
    """
    return find_partition(network, chip, rates, preset, seed).core_of_neuron


def find_partition(
    network: QuantizedNetwork,
    chip: Chip,
    rates: ArrayLike | None = None,
    preset: str = "default",
    seed: int = 0,
    alternatives: Sequence[Chip] = (),
) -> Partition:
    """Minimize the packets a time step: sum over sources of rate x cores reached besides their own.

    Args:
        rates: (N + inputs,) spikes a time step of each source; None = all equal.
        preset: ``fast`` (no outside library), ``default`` or ``quality`` (several starts).
        seed: same seed, same partition.
        alternatives: chips to name as a way out where a neuron fits no core of this one.

    Raises:
        ValueError: the seed is negative or too large, or a limit of the chip is unknown.
        CapacityError: a neuron exceeds a limit alone, or no partition fits.
    """
    require(0 <= seed < SEEDS, f"seed is {seed}; give a whole number from 0 to {SEEDS - 1}")
    chip.need("a map", "limits", "synapse_format", "mesh")
    caps = caps_of(chip)
    cells = network_cells(network, chip, scaled(rates, network))
    check_neurons(network, cells, chip, alternatives)
    check_delays(network, chip)
    orders = fill_orders(network, cells)
    tight = caps
    while True:
        core, method, candidates = _cheapest(network, cells, tight, orders, preset, seed, chip)
        for _ in range(CUTS):
            core = split_settings(network, chip, core)
            tally = recount(network_edges(network), core, cells.rate)
            if int(tally.out_axons.max()) <= caps.out_axons:
                use = core_use(network, chip, core, tally)
                wrong = exceeded(use)
                require(
                    not wrong, f"the checker found {len(wrong)} exceeded limits in the map by {method}: {wrong[:1]}"
                )
                return Partition(core, method, tally, cells, candidates, use)
            core = _cut_senders(core, tally, caps, list(orders.values())[-1])
        tight = _fewer_neurons(tight, recount(network_edges(network), core, cells.rate), network, core, chip)


def _cut_senders(core: Int32s, tally: Tally, caps: Caps, order: Int32s) -> Int32s:
    """Cut cores with too many output axons into equal runs of ``order``; no part needs more than its core did."""
    parts = np.minimum(-(-tally.out_axons // caps.out_axons), tally.neurons)
    along = order[np.argsort(core[order], kind="stable")]
    first = np.cumsum(tally.neurons) - tally.neurons
    rank = np.arange(core.size) - first[core[along]]
    part = np.empty(core.size, np.int64)
    part[along] = rank * parts[core[along]] // tally.neurons[core[along]]
    return np.unique(part * tally.neurons.size + core, return_inverse=True)[1].reshape(-1).astype(np.int32)


def fill_orders(network: QuantizedNetwork, cells: Cells) -> dict[str, Int32s]:
    """Orders in which cores may be filled, by name; the last one suits the network best.

    By index, by position with all channels of a position together, and where kernels are larger than a core,
    population by population, block of channels by block: then few cores hold each block.
    """
    n = network.n_neurons
    orders = {
        "id order": np.arange(n, dtype=np.int32),
        "position order": np.argsort(cells.cell[:n], kind="stable").astype(np.int32),
    }
    sizes = [p.n for p in network.populations]
    population = np.repeat(np.arange(len(sizes)), sizes)
    if cells.group is not None and np.unique(cells.group).size > len(sizes) + 1:
        orders["kernel order"] = np.lexsort((cells.cell[:n], cells.group, population)).astype(np.int32)
    return orders


def _cheapest(
    network: QuantizedNetwork, cells: Cells, caps: Caps, orders: dict[str, Int32s], preset: str, seed: int, chip: Chip
) -> tuple[Int32s, str, dict[str, tuple[int, int]]]:
    """Best partition, how it was found, and what each method found; nothing is compiled where one core is enough."""
    n = cells.n_neurons
    feeding = (np.diff(cells.start) > 0)[cells.cell]
    one = np.zeros(n, np.int32)
    small = n <= caps.neurons and int(feeding.sum()) <= caps.axons
    if small and int(synapse_words(network, chip, one)[0]) <= chip.limits.max_synapse_words:
        cost = int(cells.rate[n:][feeding[n:]].sum())
        return one, "one core", {"one core": (cost, 1)}
    try:
        found = search(cells, caps, orders, preset, seed, chip.mesh.n_cores)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"preset {preset!r} needs {error.name}, which is not installed here; install it, or use preset 'fast'"
        ) from error
    require(bool(found), "the search returned no partition though every neuron fits a core")
    return found[0].block, found[0].method, {c.method: (c.km1, c.n_cores) for c in found}


def _fewer_neurons(caps: Caps, tally: Tally, network: QuantizedNetwork, core: Int32s, chip: Chip) -> Caps:
    """Lower the neuron limit where too many axons leave a core.

    Raises:
        CapacityError: one neuron a core is still too many.
    """
    if caps.neurons == 1:
        worst = int(tally.out_axons.argmax())
        neuron, need = int(np.flatnonzero(core == worst)[0]), int(tally.out_axons[worst])
        name = next(name for name, at in slices(network.populations).items() if at.start <= neuron < at.stop)
        raise CapacityError(
            f"population {name!r} does not fit {chip.title}: a neuron alone on a core sends to {need} others, a core "
            f"has {caps.out_axons} output axons; drop {need - caps.out_axons} of its targets"
        )
    return replace(caps, neurons=max(1, min(caps.neurons, int(tally.neurons.max())) * 2 // 3))
