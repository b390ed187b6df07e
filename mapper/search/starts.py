"""First partitions from the two outside libraries: METIS (fast, edge cut) and Mt-KaHyPar (km1)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse

from ir.arrays import Int32s, Ints
from mapper.view.hypergraph import Hypergraph, renumber

THREADS = 2
MAX_INT32 = (1 << 31) - 1


def symmetric_graph(graph: Hypergraph, most_pins: int = MAX_INT32) -> scipy.sparse.csr_matrix:
    """Join sources and targets by edges weighted with the number of axons between them, both ways.

    Args:
        most_pins: of a network with more pins every second, third, ... is taken, which saves memory and time.
    """
    step = -(-graph.n_pins // most_pins)
    net = np.repeat(np.arange(graph.n_nets, dtype=np.int32), np.diff(graph.start))[::step]
    pre, post, count = graph.source[net], graph.target[::step], graph.axons.astype(np.int32)[net]
    real = (pre >= 0) & (pre != post)
    shape = (graph.n_vertices, graph.n_vertices)
    one_way = scipy.sparse.csr_matrix((count[real], (pre[real], post[real])), shape=shape)
    del net, pre, post, count, real
    return (one_way + one_way.T).tocsr()


def metis(adjacency: Any, k: int, weight: Ints, seed: int, slack: float = 0.03) -> Int32s:
    """Partition a graph into k parts of equal ``weight`` by METIS; k-way, deterministic for a seed."""
    import pymetis  # noqa: PLC0415 - not on every platform, and slow to load

    if k <= 1:
        return np.zeros(weight.size, np.int32)
    options = pymetis.Options(ufactor=max(1, int(slack * 1000)), seed=seed)
    rows = pymetis.CSRAdjacency(adjacency.indptr, adjacency.indices)
    found = pymetis.part_graph(k, rows, eweights=adjacency.data, vweights=np.maximum(weight, 1), options=options)
    return np.asarray(found.vertex_part, np.int32)


@lru_cache(maxsize=1)
def started() -> Any:
    """Start Mt-KaHyPar's thread pool once."""
    import mtkahypar  # noqa: PLC0415 - not on every platform, and slow to load

    return mtkahypar.initialize(THREADS)


def _pin_lists(graph: Hypergraph) -> tuple[list[list[int]], list[int]]:
    """Nets as Mt-KaHyPar wants them, the source among the pins; single-pin nets cost nothing and are left out."""
    start, target = graph.start.tolist(), graph.target.tolist()
    nets: list[list[int]] = []
    rate: list[int] = []
    scale = max(1.0, float(graph.rate.sum()) * 64 / MAX_INT32)
    for e, (s, w) in enumerate(zip(graph.source.tolist(), graph.rate.tolist())):
        pins = target[start[e] : start[e + 1]]
        if s >= 0 and s not in pins:
            pins.append(s)
        if len(pins) > 1:
            nets.append(pins)
            rate.append(max(1, round(w / scale)))
    return nets, rate


def kahypar(
    graph: Hypergraph,
    k: int,
    weight: Ints,
    max_weight: int,
    seed: int | None,
    preset: str = "DETERMINISTIC",
) -> Int32s:
    """Partition for km1 by Mt-KaHyPar; same seed, same result.

    The seed shuffles the vertices, None keeps their order: the deterministic presets ignore the library's own.

    Args:
        weight: (V,) balance weight of each vertex.
        max_weight: most that one of the k blocks may weigh; raised where k blocks cannot hold everything, for one
            weight overstates several limits (``mixed_weight``): moves that follow know the limits themselves.
        preset: one of the library's deterministic presets.
    """
    import mtkahypar  # noqa: PLC0415 - not on every platform, and slow to load

    if k <= 1:
        return np.zeros(graph.n_vertices, np.int32)
    start = started()
    context = start.context_from_preset(getattr(mtkahypar.PresetType, preset))
    context.set_partitioning_parameters(k, 0.03, mtkahypar.Objective.KM1)
    most = max(int(max_weight), -(-103 * int(weight.sum()) // (100 * k)))
    context.set_individual_target_block_weights([most] * k)
    context.logging = False
    n = graph.n_vertices
    order = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    order = order.astype(np.int32)
    nets, rate = _pin_lists(renumber(graph, order))
    hyper = start.create_hypergraph(context, graph.n_vertices, len(nets), nets, weight[order].tolist(), rate)
    block = np.empty(graph.n_vertices, np.int32)
    block[order] = hyper.partition(context).get_partition()
    return block
