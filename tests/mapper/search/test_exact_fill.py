"""Next fit with exact words: every limit holds, and no core could have taken one neuron more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.arrays import Array
from ir.chip import Chip, Mesh
from ir.connection import Dense
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.check.capacity import caps_of, core_use, exceeded
from mapper.check.recount import recount
from mapper.edges import network_edges
from mapper.memory.bounds import memory_need
from mapper.partition import fill_orders, find_partition
from mapper.rates import scaled
from mapper.search import search as search_module
from mapper.search.exact_fill import exact_fills
from mapper.view.cells import network_cells, source_counts
from tests.strategies import Draw, networks

LOIHI1 = find_chip("loihi1")
ROOMY = {"max_output_axons": 1 << 20, "max_neuron_configs": 1 << 20, "max_thresholds": 1 << 20}
laws = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def wrong(network: QuantizedNetwork, chip: Chip, core: Array) -> list[str]:
    """Limits that the checker finds exceeded."""
    cells = network_cells(network, chip, scaled(None, network))
    return exceeded(core_use(network, chip, core, recount(network_edges(network), core, cells.rate, cells.taken)))


@laws
@given(st.data())
def test_every_limit_holds_and_the_next_neuron_would_break_one(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = replace(LOIHI1, limits=replace(LOIHI1.limits, **ROOMY), mesh=Mesh(8, 8, 4, 256))
    cells = network_cells(network, chip, scaled(None, network))
    words, axons = int(memory_need(network, chip).alone.max()), int(source_counts(cells).max())
    factor = data.draw(st.integers(1, 4))
    tight = replace(
        chip.limits,
        max_neurons=data.draw(st.integers(1, 12)),
        max_synapse_words=factor * max(words, 1),
        max_input_axons=data.draw(st.integers(1, 4)) * max(axons, 1),
    )
    chip = replace(chip, limits=tight)
    cells, orders = network_cells(network, chip, scaled(None, network)), fill_orders(network, cells)
    for found in exact_fills(network, chip, cells, caps_of(chip), orders):
        core = found.block
        assert not wrong(network, chip, core)
        order = orders[found.method.removesuffix(", exact words")]
        for k in range(found.n_cores - 1):
            fuller = core.copy()
            fuller[order[np.flatnonzero(core[order] == k + 1)[0]]] = k
            assert any(said.startswith(f"core {k}:") for said in wrong(network, chip, fuller))


def recurrent(n_in: int, n: int, n_out: int) -> QuantizedNetwork:
    rng = np.random.default_rng(0)

    def weight(post: int, pre: int) -> Dense:
        return Dense(
            2 * rng.choice([-1, 1], (post, pre)).astype(np.int32) * rng.integers(1, 128, (post, pre), np.int32)
        )

    ends = (("in", "hidden", n, n_in), ("hidden", "hidden", n, n), ("hidden", "out", n_out, n))
    return QuantizedNetwork(
        (Input("in", (n_in,)),),
        (FixedPopulation("hidden", (n,)), FixedPopulation("out", (n_out,))),
        tuple(FixedProjection(pre, post, weight(into, out_of)) for pre, post, into, out_of in ends),
        "out",
    )


def test_a_recurrent_layer_fills_its_cores_and_nothing_is_searched_then(monkeypatch: pytest.MonkeyPatch):
    network = recurrent(84, 190, 9)
    chip = replace(LOIHI1, limits=replace(LOIHI1.limits, max_synapse_words=2600))
    assert 274 * 9 <= 2600 < 274 * 10  # words of the lists of 68 neurons, and of 69
    monkeypatch.setattr(search_module, "own_portfolio", None)
    found = find_partition(network, chip, preset="default")
    assert found.tally.neurons.tolist() == [68, 68, 54 + 9]
