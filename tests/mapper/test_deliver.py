"""Partitions are compared as delivered: no preset is worse than a simple fill, nor ``default`` than ``fast``."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.chip import Chip, Mesh
from ir.quantized import QuantizedNetwork
from mapper.check.capacity import caps_of
from mapper.check.recount import recount
from mapper.deliver import Delivery
from mapper.edges import network_edges
from mapper.memory.bounds import memory_need
from mapper.partition import Partition, fill_orders, find_partition
from mapper.rates import scaled
from mapper.search.candidates import Candidate
from mapper.search.search import plain_fills
from mapper.view.cells import network_cells
from tests.mapper.nets import conv
from tests.strategies import Draw, networks, seeds

LOIHI2 = find_chip("loihi2")
laws = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def tight_chip(network: QuantizedNetwork, neurons: int, out_axons: int, thresholds: int) -> Chip:
    """Cores of few neurons, output axons and thresholds, with room for any one neuron."""
    words = int(memory_need(network, LOIHI2).alone.max())
    limits = replace(
        LOIHI2.limits,
        max_neurons=neurons,
        max_output_axons=max(out_axons, network.n_neurons),
        max_synapse_words=2 * max(words, 1),
        max_thresholds=thresholds,
    )
    return replace(LOIHI2, limits=limits, mesh=Mesh(8, 8, 4, 256, 8, 8))


def assert_no_delivered_fill_is_cheaper(
    km1: int, network: QuantizedNetwork, chip: Chip, rates: np.ndarray | None
) -> None:
    """Hold a cost to every simple fill, cut as it would be delivered."""
    cells, caps = network_cells(network, chip, scaled(rates, network)), caps_of(chip)
    orders = fill_orders(network, cells)
    delivery = Delivery(network, chip, cells, caps, list(orders.values())[-1])
    for fill in plain_fills(cells, caps, orders):
        cut = delivery.delivered(fill)
        assert cut is None or km1 <= cut.km1


def too_many(found: Partition) -> int:
    """Cores beyond 1.05 x what the map's neurons and words need, and one."""
    need = max(float(np.sum(found.use[name][0])) / found.use[name][1] for name in ("neurons", "synapse_words"))
    return max(0, found.tally.neurons.size - math.ceil(math.ceil(need) * 1.05 - 1e-9) - 1)


@laws
@given(st.data())
def test_default_is_never_worse_than_fast_nor_fast_than_a_delivered_fill(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = tight_chip(
        network, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    )
    rates = np.random.default_rng(data.draw(seeds)).random(network.n_neurons + network.n_inputs)
    fast, default = (find_partition(network, chip, rates, preset) for preset in ("fast", "default"))
    assert default.tally.km1 <= fast.tally.km1
    assert too_many(default) <= too_many(fast)
    assert_no_delivered_fill_is_cheaper(fast.tally.km1, network, chip, rates)


@laws
@given(st.data())
def test_a_delivered_partition_costs_what_the_checker_counts_and_never_less_than_uncut(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = tight_chip(network, 9, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3)))
    cells = network_cells(network, chip, scaled(None, network))
    order = np.arange(network.n_neurons, dtype=np.int32)
    delivery = Delivery(network, chip, cells, caps_of(chip), order)
    core = np.random.default_rng(data.draw(seeds)).integers(0, 3, network.n_neurons)
    core = np.unique(core, return_inverse=True)[1].astype(np.int32)
    uncut = recount(network_edges(network), core, cells.rate)
    cut = delivery.delivered(Candidate("drawn", core, uncut.km1, uncut.neurons.size))
    assert cut is not None
    tally = recount(network_edges(network), cut.block, cells.rate)
    assert (cut.km1, cut.n_cores) == (tally.km1, tally.neurons.size)
    assert cut.km1 >= uncut.km1 and cut.n_cores >= uncut.neurons.size
    assert int(tally.out_axons.max()) <= chip.limits.max_output_axons


@pytest.mark.parametrize("out_axons", [30, 60])
def test_a_partition_that_cutting_makes_dear_loses_to_one_that_needs_no_cut(out_axons: int):
    network = conv(8)
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=60, max_output_axons=out_axons))
    found = find_partition(network, chip)
    assert int(found.tally.out_axons.max()) <= out_axons
    assert_no_delivered_fill_is_cheaper(found.tally.km1, network, chip, None)
