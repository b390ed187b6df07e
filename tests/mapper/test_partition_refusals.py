"""What fits no core or no board, or asks for what is not there, is refused in one sentence."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from exchange.chip_toml import find_chip, shipped_chips
from ir.check import CapacityError
from ir.chip import Mesh
from ir.connection import Dense
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper import map_network
from mapper.rates import scaled
from mapper.search.search import search
from mapper.view.cells import network_cells
from mapper.view.hypergraph import Caps
from tests.mapper.nets import dense, ring

LOIHI2 = find_chip("loihi2")


def test_a_neuron_with_too_many_sources_is_named_with_the_limit_and_the_way_out():
    chip = replace(find_chip("loihi1"), limits=replace(LOIHI2.limits, max_input_axons=10))
    sentence = (
        "population 'out' does not fit Intel Loihi 1: a neuron has 11 sources, a core takes 10 input axons, and no "
        "neuron can be split exactly; drop 1 of its sources (pool or narrow 'in'), or map to loihi2"
    )
    with pytest.raises(CapacityError, match=f"^{re.escape(sentence)}$"):
        map_network(dense(11, 3), chip, alternatives=shipped_chips())


def test_a_neuron_with_too_many_synapses_is_named_with_the_limit_and_the_way_out():
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_synapse_words=8))
    sentence = "a neuron's synapses take 11 words, a core has 8, and no neuron can be split exactly; drop 28 % of its"
    with pytest.raises(CapacityError, match=re.escape(sentence)):
        map_network(dense(11, 3), chip)


def test_a_network_larger_than_the_board_is_refused_with_both_numbers():
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=2), mesh=Mesh(2, 2, 1, 4))
    with pytest.raises(CapacityError, match=r"^the network needs 5 cores \(.*\), Intel Loihi 2 has 4; "):
        map_network(dense(3, 10), chip)


def test_a_neuron_with_too_many_output_axons_is_refused():
    weight = np.full((6, 6), 2, np.int32)
    network = QuantizedNetwork(
        (Input("in", (6,)),),
        (FixedPopulation("a", (6,)),),
        (FixedProjection("in", "a", Dense(weight)), FixedProjection("a", "a", Dense(weight))),
        "a",
    )
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=1, max_output_axons=4))
    with pytest.raises(CapacityError, match=r"sends to 5 others, a core has 4 output axons"):
        map_network(network, chip)


@pytest.mark.parametrize("name", ["mtkahypar", "pymetis"])
def test_without_an_outside_library_the_way_out_is_the_fast_preset(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, name, None)
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, max_neurons=40))
    monkeypatch.setattr("mapper.search.neuron_search.SCRATCH_PINS", 10**9 if name == "mtkahypar" else 0)
    network = ring(100)
    with pytest.raises(ValueError, match=rf"preset 'default' needs {name}, .* use preset 'fast'"):
        map_network(network, chip)
    assert len(map_network(network, chip, preset="fast").cores) == 3


def test_an_unknown_preset_is_refused_with_the_known_ones():
    cells = network_cells(dense(3, 4), LOIHI2, scaled(None, dense(3, 4)))
    with pytest.raises(ValueError, match="fast"):
        search(cells, Caps(2), {"id order": np.arange(4)}, "best")
