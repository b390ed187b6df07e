"""Traffic recounted from a finished map agrees with what mapping reported, link by link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ir.mapped import Core, MappedNetwork, one_large_core
from mapper.board.traffic import links, traffic


def test_packets_of_a_small_network_by_hand(mapped: MappedNetwork):
    flow = traffic(mapped).flow.toarray()
    # eight hidden neurons on cores 0 and 1 reach the output on core 2; nothing else leaves its core
    assert flow.tolist() == [[0, 0, 4], [0, 0, 4], [0, 0, 0]]
    rates = np.zeros(12 + 12)
    rates[:3] = 0.5
    assert traffic(mapped, rates).flow.toarray().tolist() == [[0, 0, 1.5], [0, 0, 0], [0, 0, 0]]


def test_links_add_up_to_all_hops_hottest_first(mapped: MappedNetwork):
    spread = replace(mapped, cores=(Core(0, x=0, y=0), Core(1, x=2, y=1), Core(2, x=1, y=3)))
    routes = traffic(spread).routes
    found = links(routes)
    assert sum(link.load for link in found) == routes.hops == 4 * (1 + 3) + 4 * (1 + 2)
    assert found[0].load == routes.hottest_link == 8
    assert all(abs(link.to_x - link.x) + abs(link.to_y - link.y) == 1 for link in found)
    # x first, then y: core 1 goes west along row 1, both go south along column 1
    assert {(link.x, link.y, link.to_x, link.to_y): link.load for link in found} == {
        (0, 0, 1, 0): 4,
        (2, 1, 1, 1): 4,
        (1, 0, 1, 1): 4,
        (1, 1, 1, 2): 8,
        (1, 2, 1, 3): 8,
    }


def test_an_unmapped_network_has_no_traffic(mapped: MappedNetwork):
    with pytest.raises(ValueError, match="map it first"):
        traffic(one_large_core(mapped.network))
