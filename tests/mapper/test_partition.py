"""Partition and placement keep every limit, cost what they say, and beat the simple mappers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from exchange.chip_toml import find_chip
from ir.chip import Chip, Mesh
from ir.connection import Conv2d, Dense, synapses
from ir.graph import slices
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper import map_network, partition
from mapper.board.place import place
from mapper.board.route import core_traffic, route
from mapper.check.capacity import caps_of
from mapper.check.recount import recount
from mapper.check.utilization import limits, utilization
from mapper.edges import network_edges
from mapper.memory.bounds import memory_need, synapse_counts
from mapper.partition import find_partition
from mapper.rates import scaled
from mapper.search.fills import ordered_fill
from mapper.view.cells import network_cells
from mapper.view.hypergraph import incidence
from mapper.view.twins import wide_graph
from sim_reference import simulate
from sim_reference.compare.divergence import first_divergence
from tests.mapper.nets import conv, dense
from tests.strategies import LAYERED, Draw, networks, schedules, seeds, sparse, stimuli

LOIHI2 = find_chip("loihi2")
BOARD = Mesh(8, 8, 4, 256, 8, 8)
laws = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def small_chip(network: QuantizedNetwork, slack: int = 1, neurons: int = 7) -> Chip:
    """A chip whose cores just take the neediest neuron, ``slack`` times, on a board that is large enough."""
    pre, post = (np.concatenate(part) for part in zip(*network_edges(network)))
    distinct = np.unique(np.stack([pre, post]), axis=1)[1]
    axons, words = int(np.bincount(distinct).max()), int(memory_need(network, LOIHI2).alone.max())
    limits = replace(
        LOIHI2.limits,
        max_neurons=neurons,
        max_input_axons=slack * axons,
        max_synapse_words=slack * max(words, 1),
    )
    return replace(LOIHI2, limits=limits, mesh=BOARD)


@laws
@given(st.data())
def test_every_neuron_has_one_core_and_every_limit_holds(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = small_chip(network, data.draw(st.integers(1, 3)), data.draw(st.integers(1, 9)))
    found = find_partition(network, chip, preset=data.draw(st.sampled_from(["fast", "default"])))
    core = found.core_of_neuron
    assert core.shape == (network.n_neurons,) and set(core.tolist()) == set(range(int(core.max()) + 1))
    mapped = MappedNetwork(network, chip, core, tuple(Core(i, x=i) for i in range(int(core.max()) + 1)))
    most = limits(chip)
    for use in utilization(mapped):
        assert use.neurons <= most.neurons and use.synapse_words <= most.synapse_words
        assert use.input_axons <= most.input_axons and use.output_axons <= most.output_axons
        assert use.configs <= most.configs and use.thresholds <= most.thresholds


@laws
@given(st.data())
def test_the_search_the_checker_and_plain_counting_agree_on_the_cost(data: st.DataObject):
    network = data.draw(networks(Draw()))
    rng = np.random.default_rng(data.draw(seeds))
    rates = rng.random(network.n_neurons + network.n_inputs)
    chip = small_chip(network, 2)
    found = find_partition(network, chip, rates, "fast")
    assert found.candidates[found.method][0] == found.tally.km1
    core, rate = found.core_of_neuron, scaled(rates, network)
    reached = {(int(a), int(core[b])) for pre, post in network_edges(network) for a, b in zip(pre, post)}
    home = [*core.tolist(), *[-1] * network.n_inputs]
    assert found.tally.km1 == sum(int(rate[a]) for a, b in reached if home[a] != b)


@laws
@given(st.data())
def test_the_partition_costs_at_most_what_filling_in_order_costs(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = small_chip(network, data.draw(st.integers(1, 3)))
    rates = np.ones(network.n_neurons + network.n_inputs)
    graph = wide_graph(network_cells(network, chip, scaled(None, network)))
    order = np.arange(network.n_neurons, dtype=np.int32)
    simple = recount(network_edges(network), ordered_fill(graph, incidence(graph), caps_of(chip), order), rates)
    assert find_partition(network, chip, preset="fast").tally.km1 <= simple.km1


@laws
@given(st.data())
def test_mapping_never_changes_a_spike(data: st.DataObject):
    network = data.draw(networks(Draw(extremes=data.draw(st.booleans()))))
    stimulus = data.draw(stimuli(network))
    schedule = data.draw(st.one_of(schedules(), st.just(LAYERED)))
    mapped = map_network(network, small_chip(network, 2), preset="fast")
    whole = simulate.run(one_large_core(network), stimulus, schedule)
    assert first_divergence(whole, simulate.run(mapped, stimulus, schedule)) is None


@laws
@given(st.data())
def test_twins_have_the_same_sources_and_targets_and_none_is_lost(data: st.DataObject):
    network = data.draw(networks(Draw()))
    cells = network_cells(network, LOIHI2, scaled(None, network))
    members = [np.flatnonzero(cells.cell == c) for c in range(cells.start.size - 1)]
    expanded = {
        (int(a), int(b))
        for c in range(len(members))
        for d in cells.target[cells.start[c] : cells.start[c + 1]]
        for a in members[c]
        for b in members[d]
    }
    assert expanded == {(int(a), int(b)) for pre, post in network_edges(network) for a, b in zip(pre, post)}


def test_a_convolution_has_one_cell_a_position_and_a_dense_layer_one():
    network = conv()
    cells = network_cells(network, LOIHI2, scaled(None, network))
    counts = {
        b.name: len(set(cells.cell[at].tolist()))
        for b, at in zip(network.populations, slices(network.populations).values())
    }
    assert counts == {"c": 144, "p": 36, "d": 1}  # behind a pooling a channel's windows are its own
    assert len(set(cells.cell[network.n_neurons :].tolist())) == 36


def test_pieces_of_a_convolution_hold_its_synapses():
    network = conv()
    whole = sum(synapses(e.connection)[0].size for e in network.projections)
    assert sum(pre.size for pre, _ in network_edges(network)) == whole == synapse_counts(network).sum()


@pytest.mark.parametrize("preset", ["fast", "default", "quality"])
def test_the_same_seed_gives_the_same_map(preset: str):
    network = conv(8)
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=40))
    a, b = (map_network(network, chip, preset=preset, seed=3) for _ in range(2))
    assert (a.core_of_neuron == b.core_of_neuron).all() and a.cores == b.cores and a.report == b.report


def test_a_network_that_fits_one_core_lies_on_one():
    mapped = map_network(dense(30, 20), LOIHI2)
    assert len(mapped.cores) == 1 and mapped.report["n_cores"] == 1 and mapped.report["hops_per_packet"] == 0


def test_rates_decide_which_sources_stay_near():
    """Two sources, each with two targets of its own and one that both share, on cores of four."""
    weight = np.array([[2, 0], [2, 0], [2, 2], [0, 2], [0, 2]], np.int32)
    network = QuantizedNetwork(
        (Input("in", (2,)),),
        (FixedPopulation("a", (2,)), FixedPopulation("b", (5,))),
        (
            FixedProjection("in", "a", Dense(np.eye(2, dtype=np.int32) * 2)),
            FixedProjection("a", "b", sparse(weight, weight > 0)),
        ),
        "b",
    )
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=4))
    shared = 2 + 2
    for loud, quiet in ((0, 1), (1, 0)):
        rates = np.array([0.1, 0.1, *[0.0] * 5, 0.1, 0.1])
        rates[loud] = 0.9
        core = partition(network, chip, rates)
        assert core[shared] == core[loud] != core[quiet]
    with pytest.raises(ValueError, match=r"^rates have shape \(3,\); the network has 9 neurons and inputs$"):
        partition(network, chip, np.ones(3))


def test_placement_brings_cores_that_talk_together():
    ring = np.roll(np.eye(64, dtype=np.int64), 1, 1)
    shuffled = np.random.default_rng(0).permutation(64)
    flow, mesh = csr_matrix(ring[shuffled][:, shuffled]), Mesh(8, 8, 1, 64)
    cores = place(flow, mesh)
    in_order = tuple(Core(i, x=i % 8, y=i // 8) for i in range(64))
    assert len({(c.x, c.y) for c in cores}) == 64
    assert route(flow, cores, mesh).hops_per_packet < 1.5 < route(flow, in_order, mesh).hops_per_packet


def test_link_loads_add_up_to_the_hops():
    network = conv(8)
    mapped = map_network(network, replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=20)))
    cells = network_cells(network, LOIHI2, scaled(None, network))
    flow = core_traffic(cells, mapped.core_of_neuron)
    routes = route(flow, mapped.cores, LOIHI2.mesh)
    assert sum(a.sum() for a in (routes.east, routes.west)) == routes.hops_x
    assert sum(a.sum() for a in (routes.south, routes.north)) == routes.hops_y
    inputs = recount(
        network_edges(network), mapped.core_of_neuron, np.r_[np.zeros(network.n_neurons), np.ones(network.n_inputs)]
    )
    assert routes.packets + inputs.km1 == mapped.report["km1"]


def test_a_network_with_neuron_heavy_and_memory_heavy_layers_maps_where_one_mixed_weight_overstates_it() -> None:
    rng = np.random.default_rng(0)
    first = Conv2d(2 * rng.integers(-60, 60, (8, 2, 3, 3)).astype(np.int32), (2, 24, 24), padding=(1, 1))
    second = Conv2d(2 * rng.integers(-60, 60, (16, 8, 3, 3)).astype(np.int32), (8, 24, 24), (2, 2), (1, 1))
    dense = Dense(2 * rng.integers(-60, 60, (64, second.n_post)).astype(np.int32))
    lif = FixedLIF(decay_v=410, v_threshold=90)
    network = QuantizedNetwork(
        (Input("in", (2, 24, 24)),),
        (
            FixedPopulation("conv1", first.out_shape, lif),
            FixedPopulation("conv2", second.out_shape, lif),
            FixedPopulation("fc", (64,), lif),
        ),
        (
            FixedProjection("in", "conv1", first),
            FixedProjection("conv1", "conv2", second),
            FixedProjection("conv2", "fc", dense),
        ),
        "fc",
    )
    assert map_network(network, find_chip("loihi1")).report["n_cores"] < 10
