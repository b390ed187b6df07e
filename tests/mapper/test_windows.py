"""Counting by windows finds what counting single synapses finds, whatever the network and however wrong the map."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.connection import Dense, synapses
from ir.graph import slices
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.check.capacity import core_use, exceeded
from mapper.check.recount import Tally, recount, recount_network
from mapper.edges import network_edges
from mapper.memory.layout import layout, list_words
from mapper.memory.words import synapse_words
from mapper.partition import partition
from tests.mapper.drawn import image_networks
from tests.strategies import Draw, networks, seeds

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "300"))
laws = settings(max_examples=DRAWS, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LOIHI1 = find_chip("loihi1")


def same(a: Tally, b: Tally) -> bool:
    """Whether two tallies hold the same numbers."""
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in Tally.__dataclass_fields__)


def both(network: QuantizedNetwork, core: np.ndarray, seed: int) -> tuple[Tally, Tally]:
    """What windows count, and what single synapses do."""
    rate = np.random.default_rng(seed).integers(1, 1 << 40, network.n_neurons + network.n_inputs)
    return recount_network(network, core, rate), recount(network_edges(network), core, rate)


@laws
@given(image_networks() | networks(Draw()), seeds, st.integers(1, 7))
def test_windows_count_what_single_synapses_do(network: QuantizedNetwork, seed: int, k: int):
    core = np.random.default_rng(seed).integers(0, k, network.n_neurons)
    assert same(*both(network, core, seed))
    alone = np.arange(network.n_neurons)
    assert same(*both(network, alone, seed))


@laws
@given(image_networks() | networks(Draw()), seeds, st.data())
def test_a_map_broken_on_purpose_is_found_broken_the_same_way(
    network: QuantizedNetwork, seed: int, data: st.DataObject
):
    """A good map, some of whose neurons change core, under limits that some core exceeds."""
    random = np.random.default_rng(seed)
    tight = {
        name: data.draw(st.integers(1, most))
        for name, most in (("max_neurons", 99), ("max_synapse_words", 400), ("max_input_axons", 99),
                           ("max_output_axons", 99))
    }  # fmt: skip
    chip = replace(LOIHI1, limits=replace(LOIHI1.limits, max_neurons=max(network.n_neurons // 3, 1)))
    core = np.array(partition(network, chip, preset="fast"))
    moved = random.integers(0, core.size, data.draw(st.integers(1, 5)))
    core[moved] = random.integers(0, int(core.max()) + 1, moved.size)
    core = np.unique(core, return_inverse=True)[1].reshape(-1)
    tallies = both(network, core, seed)
    small = replace(LOIHI1, limits=replace(LOIHI1.limits, **tight))
    windowed, brute = (exceeded(core_use(network, small, core, tally)) for tally in tallies)
    event("exceeded" if brute else "kept")
    assert windowed == brute
    rooms = tight["max_neurons"], tight["max_synapse_words"], tight["max_input_axons"]
    assert tallies[0].violations(*rooms) == tallies[1].violations(*rooms)


@laws
@given(image_networks() | networks(Draw()), seeds, st.integers(1, 6))
def test_words_of_lists_are_those_of_single_synapses(network: QuantizedNetwork, seed: int, k: int):
    """On a chip that shares no kernels: a list for each source, projection and core."""
    chip = replace(LOIHI1, synapse_format=replace(LOIHI1.synapse_format, shared_kernels=0))
    core = np.random.default_rng(seed).integers(0, k, network.n_neurons)
    form, at, words = list_words(chip), slices(network.populations), np.zeros(k, np.int64)
    for e in network.projections:
        way = layout(e, chip)
        pre, post, weight = synapses(e.connection)
        held = np.bincount(
            (pre * k + core[at[e.post]][post])[(weight != 0) | way.zeros], minlength=k * e.connection.n_pre
        )
        words += form.of_list(held, way.bits).reshape(-1, k).sum(0)
    found = synapse_words(network, chip, core)
    assert found.tolist() == words[: found.size].tolist() and not words[found.size :].any()


def test_a_synapse_that_one_core_lacks_and_another_holds_is_seen():
    """One target on core 1: everything that feeds it arrives there too, and leaves where its sources lie."""
    network = QuantizedNetwork(
        (Input("in", (3,)),),
        (FixedPopulation("a", (4,)), FixedPopulation("b", (2,))),
        (
            FixedProjection("in", "a", Dense(np.full((4, 3), 2, np.int32))),
            FixedProjection("a", "b", Dense(np.full((2, 4), 2, np.int32))),
        ),
        "b",
    )
    tally = recount_network(network, np.array([0, 0, 0, 0, 0, 1]), np.array([1, 2, 3, 4, 5, 6, 10, 20, 30]))
    assert tally.km1 == 1 + 2 + 3 + 4 + 10 + 20 + 30
    assert tally.axons.tolist() == [3 + 4, 4] and tally.out_axons.tolist() == [4, 0]
    assert tally.synapses.tolist() == [4 * 3 + 4, 4] and tally.neurons.tolist() == [5, 1]
