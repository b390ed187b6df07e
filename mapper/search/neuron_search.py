"""Search on single neurons, where layers leave no twins: library starts, then annealing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import numpy as np

from ir.arrays import Int32s, Ints
from mapper.search.anneal import Annealed, Cooling, anneal
from mapper.search.candidates import UNIT, WORK, Candidate, Start, Task, cooling, mixed_weight
from mapper.search.fills import greedy_fill
from mapper.search.gains import suits
from mapper.search.refine import Round
from mapper.search.split import compact
from mapper.search.starts import THREADS, kahypar, metis, symmetric_graph
from mapper.view.hypergraph import Caps, incidence
from mapper.view.slots import build_nets, build_state
from mapper.view.twins import Cells, chunk_cells

SCRATCH_PINS = 3_000_000  # up to here Mt-KaHyPar starts from scratch, beyond it METIS starts
LONG = 1_200_000_000  # pins of the passes on a large network, a visit counted as 60: some 20 seconds
METIS_PINS = 8_000_000  # pins METIS sees at most
AXON_LOAD = 1.03  # share of the input axons METIS may use on average: what follows takes a twentieth off
LOOKS = 165_000  # looks at vertices a heat in the long annealing: some 30 seconds
HOT, COOL, COLD, HEATS = 1.3, 0.3, 0.1, 1000  # where starts keep their shape; where it is settled; where all is
STARTS = {"default": (3, 1), "quality": (8, 4)}
"""How many starts are annealed briefly, and how many of those at length."""
TRIES = 4  # larger numbers of cores tried until the first start fits
DESCENT = [Round(0.0, 3e6, 20)]
REPAIR = cooling(1.5, 0.05, (1e3, 3e4), 300, 3)
"""Moves after annealing: ``DESCENT`` if every limit is kept, else ``REPAIR``."""


def neuron_search(cells: Cells, caps: Caps, preset: str, seed: int) -> Iterator[Candidate]:
    """Search on single neurons where there are no twins."""
    whole = chunk_cells(cells, caps)
    graph = whole.graph
    task, weight = Task(graph, incidence(graph), caps, seed), mixed_weight(graph, caps)
    small = graph.n_pins <= SCRATCH_PINS and suits(graph, least_cores(weight))
    run = annealed if small and preset != "fast" else refined
    for found in run(task, weight, preset):
        yield replace(found, block=found.block[whole.vertex])


def least_cores(weight: Ints) -> int:
    """The number of cores if all were full; at least two."""
    return max(2, -(-int(weight.sum()) // UNIT))


def annealed(task: Task, weight: Ints, preset: str) -> Iterator[Candidate]:
    """Anneal several starts of Mt-KaHyPar briefly, the best of them at length; moves repair what exceeds a limit."""
    n_starts, n_long = STARTS[preset]
    passes = int(np.clip(LOOKS // weight.size, 1, 10))
    brief, long = Cooling(HOT, COOL, HEATS, -(-passes // 5)), Cooling(HOT, COLD, HEATS, passes)
    stop = Event()

    def run(start: Start, cooling: Cooling) -> Annealed:
        return anneal(start.task.graph, start.block, task.caps, cooling, start.task.seed, stop)

    def begin(k: int) -> tuple[Start, Annealed]:
        first = kahypar_start(task, weight, k, 0)
        return first, run(first, brief)

    k = least_cores(weight)
    first, end = begin(k)
    for _ in range(TRIES):
        if end.fits:
            break
        k = int(np.ceil(k * max(end.load, 1.0 + 1.0 / k)))
        first, end = begin(k)
    starts = [first, *(kahypar_start(task, weight, k, i) for i in range(1, n_starts))]
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            cost = [end.km1, *(e.km1 for e in pool.map(run, starts[1:], [brief] * n_starts))]
            best = [starts[i] for i in np.argsort(cost, kind="stable")[:n_long]]
            ends = list(pool.map(run, best, [long] * n_long))
        finally:
            stop.set()  # the pool waits for whoever still runs
    for start, end in zip(best, ends):
        found = start.finish("annealing", end.block, DESCENT if end.fits else REPAIR)
        if found:
            yield found


def kahypar_start(task: Task, weight: Ints, k: int, i: int) -> Start:
    """Partition by Mt-KaHyPar; the i-th start."""
    seed = task.seed + i
    return Start.of(f"Mt-KaHyPar {i}", task, kahypar(task.graph, k, weight, UNIT, seed or None), seed)


def refined(task: Task, weight: Ints, preset: str) -> Iterator[Candidate]:
    """Move single neurons from a greedy start (``fast``), from Mt-KaHyPar or, where that takes long, from METIS."""
    pins = task.graph.n_pins
    for i in range(3 if preset == "quality" else 1):
        if preset == "fast":
            block = greedy_fill(task.graph, task.where, task.caps, np.arange(weight.size, dtype=np.int32))
            start = Start.of(f"greedy overlap {i}", task, block, task.seed + i)
            plan = cooling(0.3, 0.02, (300, 1e4), int(np.clip(WORK // max(pins, 1), 4, 24)))
        elif pins <= SCRATCH_PINS:
            start, plan = kahypar_start(task, weight, least_cores(weight), i), REPAIR
        else:
            block = metis_for_axons(task, weight, least_cores(weight), task.seed + i)
            start = Start.of(f"METIS {i}", task, block, task.seed + i)
            plan = cooling(0.7, 0.05, (1e3, 3e4), int(np.clip(LONG // (pins + 60 * weight.size), 4, 100)))
        found = start.finish("moves", start.block, plan)
        if found:
            yield found


def metis_for_axons(task: Task, weight: Ints, k: int, seed: int) -> Int32s:
    """Partition by METIS, adding cores until the mean core has input axons to spare.

    Where axons are scarce, neurons of crowded regions then weigh more (by their block's axons per neuron), so that
    those regions get smaller cores.
    """
    adjacency, nets = symmetric_graph(task.graph, METIS_PINS), build_nets(task.graph, task.where)
    while True:
        block = compact(metis(adjacency, k, weight, seed))
        axons = build_state(task.graph, nets, block, int(block.max()) + 1).use[:, 2]
        load = float(axons.mean()) / task.caps.axons
        if load <= AXON_LOAD:
            break
        k = int(np.ceil(k * max(load / AXON_LOAD, 1.01) ** 1.4))
    if load < 0.5:
        return block
    crowd = axons / np.bincount(block, weight)
    weight = np.maximum(np.rint(100 * crowd[block] / crowd.mean() * weight / weight.mean()), 1).astype(np.int64)
    return compact(metis(adjacency, k, weight, seed))
