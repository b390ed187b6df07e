"""What is done otherwise for large networks, on small ones: maps stay within all limits, and no work is done twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.connection import Conv2d, Dense
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper.check.capacity import caps_of
from mapper.memory import bounds
from mapper.memory.bounds import memory_need
from mapper.partition import fill_orders, find_partition
from mapper.rates import scaled
from mapper.search import search as searching
from mapper.search.search import own_portfolio, plain_twins, search
from mapper.view.cells import network_cells
from mapper.view.tiles import regions
from mapper.view.twins import Cells, wide_graph, wide_pins
from tests.mapper.nets import conv

CHIP = find_chip("loihi2")


def images(side: int = 16) -> QuantizedNetwork:
    """Two convolutions and a dense layer: positions are twins."""
    first = Conv2d(np.full((8, 2, 3, 3), 2, np.int32), (2, side, side), padding=(1, 1))
    second = Conv2d(np.full((8, 8, 3, 3), 2, np.int32), first.out_shape, stride=(2, 2), padding=(1, 1))
    last = Dense(np.full((10, second.n_post), 2, np.int32))
    blocks = (("a", first.out_shape), ("b", second.out_shape), ("c", (10,)))
    return QuantizedNetwork(
        (Input("in", (2, side, side)),),
        tuple(FixedPopulation(name, shape) for name, shape in blocks),
        tuple(FixedProjection(*ends) for ends in (("in", "a", first), ("a", "b", second), ("b", "c", last))),
        "c",
    )


def fast_methods(cells: Cells, chip: Chip) -> set[str]:
    """How the partitions that ``fast`` compares were found."""
    return {c.method for c in search(cells, caps_of(chip), fill_orders(images(), cells), "fast")}


@pytest.mark.parametrize("network", [images(), conv(12)])
def test_chunks_are_filled_where_neurons_have_too_many_pins(network: QuantizedNetwork, monkeypatch: pytest.MonkeyPatch):
    small = replace(CHIP, limits=replace(CHIP.limits, max_neurons=100))
    monkeypatch.setattr(searching, "WIDE", 0)
    found = find_partition(network, small, preset="fast")
    assert {"id order, chunks", "position order, chunks", "greedy overlap, chunks"} <= set(found.candidates)
    assert all((held <= most).all() for held, most in found.use.values())
    fills = [km1 for name, (km1, _) in found.candidates.items() if name.endswith("chunks")]
    assert found.tally.km1 <= min(fills)


def test_the_pins_of_single_neurons_are_known_without_listing_them():
    cells = network_cells(images(), CHIP, scaled(None, images()))
    assert wide_pins(cells) == wide_graph(cells).n_pins


def test_a_large_network_of_twins_is_searched_on_chunks_alone(monkeypatch: pytest.MonkeyPatch):
    small = replace(CHIP, limits=replace(CHIP.limits, max_neurons=100))
    cells = network_cells(images(), small, scaled(None, images()))
    pooled = network_cells(conv(12), small, scaled(None, conv(12)))
    assert not plain_twins(cells)
    monkeypatch.setattr(searching, "LARGE", 0)
    monkeypatch.setattr(searching, "TWINS", 4)
    assert plain_twins(cells) and not plain_twins(pooled)
    found = find_partition(images(), small)
    assert not any("a core" in name for name in found.candidates)
    assert any(name.startswith("regions") for name in fast_methods(cells, small))
    assert all((held <= most).all() for held, most in found.use.values())


def test_a_region_holds_what_lies_above_it_in_all_populations_and_quarters_come_one_by_one():
    fine, coarse, rest = np.split(regions(((2, 4, 4), (1, 2, 2), (3,))), [32, 36])
    assert (fine[:16] == fine[16:]).all() and (rest > max(fine.max(), coarse.max())).all()
    rank = np.argsort(np.argsort(fine[:16])).reshape(4, 4)
    assert rank.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    for quarter, key in enumerate(coarse):
        y, x = 2 * (quarter // 2), 2 * (quarter % 2)
        inside = fine[:16].reshape(4, 4)[y : y + 2, x : x + 2]
        assert inside.min() < key < inside.max()


def test_default_repeats_nothing_that_fast_has_done(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(searching, "QUICK", 0)  # nothing is left to Mt-KaHyPar
    small = replace(CHIP, limits=replace(CHIP.limits, max_neurons=100))
    cells = network_cells(images(), small, scaled(None, images()))
    orders = fill_orders(images(), cells)
    fast = {c.method for c in search(cells, caps_of(small), orders, "fast")}
    default = {c.method for c in own_portfolio(cells, caps_of(small), orders, "default")}
    assert "order 0 + moves" in fast and not any(name.startswith("order") for name in default)


def test_each_projection_is_laid_out_once(monkeypatch: pytest.MonkeyPatch):
    """A chain of layers: what is asked of each projection grows with their number, not with its square."""
    n = 40
    names = ["in", *(f"p{i}" for i in range(n))]
    weight = np.full((2, 2), 2, np.int32)
    network = QuantizedNetwork(
        (Input("in", (2,)),),
        tuple(FixedPopulation(name, (2,)) for name in names[1:]),
        tuple(FixedProjection(a, b, Dense(weight)) for a, b in pairwise(names)),
        names[-1],
    )
    asked: list[str] = []
    layout = bounds.layout
    monkeypatch.setattr(bounds, "layout", lambda e, chip: asked.append(e.post) or layout(e, chip))
    memory_need(network, CHIP)
    assert sorted(asked) == sorted(names[1:])
