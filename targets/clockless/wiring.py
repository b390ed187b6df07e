"""A mapped network as a clockless chip sees it: which cores a source reaches, and with what synapses on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.arrays import Array, Bits, Ints
from ir.check import require
from ir.chip import Chip
from ir.clockless import Clockless
from ir.connection import synapses
from ir.graph import input_depths, slices
from ir.mapped import MappedNetwork
from ir.neurons import as_lif
from ir.quantized import FixedProjection, QuantizedNetwork

NEVER = 1 << 40
"""The register value of a threshold that nothing reaches."""

MAX_SYNAPSES = 1 << 28

RESETS = ("zero", "subtract", "zero_late", "subtract_late", "none")
"""Resets; all but the first keep the charge that comes after a spike, the late ones wait for the next time step."""

ZERO, SUBTRACT, ZERO_LATE, SUBTRACT_LATE, NO_RESET = range(len(RESETS))


@dataclass(frozen=True, eq=False)
class Wiring:
    """Sources are the N neurons, then the inputs; an entry is a source on a core that holds any of its targets.

    A slot is where the weights of one projection into one neuron are summed.

    Attributes:
        entry_start: (M + 1,) the entries of each source, cores ascending.
        entry_core, entry_steps, entry_synapses, entry_bits: (E,) of each entry its core, steps of the processing
            elements, synapses, bits of their weights.
        synapse_start: (E + 1,); synapse_slot, synapse_weight: (S,).
        touched_start: (E + 1,); touched: populations that an entry has synapses into.
        slot_exponent: (n_slots,) its projection's.
        slots_start: (N + 1,); slots: of each neuron.
        population: (N,) and core: (N,) of each neuron.
        depth, has_current, due, refractory, interval, offset: (P,) of each population; reset: a place in ``RESETS``.
        decay_v, decay_u, threshold, bias, bias_u, v_min: (N,) register values.
        held_start: (K * P + 1,); held: the neurons of a population on a core, by core * P + population.
        output: (first, last + 1) neuron of the output population.
    """

    n_neurons: int
    n_inputs: int
    n_cores: int
    names: tuple[str, ...]
    arithmetic: Arithmetic
    core_model: Clockless
    entry_start: Ints
    entry_core: Ints
    entry_steps: Ints
    entry_synapses: Ints
    entry_bits: Ints
    synapse_start: Ints
    synapse_slot: Ints
    synapse_weight: Ints
    touched_start: Ints
    touched: Ints
    slot_neuron: Ints
    slot_exponent: Ints
    slots_start: Ints
    slots: Ints
    population: Ints
    core: Ints
    depth: Ints
    has_current: Bits
    due: Bits
    refractory: Bits
    reset: Ints
    interval: Ints
    offset: Ints
    decay_v: Ints
    decay_u: Ints
    threshold: Ints
    bias: Ints
    bias_u: Ints
    v_min: Ints
    held_start: Ints
    held: Ints
    output: tuple[int, int]

    @property
    def n_populations(self) -> int:
        return len(self.depth)


def starts(sizes: Any) -> Ints:
    """Where blocks begin, and the end of the last."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))]).astype(np.int64)


def wiring_of(mapped: MappedNetwork, chip: Chip, core_model: Clockless) -> Wiring:
    """Lay a mapped network out.

    Raises:
        ValueError: it has more synapses than are held one by one.
    """
    network = mapped.network
    n, k = network.n_neurons, len(mapped.cores)
    core = mapped.core_of_neuron.astype(np.int64)
    populations = network.populations
    owner = np.repeat(np.arange(len(populations)), [p.n for p in populations])
    held = np.lexsort((np.arange(n), owner, core))
    key = core[held] * len(populations) + owner[held]
    block = slices(populations)
    slot_neuron = _joined([np.arange(block[e.post].start, block[e.post].stop) for e in network.projections])
    at = block[network.output]
    return Wiring(
        n_neurons=n,
        n_inputs=network.n_inputs,
        n_cores=k,
        names=tuple(p.name for p in populations),
        arithmetic=ARITHMETICS[network.arithmetic],
        core_model=core_model,
        **_entries(network, chip, core_model, core, owner, k),
        slot_neuron=slot_neuron,
        slot_exponent=np.repeat(
            np.array([e.weight_exp for e in network.projections], np.int64),
            [e.connection.n_post for e in network.projections],
        ),
        slots_start=starts(np.bincount(slot_neuron, minlength=n)),
        slots=np.argsort(slot_neuron, kind="stable"),
        population=owner,
        core=core,
        held_start=np.searchsorted(key, np.arange(k * len(populations) + 1)).astype(np.int64),
        held=held,
        output=(at.start, at.stop),
        **_columns(network),
    )


