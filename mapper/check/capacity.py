"""What fits a core, and the sentence that says what does not: who, which limit, have and need, the smallest change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir.arrays import Array, Ints
from ir.check import CapacityError
from ir.chip import Chip
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from ir.words import counted
from mapper.board.sites import check_room
from mapper.check.recount import Tally
from mapper.memory.bounds import memory_need
from mapper.memory.settings import distinct_per_core, neuron_configs, neuron_thresholds
from mapper.memory.words import synapse_words
from mapper.view.cells import source_counts
from mapper.view.hypergraph import Caps
from mapper.view.twins import Cells

MAPPED_BY = ("limits", "synapse_format", "mesh")
"""Tables of a chip's file that a map needs."""


def caps_of(chip: Chip) -> Caps:
    """A core's limits; memory in bits, one short of a word too many, since synapses take whole words."""
    limit = chip.limits
    memory = (limit.max_synapse_words + 1) * limit.synapse_word_bits - 1
    return Caps(limit.max_neurons, memory, limit.max_input_axons, limit.max_output_axons)


def core_use(network: QuantizedNetwork, chip: Chip, core_of_neuron: Array, tally: Tally) -> dict[str, tuple[Ints, int]]:
    """What every core holds of each limited thing, (K,), and how much a core can hold, by the limit's name.

    A neuron counts as many as it takes the room of (``FixedNeuron.places``).
    """
    limit, core = chip.limits, np.asarray(core_of_neuron, np.int64)
    k = tally.neurons.size
    return {
        "neurons": (tally.places, limit.max_neurons),
        "synapse_words": (synapse_words(network, chip, core), limit.max_synapse_words),
        "input_axons": (tally.axons, limit.max_input_axons),
        "output_axons": (tally.out_axons, limit.max_output_axons),
        "neuron_configs": (distinct_per_core(neuron_configs(network), core, k), limit.max_neuron_configs),
        "thresholds": (distinct_per_core(neuron_thresholds(network), core, k), limit.max_thresholds),
    }


def exceeded(use: dict[str, tuple[Ints, int]]) -> list[str]:
    """Every (core, limit) that is exceeded, as ``core 3: 1100 neurons, at most 1024``."""
    return [
        f"core {i}: {held[i]} {name.replace('_', ' ')}, at most {most}"
        for name, (held, most) in use.items()
        for i in np.flatnonzero(held > most)
    ]


def check_neurons(network: QuantizedNetwork, cells: Cells, chip: Chip, alternatives: Sequence[Chip] = ()) -> None:
    """Raise where a neuron fits no core even alone; it cannot be split exactly (docs/mapping.md, Limits).

    Args:
        alternatives: chips that the sentence may name as a way out.

    Raises:
        CapacityError: which population, which limit, what it needs, what a core holds, what would fit.
    """
    sources, words = source_counts(cells), memory_need(network, chip).alone
    for p, at in zip(network.populations, slices(network.populations).values()):
        most, room = chip.limits.max_input_axons, chip.limits.max_synapse_words
        need, held = int(sources[at].max()), int(words[at].max())
        _check_places(p.name, p.neuron.places, chip)
        if need <= most and held <= room:
            continue
        if need > most:
            lacks = f"a neuron has {need} sources, a core takes {most} input axons"
            way = f"drop {need - most} of its sources (pool or narrow {_feeding(network, p.name)!r})"
        else:
            lacks = f"a neuron's synapses take {held} words, a core has {room}"
            way = f"drop {_share(held, room)} % of its synapses"
        other = _other(
            network,
            [c for c in alternatives if c.name != chip.name and c.kind == chip.kind and not c.lacking(*MAPPED_BY)],
            at,
            need,
        )
        raise CapacityError(
            f"population {p.name!r} does not fit {chip.title}: {lacks}, and no neuron can be split exactly; "
            f"{way}{other}"
        )


def _check_places(name: str, places: int, chip: Chip) -> None:
    """Raise where a neuron's states and parameters take more room than a core has."""
    most = chip.limits.max_neurons
    if places > most:
        raise CapacityError(
            f"population {name!r} does not fit {chip.title}: a neuron takes the room of {places}, a core has that of "
            f"{counted(most, 'neuron')}; use fewer buckets"
        )


def _share(need: int, room: int) -> int:
    """Percent to drop so that ``need`` falls to ``room``, rounded up."""
    return -(-100 * (need - room) // need)


def _feeding(network: QuantizedNetwork, name: str) -> str:
    """The largest block that feeds a population."""
    size = {b.name: b.n for b in (*network.populations, *network.inputs)}
    return max((e.pre for e in network.projections if e.post == name), key=lambda pre: size[pre])


def _other(network: QuantizedNetwork, chips: Sequence[Chip], at: slice, sources: int) -> str:
    """Name a chip that takes these neurons."""
    for other in chips:
        held = int(memory_need(network, other).alone[at].max())
        if sources <= other.limits.max_input_axons and held <= other.limits.max_synapse_words:
            return f", or map to {other.name}"
    return ""


def check_delays(network: QuantizedNetwork, chip: Chip) -> None:
    """Raise where a spike would have to wait longer than the chip can hold it.

    Raises:
        CapacityError: which projection, its delay and the chip's longest.
    """
    most = chip.limits.max_delay_steps
    for e in network.projections:
        delay = int(np.max(e.delay_steps))
        if delay > most:
            raise CapacityError(
                f"projection {e.pre} -> {e.post} delays by {counted(delay, 'time step')}, {chip.title} delays "
                f"by at most {most}; shorten the delay"
            )


def check_board(network: QuantizedNetwork, chip: Chip, core_of_neuron: Array, use: dict[str, tuple[Ints, int]]) -> None:
    """Raise where the board has too few cores.

    Args:
        use: what each core holds of every limited thing, and how much one can.

    Raises:
        CapacityError: cores needed and for which population most, cores there are, what fills them, and the smallest
            board that would do.
    """
    mesh, n_cores = chip.mesh, int(np.max(core_of_neuron)) + 1
    if n_cores > mesh.n_cores:
        spread = {name: np.unique(core_of_neuron[at]).size for name, at in slices(network.populations).items()}
        widest = max(spread, key=lambda name: spread[name])
        share = {name: float(held.mean()) / most for name, (held, most) in use.items()}
        scarce = max(share, key=lambda name: share[name])
        who = f" (population {widest!r} {spread[widest]} of them)"
        why = f"{scarce.replace('_', ' ')} fill them to {100 * share[scarce]:.0f} %: "
        check_room(mesh, n_cores, chip.title, who, why)
