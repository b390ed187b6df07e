"""Network + chip -> MappedNetwork: quantize, partition, place, in that order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ir.check import CapacityError
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from mapper.partition import Partition, find_partition, partition
from mapper.place import place
from mapper.quantize import quantize
from mapper.route import core_traffic, route

__all__ = ["map_network", "partition", "quantize"]


def map_network(
    network: Network | QuantizedNetwork,
    chip: Chip,
    weight_bits: int = 8,
    rates: ArrayLike | None = None,
    preset: str = "default",
    seed: int = 0,
    stage: Callable[[str], None] | None = None,
) -> MappedNetwork:
    """Quantize where still needed, partition under the chip's limits, place on its mesh.

    Args:
        weight_bits: 8, 6, 4 or 2, for networks that are not integers yet.
        rates: (N + inputs,) spikes a time step of each neuron, then of each input; None = all equal.
        preset: ``fast``, ``default`` or ``quality``.
        seed: same seed, same map.
        stage: called with the name of each stage as it begins.

    Returns:
        The mapped network; ``report`` holds cost and utilisation.

    Raises:
        CapacityError: a single neuron or the whole network does not fit.
    """
    begin = stage or (lambda _: None)
    begin("quantize")
    fixed = network if isinstance(network, QuantizedNetwork) else quantize(network, chip, weight_bits)
    begin("partition")
    found = find_partition(fixed, chip, rates, preset, seed)
    n_cores = int(found.core_of_neuron.max()) + 1
    if n_cores > chip.mesh.n_cores:
        raise CapacityError(
            f"the network needs {n_cores} cores, {chip.title} has {chip.mesh.n_cores}; "
            "use fewer neurons or a larger board"
        )
    begin("place")
    flow = core_traffic(found.cells, found.core_of_neuron)
    cores = place(flow, chip.mesh, seed)
    routes = route(flow, cores, chip.mesh)
    report = {
        **_utilisation(found, chip),
        "hops_per_packet": routes.hops_per_packet,
        "hottest_link": routes.hottest_link,
    }
    return MappedNetwork(fixed, chip, found.core_of_neuron, cores, report)


def _utilisation(found: Partition, chip: Chip) -> dict[str, float]:
    """Cost and the fullest core's share of each limit."""
    tally, limit = found.tally, chip.limits
    bits = tally.synapses * chip.synapse_format.weight_bits[-1]
    shares = {
        "neurons": tally.neurons / limit.max_neurons,
        "synapse_memory": bits / (limit.max_synapse_words * limit.synapse_word_bits),
        "input_axons": tally.axons / limit.max_input_axons,
        "output_axons": tally.out_axons / limit.max_output_axons,
    }
    fullest = {f"fullest_{name}": float(np.max(share)) for name, share in shares.items()}
    return {"km1": float(tally.km1), "n_cores": float(tally.neurons.size), **fullest}
