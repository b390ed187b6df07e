"""Network + chip -> MappedNetwork: quantize, partition, place, in that order."""

from __future__ import annotations

import numpy as np

from ir.arrays import Int32s
from ir.check import CapacityError
from ir.chip import Chip
from ir.connection import synapses
from ir.graph import slices
from ir.mapped import Core, MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from mapper.quantize import quantize

__all__ = ["map_network", "quantize"]


def map_network(network: Network | QuantizedNetwork, chip: Chip, weight_bits: int = 8) -> MappedNetwork:
    """Quantize where still needed, partition under the chip's limits, place in mesh order.

    Raises:
        CapacityError: a single neuron or the whole network does not fit.
    """
    fixed = network if isinstance(network, QuantizedNetwork) else quantize(network, chip, weight_bits)
    core_of_neuron = fill_in_order(fixed, chip)
    n_cores = int(core_of_neuron.max()) + 1
    if n_cores > chip.mesh.n_cores:
        raise CapacityError(
            f"the network needs {n_cores} cores, {chip.title} has {chip.mesh.n_cores}; use fewer neurons or a larger board"
        )
    per_tile, width = chip.mesh.cores_per_tile, chip.mesh.width
    cores = [
        Core(
            i,
            i // chip.mesh.usable_cores,
            i % chip.mesh.usable_cores // per_tile % width,
            i % chip.mesh.usable_cores // per_tile // width,
            i % per_tile,
        )
        for i in range(n_cores)
    ]
    return MappedNetwork(fixed, chip, core_of_neuron, tuple(cores))


def fill_in_order(network: QuantizedNetwork, chip: Chip) -> Int32s:
    """Fill core after core with neurons in index order until a limit is reached."""
    sources = _sources_of_each(network)
    limit = chip.limits
    bits = [sum(chip.synapse_format.weight_bits[-1:]) * len(s) for s in sources]
    room = limit.max_synapse_words * limit.synapse_word_bits
    core_of_neuron = np.zeros(network.n_neurons, np.int32)
    core, neurons, used, axons = 0, 0, 0, set[int]()
    for i, own in enumerate(sources):
        together = axons.union(own)
        if len(own) > limit.max_input_axons or bits[i] > room:
            raise CapacityError(
                f"neuron {i} has {len(own)} sources, a core takes {limit.max_input_axons}; give it fewer inputs"
            )
        if neurons == limit.max_neurons or used + bits[i] > room or len(together) > limit.max_input_axons:
            core, neurons, used, together = core + 1, 0, 0, set(own)
        core_of_neuron[i] = core
        neurons, used, axons = neurons + 1, used + bits[i], together
    return core_of_neuron


def _sources_of_each(network: QuantizedNetwork) -> list[list[int]]:
    """For each neuron its sources: neurons by global index, inputs behind them."""
    at, inputs = slices(network.populations), slices(network.inputs)
    sources: list[list[int]] = [[] for _ in range(network.n_neurons)]
    for e in network.projections:
        pre, post, _ = synapses(e.connection)
        offset = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        for i, j in zip((pre + offset).tolist(), (post + at[e.post].start).tolist()):
            sources[j].append(i)
    return sources
