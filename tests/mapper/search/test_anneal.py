"""The annealer's tables always say what a recount says, and full cores stay within every limit."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.search import neuron_search
from mapper.search.anneal import Annealed, Cooling, anneal
from mapper.search.candidates import Task, mixed_weight
from mapper.search.gains import axons_held, build_tables, shift
from mapper.view.hypergraph import Caps, Hypergraph, incidence, neuron_hypergraph
from mapper.view.slots import build_nets, build_state, rate_of_cut
from tests.strategies import seeds

QUICK = Cooling(1.3, 0.1, 60, 4)


def drawn(rng: np.random.Generator, n: int, most: int, overhead: int = 0) -> Hypergraph:
    """Neurons with random targets, themselves among them now and then; some nets come from inputs."""
    lists = [np.sort(rng.choice(n, rng.integers(0, most + 1), replace=False)) for _ in range(n)]
    start = np.concatenate([[0], np.cumsum([a.size for a in lists])])
    plain = neuron_hypergraph(start, np.concatenate(lists), rng.integers(1, 50, n))
    source = np.where(rng.random(n) < 0.2, -1, plain.source)
    axons = rng.integers(1, 4, n)
    return Hypergraph(plain.start, plain.target, source, plain.rate, axons, plain.neurons, plain.memory, overhead)


@given(seeds, st.integers(2, 30), st.integers(2, 5))
def test_tables_after_many_moves_equal_those_built_anew(seed, n, k):
    rng = np.random.default_rng(seed)
    graph = drawn(rng, n, min(n, 6))
    block = rng.integers(0, k, n).astype(np.int32)
    tables, own = build_tables(graph, block, k)
    tables.axon_price[:] = rng.integers(0, 3, k)
    tables.company[:] = build_company(graph, block, k, tables.axon_price)
    for v, b in zip(rng.integers(0, n, 40), rng.integers(0, k, 40)):
        if block[v] != b:
            shift.py_func(v, b, block, tables)
    anew, _ = build_tables(graph, block, k)
    assert np.array_equal(tables.pins, anew.pins)
    assert np.array_equal(tables.lone, anew.lone)
    assert np.array_equal(tables.company, build_company(graph, block, k, tables.axon_price))
    state = build_state(graph, build_nets(graph, incidence(graph)), block, k)
    held = np.empty(k)
    axons_held(graph.source, own, tables, block, held)
    assert np.array_equal(held, state.use[:, 2])


def build_company(graph: Hypergraph, block: np.ndarray, k: int, axon_price: np.ndarray) -> np.ndarray:
    """Count by definition: for each vertex and core, the nets of the vertex with another pin there."""
    company = np.zeros((graph.n_vertices, k))
    for e in range(graph.n_nets):
        pins = set(graph.target[graph.start[e] : graph.start[e + 1]].tolist())
        pins |= {int(graph.source[e])} - {-1}
        for v in pins:
            for b in {int(block[u]) for u in pins - {v}}:
                company[v, b] += graph.rate[e] + axon_price[b] * graph.axons[e]
    return company


def cliques(n_groups: int, size: int, seed: int) -> tuple[Hypergraph, np.ndarray]:
    """Groups in which everyone sends to everyone, numbered at random; and who belongs together."""
    group = np.random.default_rng(seed).permutation(np.repeat(np.arange(n_groups), size))
    lists = [np.flatnonzero(group == g) for g in group]
    start = np.concatenate([[0], np.cumsum([a.size for a in lists])])
    return neuron_hypergraph(start, np.concatenate(lists), np.ones(group.size, np.int64)), group


def test_groups_that_just_fill_a_core_each_are_found_exactly():
    graph, group = cliques(8, 4, seed=3)
    block = np.random.default_rng(4).permutation(np.arange(32) % 8).astype(np.int32)
    found = anneal(graph, block, Caps(neurons=4), Cooling(2.0, 0.1, 300, 10), seed=1)
    assert found.fits
    assert found.km1 == 0
    assert np.unique(np.stack([found.block, group]), axis=1).shape[1] == 8


@given(seeds, st.sampled_from([0, 1, 9]))
def test_what_is_said_to_fit_fits(seed, overhead):
    rng = np.random.default_rng(seed)
    graph = drawn(rng, 40, 5, overhead)
    caps = Caps(10, int(graph.memory.sum() // 3 + overhead * graph.axons.sum() // 3), int(rng.integers(30, 90)))
    found = anneal(graph, (np.arange(40) % 4).astype(np.int32), caps, QUICK, seed)
    state = build_state(graph, build_nets(graph, incidence(graph)), found.block, 4)
    use = state.use + overhead * np.outer(state.use[:, 2], [0, 1, 0])
    assert found.km1 == rate_of_cut(build_nets(graph, incidence(graph)), state)
    assert found.fits == bool((use <= [caps.neurons, caps.memory, caps.axons]).all())
    assert np.isclose(found.load, (use / [caps.neurons, caps.memory, caps.axons]).mean(0).max())


def test_the_same_seed_gives_the_same_partition():
    graph, _ = cliques(4, 8, seed=5)
    block = (np.arange(32) % 4).astype(np.int32)
    one, two = (anneal(graph, block, Caps(neurons=9), QUICK, seed=7).block for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.timeout(120)
def test_an_interrupt_ends_what_other_threads_anneal(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mtkahypar")
    graph, _ = cliques(4, 8, seed=5)
    caps = Caps(neurons=9)

    endless_runs = Event()

    def one_of_three(graph, block, caps, cooling, seed, stop) -> Annealed:
        if seed == 1:
            assert endless_runs.wait(60)
            raise KeyboardInterrupt
        if seed == 2:
            endless_runs.set()
            return anneal(graph, block, caps, Cooling(1.3, 0.1, 1_000_000, 1000), seed, stop)
        return anneal(graph, block, caps, QUICK, seed, stop)

    monkeypatch.setattr(neuron_search, "anneal", one_of_three)
    with pytest.raises(KeyboardInterrupt):
        next(neuron_search.annealed(Task(graph, incidence(graph), caps, 0), mixed_weight(graph, caps), "default"))
