"""Depths, cycles and places of graphs: as their definitions say, and in a time that grows with the edges."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.graph import input_depths, layered_order


def graph(n: int, edges: list[tuple[int, int]]) -> Any:
    """Node 0 is the input, nodes 1 to n are populations."""
    blocks = [SimpleNamespace(name=str(i), n=1) for i in range(n + 1)]
    ends = [SimpleNamespace(pre=str(a), post=str(b)) for a, b in edges]
    return SimpleNamespace(inputs=blocks[:1], populations=blocks[1:], projections=ends)


@st.composite
def graphs(draw: Any) -> tuple[int, list[tuple[int, int]]]:
    n = draw(st.integers(1, 7))
    edges = st.tuples(st.integers(0, n), st.integers(1, n))
    return n, draw(st.lists(edges, max_size=16))


@settings(max_examples=300)
@given(graphs())
def test_edges_that_look_back_lie_on_a_cycle_and_places_are_longest_paths(drawn: tuple[int, list[tuple[int, int]]]):
    n, edges = drawn
    reach = np.eye(n + 1, dtype=bool)
    for _ in range(n):
        for a, b in edges:
            reach[:, b] |= reach[:, a]
    found = layered_order(graph(n, edges))
    assert found.recurrent == tuple(a > 0 and b <= a and bool(reach[b, a]) for a, b in edges)
    ahead = [e for e, back in zip(edges, found.recurrent) if not back and e[0] > 0]
    place = [0] * (n + 1)
    for _ in range(n):
        for a, b in ahead:
            place[b] = max(place[b], place[a] + 1)
    assert found.place == {str(i): place[i] for i in range(1, n + 1)}
    assert list(found.order) == sorted(found.place, key=lambda name: (place[int(name)], int(name)))


@settings(max_examples=300)
@given(graphs())
def test_depths_are_fewest_hops(drawn: tuple[int, list[tuple[int, int]]]):
    n, edges = drawn
    hops = {0: -1}
    for _ in range(n):
        for a, b in edges:
            if a in hops:
                hops[b] = min(hops.get(b, n), hops[a] + 1)
    assert input_depths(graph(n, edges)) == {str(i): hops.get(i, 0) for i in range(1, n + 1)}


def test_a_chain_of_many_populations_takes_no_time():
    n = 100_000
    chain = graph(n, [*((i, i + 1) for i in range(n)), (n, 1)])
    began = time.process_time()
    found = layered_order(chain)
    assert input_depths(chain)[str(n)] == n - 1
    assert time.process_time() - began < 10
    assert sum(found.recurrent) == 1 and found.n_places == n
