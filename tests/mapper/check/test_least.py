"""The number of cores that is proved necessary: no partition that keeps the limits takes fewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.graph import slices
from ir.quantized import QuantizedNetwork
from mapper.check.least import least_cores, least_words
from mapper.memory.words import synapse_words
from tests.mapper.nets import conv, dense
from tests.strategies import Draw, networks, seeds

LOIHI2 = find_chip("loihi2")
laws = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def chip_of(neurons: int, words: int) -> Chip:
    return replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=neurons, max_synapse_words=words))


@laws
@given(st.data())
def test_neurons_drawn_from_a_population_take_no_fewer_words(data: st.DataObject):
    network = data.draw(networks(Draw()))
    random = np.random.default_rng(data.draw(seeds))
    for p, at in zip(network.populations, slices(network.populations).values()):
        least = least_words(network, p, LOIHI2)
        core = np.ones(network.n_neurons, np.int64)
        n = int(random.integers(1, p.n + 1))
        alike = network.n_neurons == n
        core[at.start + random.permutation(p.n)[:n]] = 0
        assert least[n - 1] <= synapse_words(network, LOIHI2, np.zeros_like(core) if alike else core)[0]


@laws
@given(st.data())
def test_no_partition_that_fits_takes_fewer_cores(data: st.DataObject):
    """Limits are those that a drawn partition just keeps, so it fits."""
    network = data.draw(networks(Draw()))
    core = np.random.default_rng(data.draw(seeds)).integers(0, data.draw(st.integers(1, 6)), network.n_neurons)
    core = np.unique(core, return_inverse=True)[1].reshape(-1)
    places = np.repeat([p.neuron.places for p in network.populations], [p.n for p in network.populations])
    words = int(synapse_words(network, LOIHI2, core).max())
    chip = chip_of(int(np.bincount(core, places).max()), max(words, 1))
    assert least_cores(network, chip) <= int(core.max()) + 1


@pytest.mark.parametrize(
    ("network", "chip", "cores"),
    [
        (dense(100, 20), chip_of(5, 10_000), 4),  # by neurons
        (dense(100, 20), chip_of(1000, 100), 5),  # by words: one holds a header and four synapses of 1 + 12 bits
        (conv(), chip_of(20, 10_000), 10),  # 185 neurons
    ],
)
def test_cores_of_small_networks_by_hand(network: QuantizedNetwork, chip: Chip, cores: int):
    assert least_cores(network, chip) == cores
