"""Network + chip -> MappedNetwork: quantize, partition, place, in that order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike

from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from mapper.board.place import place
from mapper.board.route import core_traffic, route, route_chips
from mapper.check.capacity import check_board
from mapper.check.models import check_models
from mapper.partition import Partition, find_partition, partition
from mapper.quantize import quantize

__all__ = ["map_network", "partition", "quantize"]


def map_network(
    network: Network | QuantizedNetwork,
    chip: Chip,
    weight_bits: int = 8,
    rates: ArrayLike | None = None,
    preset: str = "default",
    seed: int = 0,
    stage: Callable[[str], None] | None = None,
    alternatives: Sequence[Chip] = (),
) -> MappedNetwork:
    """Quantize where still needed, partition under the chip's limits, place on its mesh.

    Args:
        weight_bits: 8, 6, 4 or 2, for networks that are not integers yet.
        rates: (N + inputs,) spikes a time step of each neuron, then of each input; None = all equal.
        preset: ``fast``, ``default`` or ``quality``.
        seed: same seed, same map.
        stage: called with the name of each stage as it begins.
        alternatives: chips to name as a way out where a neuron fits no core of this one.

    Returns:
        The mapped network; ``report`` holds cost and utilisation.

    Raises:
        CapacityError: a single neuron or the whole network does not fit.
    """
    begin = stage or (lambda _: None)
    begin("quantize")
    fixed = network if isinstance(network, QuantizedNetwork) else quantize(network, chip, weight_bits)
    check_models(fixed, chip)
    begin("partition")
    found = find_partition(fixed, chip, rates, preset, seed, alternatives)
    check_board(fixed, chip, found.core_of_neuron, found.use)
    flow = core_traffic(found.cells, found.core_of_neuron)
    cores = place(flow, chip.mesh, seed)
    routes, chips = route(flow, cores, chip.mesh), route_chips(flow, cores, chip.mesh)
    report = {
        **_utilization(found),
        "hops_per_packet": routes.hops_per_packet,
        "hottest_link": routes.hottest_link,
        "packets_between_chips": chips.packets,
        "hottest_chip_link": chips.hottest_link,
    }
    return MappedNetwork(fixed, chip, found.core_of_neuron, cores, report)


def _utilization(found: Partition) -> dict[str, float]:
    """Cost, cores, and the fullest core's share of each limit."""
    shares = {f"fullest_{name}": float(held.max()) / most for name, (held, most) in found.use.items()}
    return {"km1": float(found.tally.km1), "n_cores": float(found.tally.neurons.size), **shares}
