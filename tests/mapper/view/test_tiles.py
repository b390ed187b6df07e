"""Tiles are a lossless view: what is counted on them is what neurons cost and need."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.connection import Dense, Sparse
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.check.capacity import caps_of
from mapper.check.recount import recount
from mapper.edges import network_edges
from mapper.partition import fill_orders
from mapper.rates import scaled
from mapper.search.search import own_portfolio
from mapper.view.cells import network_cells
from mapper.view.hypergraph import Caps, incidence
from mapper.view.slots import build_nets, build_state, rate_of_cut
from mapper.view.tiles import Cut, contract, positions, tile_labels
from tests.mapper.nets import conv
from tests.strategies import Draw, networks, seeds

LOIHI1 = find_chip("loihi1")
laws = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@laws
@given(st.data())
def test_a_partition_of_groups_costs_and_holds_what_its_neurons_do(data: st.DataObject):
    network = data.draw(networks(Draw()))
    random = np.random.default_rng(data.draw(seeds))
    rate = scaled(random.random(network.n_neurons + network.n_inputs), network)
    cells = network_cells(network, LOIHI1, rate)
    cut = Cut(data.draw(st.integers(1, 400)), data.draw(st.booleans()))
    label = tile_labels(cells, caps_of(LOIHI1), cut)
    if data.draw(st.booleans()):  # any grouping at all; shared memory aside
        label = np.unique(random.integers(0, 5, network.n_neurons), return_inverse=True)[1].astype(np.int32)
    graph = contract(cells, label).graph
    block = random.integers(0, 3, graph.n_vertices).astype(np.int32)
    nets = build_nets(graph, incidence(graph))
    state = build_state(graph, nets, block, 3)
    truth = recount(network_edges(network), block[label], rate)
    k = truth.neurons.size
    assert rate_of_cut(nets, state) == truth.km1
    assert (state.use[:k, 0] == truth.neurons).all() and (state.use[:k, 2] == truth.axons).all()


@laws
@given(st.data())
def test_no_tile_holds_neurons_of_two_kernels_or_two_populations(data: st.DataObject):
    network = data.draw(networks(Draw()))
    cells = network_cells(network, LOIHI1, scaled(None, network))
    label = tile_labels(cells, caps_of(LOIHI1), Cut(data.draw(st.integers(1, 400)), data.draw(st.booleans())))
    assert set(label.tolist()) == set(range(int(label.max()) + 1))
    population = np.repeat(np.arange(len(cells.shapes)), [int(np.prod(s)) for s in cells.shapes])
    for of_neuron in (population, cells.group):
        assert of_neuron is not None
        assert len({(a, b) for a, b in zip(label.tolist(), of_neuron.tolist())}) == int(label.max()) + 1


def test_positions_put_all_channels_of_a_place_together_row_by_row():
    assert positions(((2, 1, 3), (2,))).tolist() == [0, 2, 4, 1, 3, 5, 6, 7]


def test_tiles_of_a_layer_behind_a_pool_nest():
    network = conv(8)
    cells = network_cells(network, LOIHI1, scaled(None, network))
    label = tile_labels(cells, caps_of(LOIHI1), Cut(64))
    first = label[: 4 * 64].reshape(4, 8, 8)
    assert (first[:, ::2, ::2] == first[:, 1::2, 1::2]).all() and len(np.unique(first)) > 1


def test_a_network_of_lists_is_searched_on_neurons_too():
    """Indices in any order say nothing: a ring whose ids are shuffled is found by the search on neurons."""
    n = 60_000
    order = np.random.default_rng(0).permutation(n)
    before = np.empty(n, np.int32)
    before[order] = np.roll(order, 1)
    ring = Sparse(np.arange(n + 1), before, np.full(n, 2, np.int32), n)
    into = FixedProjection("in", "a", Dense(np.full((n, 1), 2, np.int32)))
    blocks = (Input("in", (1,)),), (FixedPopulation("a", (n,)),)
    network = QuantizedNetwork(*blocks, (into, FixedProjection("a", "a", ring)), "a")
    cells = network_cells(network, LOIHI1, scaled(None, network))
    found = own_portfolio(cells, Caps(1024), fill_orders(network, cells), "fast")
    assert any("a core" not in c.method for c in found) and any("a core" in c.method for c in found)
