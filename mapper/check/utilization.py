"""What each core of a mapped network holds, recounted from its synapses: the table that Intel's compiler prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ir.check import require
from ir.chip import Chip
from ir.mapped import MappedNetwork
from mapper.check.recount import reaches_home
from mapper.memory.settings import distinct_per_core, neuron_configs, neuron_thresholds
from mapper.memory.words import synapse_words
from mapper.windows import windows


@dataclass(frozen=True)
class CoreUse:
    """What one core holds; or, from ``limits``, what it can hold.

    Attributes:
        core: index into ``MappedNetwork.cores``; -1 in limits.
        neurons: neurons.
        synapses: weights of their own, zeros included; a shared kernel's weight counts at each of its synapses.
        synapse_words: words of synapse memory.
        input_axons: distinct sources, inputs included, with a synapse on the core.
        output_axons: (source on the core, other core) pairs.
        configs, thresholds: different neuron settings and thresholds.
        packets_in: spikes that arrive from other cores and from inputs; one a source where no counts are given.
    """

    core: int
    neurons: int
    synapses: int
    synapse_words: int
    input_axons: int
    output_axons: int
    configs: int
    thresholds: int
    packets_in: float


def utilization(mapped: MappedNetwork, counts: ArrayLike | None = None) -> list[CoreUse]:
    """Count what every core holds.

    Args:
        counts: (N + inputs,) spikes of each source in a sample; None = one each.

    Raises:
        ValueError: the network is not mapped.
    """
    network, chip = mapped.network, mapped.chip
    require(chip is not None, "an unmapped network lies on no chip; map it first")
    assert chip is not None
    k, core = len(mapped.cores), np.asarray(mapped.core_of_neuron, np.int64)
    n_sources = network.n_neurons + network.n_inputs
    spikes = np.ones(n_sources) if counts is None else np.asarray(counts, np.float64)
    require(spikes.shape == (n_sources,), f"counts have shape {spikes.shape}; give ({n_sources},)")
    found = windows(network, core, k)
    n, home = core.size, reaches_home(found, core, k)
    reached = np.bincount(found.window, minlength=found.n)[found.of_source[:n]]
    sources, sent = np.bincount(found.of_source, minlength=found.n), np.bincount(found.of_source, spikes, found.n)
    words = np.zeros(k, np.int64)
    taken = synapse_words(network, chip, core)
    words[: taken.size] = taken
    columns = {
        "neurons": np.bincount(core, minlength=k),
        "synapses": found.synapses,
        "synapse_words": words,
        "input_axons": np.bincount(found.core, sources[found.window], minlength=k),
        "output_axons": np.bincount(core, reached - home, minlength=k),
        "configs": distinct_per_core(neuron_configs(network), core, k),
        "thresholds": distinct_per_core(neuron_thresholds(network), core, k),
    }
    inside = np.bincount(core, spikes[:n] * home, minlength=k)
    packets = np.maximum(np.bincount(found.core, sent[found.window], minlength=k) - inside, 0.0)
    rows = [{name: int(column[i]) for name, column in columns.items()} for i in range(k)]
    return [CoreUse(core=i, packets_in=float(packets[i]), **row) for i, row in enumerate(rows)]


def limits(chip: Chip) -> CoreUse:
    """A core's limits in the same fields; synapses are the words full of the widest weights, packets have none."""
    limit = chip.limits
    bits = limit.max_synapse_words * limit.synapse_word_bits
    return CoreUse(
        -1,
        limit.max_neurons,
        bits // chip.synapse_format.weight_bits[-1],
        limit.max_synapse_words,
        limit.max_input_axons,
        limit.max_output_axons,
        limit.max_neuron_configs,
        limit.max_thresholds,
        float("inf"),
    )
