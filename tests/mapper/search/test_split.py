"""Cores that fit together are joined, those that save most first, as by trying every pair anew after each join."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from mapper.search import split
from mapper.search.split import compact, merge_cores
from mapper.view.hypergraph import UNLIMITED, Caps, Hypergraph, incidence

laws = settings(
    max_examples=100, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip


def drawn(random: np.random.Generator, n: int, nets: int) -> Hypergraph:
    """Any hypergraph of ``n`` vertices, inputs among its sources, memory shared in two groups."""
    pins = [np.sort(random.choice(n, random.integers(1, min(n, 5) + 1), replace=False)) for _ in range(nets)]
    return Hypergraph(
        np.concatenate([[0], np.cumsum([p.size for p in pins])]),
        np.concatenate(pins).astype(np.int32),
        random.integers(-1, n, nets).astype(np.int32),
        random.integers(1, 4, nets),
        random.integers(1, 3, nets),
        random.integers(1, 3, n),
        random.integers(0, 5, n),
        int(random.integers(0, 2)),
        random.integers(-1, 2, n).astype(np.int32),
        np.array([3, 1]),
    )


def held(graph: Hypergraph, block: np.ndarray, caps: Caps, a: int, b: int) -> tuple[bool, int]:
    """Whether two cores fit on one, memory shared by both counted twice, and the rate that joining them saves."""
    axons = saved = 0
    for e in range(graph.n_nets):
        cores = set(block[graph.target[graph.start[e] : graph.start[e + 1]]].tolist())
        source = int(graph.source[e])
        home = int(block[source]) if source >= 0 else -1
        axons += int(graph.axons[e]) * bool(cores & {a, b})
        paid = cores - {home}
        joint = {a if c == b else c for c in paid} - {a if home == b else home}
        saved += int(graph.rate[e]) * (len(paid) - len(joint))
    neurons = int(graph.neurons[(block == a) | (block == b)].sum())
    memory = 0
    for core in (a, b):
        groups = set(graph.group[block == core].tolist()) - {-1}
        memory += int(graph.memory[block == core].sum()) + sum(int(graph.shared[g]) for g in groups)
    fits = neurons <= caps.neurons and memory + graph.overhead * axons <= caps.memory and axons <= caps.axons
    return fits, saved


def plainly_merged(graph: Hypergraph, block: np.ndarray, caps: Caps) -> np.ndarray:
    """Every pair of free cores tried anew for each join; when none is left, cores are counted again."""
    block, joined = compact(block), True
    while joined:
        pairs = {p: held(graph, block, caps, *p) for p in combinations(range(int(block.max()) + 1), 2)}
        name, joined = np.arange(int(block.max()) + 1), False
        while True:
            best = max((p for p in pairs if pairs[p][0]), key=lambda p: (pairs[p][1], -p[0], -p[1]), default=None)
            if best is None:
                break
            name[best[1]], joined = best[0], True
            pairs = {p: found for p, found in pairs.items() if not set(p) & set(best)}
        block = compact(name[block])
    return block


@pytest.mark.parametrize("table", [1, 10, 1_000_000])
@laws
@given(st.integers(0, 1 << 30), st.integers(1, 14), st.integers(0, 20), st.data())
def test_cores_are_joined_as_by_trying_every_pair(
    monkeypatch: pytest.MonkeyPatch, table: int, seed: int, n: int, nets: int, data: st.DataObject
):
    monkeypatch.setattr(split, "TABLE", table)
    random = np.random.default_rng(seed)
    graph = drawn(random, n, max(nets, 1))
    block = random.integers(0, data.draw(st.integers(1, 9)), n).astype(np.int32)
    room = data.draw(st.integers(2, 9)), data.draw(st.integers(8, 40)), data.draw(st.integers(4, 40))
    caps = Caps(*(UNLIMITED if data.draw(st.integers(0, 4)) == 0 else most for most in room))
    found = merge_cores(graph, incidence(graph), block, caps)
    event(f"{int(compact(block).max()) - int(found.max())} joined")
    assert (found == plainly_merged(graph, block, caps)).all()
