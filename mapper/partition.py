"""Give every neuron a core: the cheapest partition found under all limits, recounted by the independent checker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ir.arrays import Int32s, Ints
from ir.check import CapacityError, check_choice, require, whole
from ir.chip import Chip
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from mapper.check.capacity import MAPPED_BY, caps_of, check_delays, check_neurons, core_use, exceeded
from mapper.check.recount import Tally, recount_network
from mapper.deliver import Delivery
from mapper.memory.settings import split_settings
from mapper.memory.words import synapse_words
from mapper.rates import scaled
from mapper.search.candidates import Candidate
from mapper.search.exact_fill import exact_fills
from mapper.search.search import PRESETS, search
from mapper.view.cells import network_cells
from mapper.view.hypergraph import Caps
from mapper.view.tiles import positions
from mapper.view.twins import Cells

SEEDS = 1 << 30  # as many fit the libraries' integers, with room for further starts


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
    seed = whole("seed", seed, 0, SEEDS - 1)
    check_choice("preset", preset, PRESETS)
    chip.need("a map", *MAPPED_BY)
    caps = caps_of(chip)
    cells = network_cells(network, chip, scaled(rates, network))
    check_neurons(network, cells, chip, alternatives)
    check_delays(network, chip)
    orders = fill_orders(network, cells)
    one = _one_core(network, cells, caps, chip)
    if one is not None:
        return _counted(network, chip, cells, [one])
    delivery, tight = Delivery(network, chip, cells, caps, list(orders.values())[-1]), caps
    widest = int(cells.taken.max(initial=1))
    room = chip.mesh.n_cores
    found: list[Candidate] = []
    while not found:
        fills = exact_fills(network, chip, cells, tight, orders)
        try:
            found = search(cells, tight, orders, preset, seed, room, delivery.delivered, fills)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"preset {preset!r} needs {error.name}, which is not installed here; install it, or use preset 'fast'"
            ) from error
        if not found and tight.neurons <= widest:
            raise _too_many_targets(network, cells, caps, chip)
        tight = replace(tight, neurons=max(widest, tight.neurons * 2 // 3))
    return _counted(network, chip, cells, found)


def _counted(network: QuantizedNetwork, chip: Chip, cells: Cells, found: Sequence[Candidate]) -> Partition:
    """Let the independent checker count the first candidate; the others are named beside it."""
    best = found[0]
    tally = recount_network(network, best.block, cells.rate, cells.taken)
    use = core_use(network, chip, best.block, tally)
    wrong = exceeded(use)
    require(not wrong, f"the checker found {len(wrong)} exceeded limits in the map by {best.method}: {wrong[:1]}")
    tried = {c.method: (c.km1, c.n_cores) for c in (*found[1:], best)}
    return Partition(best.block, best.method, tally, cells, tried, use)


def _one_core(network: QuantizedNetwork, cells: Cells, caps: Caps, chip: Chip) -> Candidate | None:
    """Everything on one core, where it fits: nothing is compiled then."""
    n = cells.n_neurons
    feeding = (np.diff(cells.start) > 0)[cells.cell]
    core = np.zeros(n, np.int32)
    small = int(cells.taken.sum()) <= caps.neurons and int(feeding.sum()) <= caps.axons
    if not small or int(synapse_words(network, chip, core)[0]) > chip.limits.max_synapse_words:
        return None
    if int(split_settings(network, chip, core).max()) > 0:
        return None
    return Candidate("one core", core, int(cells.rate[n:][feeding[n:]].sum()), 1)


def fill_orders(network: QuantizedNetwork, cells: Cells) -> dict[str, Int32s]:
    """Orders in which cores may be filled, by name; the last one suits the network best.

    By index, by position with all channels of a position together, and where kernels are larger than a core,
    population by population, block of channels by block: then few cores hold each block.
    """
    n, rank = network.n_neurons, positions(cells.shapes)
    orders = {
        "id order": np.arange(n, dtype=np.int32),
        "position order": np.argsort(rank, kind="stable").astype(np.int32),
    }
    sizes = [p.n for p in network.populations]
    population = np.repeat(np.arange(len(sizes)), sizes)
    if cells.group is not None and np.unique(cells.group).size > len(sizes) + 1:
        orders["kernel order"] = np.lexsort((rank, cells.group, population)).astype(np.int32)
    return orders


def _too_many_targets(network: QuantizedNetwork, cells: Cells, caps: Caps, chip: Chip) -> CapacityError:
    """What to say where a neuron sends to more others than a core has output axons, whatever the partition tried."""
    core = np.arange(cells.n_neurons, dtype=np.int32)
    need = recount_network(network, core, cells.rate, cells.taken).out_axons
    neuron = int(need.argmax())
    name = next(name for name, at in slices(network.populations).items() if at.start <= neuron < at.stop)
    return CapacityError(
        f"population {name!r} does not fit {chip.title}: a neuron alone on a core sends to {need[neuron]} others, a "
        f"core has {caps.out_axons} output axons; drop {need[neuron] - caps.out_axons} of its targets"
    )