def _joined(parts: list[Any]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _entries(
    network: QuantizedNetwork, chip: Chip, core_model: Clockless, core: Ints, owner: Ints, k: int
) -> dict[str, Array]:
    """Synapses by source and target core, and what an event on a core takes."""
    source, slot, weight, bits, link = _all_synapses(network, chip)
    block = slices(network.populations)
    post = _joined([np.arange(block[e.post].start, block[e.post].stop) for e in network.projections])[slot]
    m, n_links = network.n_neurons + network.n_inputs, max(len(network.projections), 1)
    order = np.lexsort((slot, core[post], source))
    source, slot, weight, bits, link, post = (x[order] for x in (source, slot, weight, bits, link, post))
    pair = source * k + core[post]
    entries, first = np.unique(pair, return_index=True)
    if core_model.targetless == "queued":
        entries, first = _with_targetless(entries, first, len(pair), core, m, k)
    synapse_start = np.concatenate([first, [len(pair)]]).astype(np.int64)
    index = np.repeat(np.arange(len(entries)), np.diff(synapse_start))
    a_link = np.unique(index * n_links + link, return_counts=True)
    steps = np.zeros(len(entries), np.int64)
    np.add.at(steps, a_link[0] // n_links, -(-a_link[1] // core_model.npe))
    n_populations = len(network.populations)
    touched = np.unique(index * n_populations + owner[post])
    return {
        "entry_start": np.searchsorted(entries // k, np.arange(m + 1)).astype(np.int64),
        "entry_core": entries % k,
        "entry_steps": steps,
        "entry_synapses": np.diff(synapse_start),
        "entry_bits": np.bincount(index, bits, minlength=len(entries)).astype(np.int64),
        "synapse_start": synapse_start,
        "synapse_slot": slot,
        "synapse_weight": weight,
        "touched_start": np.searchsorted(touched // n_populations, np.arange(len(entries) + 1)).astype(np.int64),
        "touched": touched % n_populations,
    }


def _with_targetless(entries: Ints, first: Ints, end: int, core: Ints, m: int, k: int) -> tuple[Ints, Ints]:
    """Entries without synapses for sources that nobody hears: a neuron's on its own core, an input's on core 0."""
    home = np.concatenate([core, np.zeros(m - len(core), np.int64)])
    lonely = np.setdiff1d(np.arange(m), entries // k)
    more = lonely * k + home[lonely]
    at = np.searchsorted(entries, more)
    return np.insert(entries, at, more), np.insert(first, at, np.append(first, end)[at])


def _all_synapses(network: QuantizedNetwork, chip: Chip) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """(S,) source, slot, weight, its bits and projection of every synapse."""
    at, inputs, found, first = slices(network.populations), slices(network.inputs), [], 0
    total = 0
    for link, e in enumerate(network.projections):
        pre, post, weight = synapses(e.connection)
        total += pre.size
        require(total <= MAX_SYNAPSES, f"a timed run holds synapses one by one, at most {MAX_SYNAPSES}; use fewer")
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        bits = np.full(pre.size, _weight_bits(e, chip), np.int64)
        found.append((pre + low, post + first, weight.astype(np.int64), bits, np.full(pre.size, link, np.int64)))
        first += e.connection.n_post
    source, slot, weight, bits, links = (_joined(list(x)) for x in (zip(*found) if found else [[]] * 5))
    return source, slot, weight, bits, links


def _weight_bits(e: FixedProjection, chip: Chip) -> int:
    """Bits of the smallest encoding of the chip that holds a projection's weights; common factors of two and a sign
    that all share are not stored."""
    weight = e.connection.weight.astype(np.int64)
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    common = int(np.bitwise_or.reduce(np.abs(weight), axis=None)) if weight.size else 0
    shift = (common & -common).bit_length() - 1 if common else 0
    mixed = int(low < 0 < high)
    for bits in chip.synapse_format.weight_bits:
        room = (1 << (bits - mixed)) - 1
        if high >> shift <= room and -low >> shift <= room + mixed:
            return bits
    return chip.synapse_format.weight_bits[-1]


def _columns(network: QuantizedNetwork) -> dict[str, Array]:
    """Parameters in register units."""
    arithmetic, depths = ARITHMETICS[network.arithmetic], input_depths(network)
    lifs = [(p.name, p.n, as_lif(p.name, p.neuron, "the timed executor")) for p in network.populations]
    for name, _, lif in lifs:
        require(
            lif.reset in RESETS,
            f"population {name!r} has reset {lif.reset!r}, which the timed executor does not know; use one of "
            f"{', '.join(RESETS)}, or run on the reference",
        )
    rows = [(n, lif.registers(arithmetic, NEVER)) for _, n, lif in lifs]
    per_neuron = {
        name: np.concatenate([np.broadcast_to(np.asarray(row[name], np.int64), (n,)) for n, row in rows])
        for name in ("decay_v", "decay_u", "threshold", "bias", "bias_u", "v_min")
    }
    return {
        **per_neuron,
        "depth": np.array([depths[name] for name, _, _ in lifs], np.int64),
        "has_current": np.array([lif.has_current for _, _, lif in lifs], np.bool_),
        "due": np.array([lif.due for _, _, lif in lifs], np.bool_),
        "refractory": np.array([lif.refractory for _, _, lif in lifs], np.bool_),
        "reset": np.array([RESETS.index(lif.reset) for _, _, lif in lifs], np.int64),
        "interval": np.array([lif.reset_interval for _, _, lif in lifs], np.int64),
        "offset": np.array([lif.reset_offset for _, _, lif in lifs], np.int64),
    }
