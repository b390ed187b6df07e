"""Packets read off twin classes are those of single sources."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.quantized import QuantizedNetwork
from mapper.board.route import core_packets
from mapper.check.capacity import caps_of
from mapper.check.recount import reached_cores, recount_network
from mapper.deliver import Delivery
from mapper.edges import network_edges
from mapper.rates import scaled
from mapper.search.candidates import Candidate
from mapper.view.cells import network_cells
from tests.mapper.drawn import image_networks
from tests.strategies import Draw, networks, seeds

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "100"))
laws = settings(max_examples=DRAWS, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LOIHI2 = find_chip("loihi2")


@laws
@given(image_networks() | networks(Draw()), seeds, st.integers(2, 6))
def test_packets_between_cores_are_those_of_single_synapses(network: QuantizedNetwork, seed: int, k: int):
    random, n = np.random.default_rng(seed), network.n_neurons
    cells = network_cells(network, LOIHI2, scaled(random.random(n + network.n_inputs), network))
    core = random.integers(0, k, n)
    core[0] = k - 1
    source, reached, _ = reached_cores(network_edges(network), core, k, n + network.n_inputs)
    flow, inputs = np.zeros((k, k)), np.zeros(k)
    for s, b in zip(source.tolist(), reached.tolist()):
        if s >= n:
            inputs[b] += cells.rate[s]
        elif core[s] != b:
            flow[core[s], b] += cells.rate[s]
    found = core_packets(cells, core.astype(np.int32))
    assert (found[0].toarray() == flow).all() and (found[1] == inputs).all()


@laws
@given(image_networks(), seeds)
def test_a_delivered_partition_costs_what_the_checker_counts(network: QuantizedNetwork, seed: int):
    random = np.random.default_rng(seed)
    cells = network_cells(network, LOIHI2, scaled(None, network))
    core = np.unique(random.integers(0, 4, network.n_neurons), return_inverse=True)[1].reshape(-1).astype(np.int32)
    order = np.arange(core.size, dtype=np.int32)
    cut = Delivery(network, LOIHI2, cells, caps_of(LOIHI2), order).delivered(Candidate("drawn", core, 0, 4))
    assert cut is not None and cut.km1 == recount_network(network, cut.block, cells.rate).km1
