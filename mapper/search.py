"""Search for the best partition: simple fills, library starts, exact refinement; the best of all is returned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Int32s, Ints
from ir.check import check_choice
from mapper.fills import greedy_fill, ordered_fill
from mapper.hypergraph import UNLIMITED, Caps, Hypergraph, Incidence, incidence, renumber
from mapper.kernels import rate_of_cut
from mapper.refine import Round, build_nets, build_state, cap_array, refine
from mapper.split import compact, merge_cores, over_limit, refill, split_cores
from mapper.starts import kahypar, metis, symmetric_graph
from mapper.twins import Cells, chunk_cells, km1_of_neurons, wide_graph

Array = NDArray[Any]

PRESETS = ("fast", "default", "quality")
SLOW_PINS = 2_500  # a temperature of the moves after Mt-KaHyPar for so many pins
SCRATCH_PINS = 3_000_000  # up to here Mt-KaHyPar starts from scratch, beyond it METIS starts
LONG = 1_200_000_000  # pins of the passes on a large network, a visit counted as 60: some 20 seconds
METIS_PINS = 8_000_000  # pins METIS sees at most
WORK = 200_000_000  # pins looked at in the moves of one network: some ten seconds
QUICK = 1_000_000  # cores x pins up to which Mt-KaHyPar takes about a second
COARSE = (6, 9)  # chunks a core of the first search
AXON_LOAD = 1.03  # share of the input axons METIS may use on average: what follows takes a twentieth off
UNIT = 1 << 16  # weight of a full core in the libraries' integers; neuron limits are mostly powers of two


@dataclass(frozen=True, eq=False)
class Candidate:
    """One partition of the portfolio.

    Attributes:
        method: how it was found.
        block: (V,) core of each vertex.
        km1: its cost. n_cores: its cores.
    """

    method: str
    block: Int32s
    km1: int
    n_cores: int


@dataclass(frozen=True)
class Task:
    """What every pass needs: the hypergraph, its transpose, the limits and the seed."""

    graph: Hypergraph
    where: Incidence
    caps: Caps
    seed: int

    def judge(self, method: str, block: Int32s) -> Candidate | None:
        """Cost a partition; None where it exceeds a limit."""
        block = compact(block)
        nets = build_nets(self.graph, self.where)
        state = build_state(self.graph, nets, block, int(block.max()) + 1)
        if over_limit(state, cap_array(self.graph, self.caps)).size:
            return None
        return Candidate(method, block, int(rate_of_cut(nets, state)), state.use.shape[0])


def mixed_weight(graph: Hypergraph, caps: Caps) -> Ints:
    """One weight for two limits, in 1/65536 of a core: the larger of the vertex's shares."""
    share = np.maximum(graph.neurons / caps.neurons, graph.memory / caps.memory)
    return np.maximum(np.rint(UNIT * share), 1).astype(np.int64)


def cooling(hot: float, cold: float, price: tuple[float, float], steps: int, passes: int = 1) -> list[Round]:
    """Rounds that cool geometrically while limits grow dear, then descend."""
    heat, cost = np.geomspace(hot, cold, steps), np.geomspace(*price, steps)
    return [*(Round(float(h), float(p), passes) for h, p in zip(heat, cost)), Round(0.0, 100 * price[1], 20)]


def feasible(task: Task, block: Int32s, plan: Sequence[Round]) -> Int32s:
    """Refine; while cores exceed a limit, split the fullest and refine again; at last lay the stray ones out anew."""
    for attempt in range(6):
        block = compact(refine(task.graph, block, task.caps, plan, task.seed + attempt, task.where))
        if task.judge("", block):
            break
        block = split_cores(task.graph, task.where, block, task.caps, 0.5 if attempt < 3 else 1.0)
        plan = plan[len(plan) // 4 :]
    block = refill(task.graph, task.where, block, task.caps)
    return merge_cores(task.graph, task.where, block, task.caps)


def plain_fills(cells: Cells, caps: Caps, orders: dict[str, Array]) -> Iterator[Candidate]:
    """Run the simple mappers on single neurons: next fit in every given order, and greedy overlap in the last."""
    graph = wide_graph(cells)
    where = incidence(graph)
    nets, limits = build_nets(graph, where), cap_array(graph, caps)
    runs = [(name, ordered_fill, np.asarray(order, np.int32)) for name, order in orders.items()]
    runs.append(("greedy overlap", greedy_fill, runs[-1][2]))
    for name, fill, order in runs:
        core = fill(graph, where, caps, order)
        state = build_state(graph, nets, core, int(core.max()) + 1)
        if over_limit(state, limits).size == 0:
            slots = state.slot_start, state.slot_len, state.slot_block
            yield Candidate(name, core, int(km1_of_neurons(cells.cell, cells.rate, core, *slots)), int(core.max()) + 1)


def spread(weight: Ints, order: Array, k: int) -> Int32s:
    """Cut an order of vertices into k runs of equal weight, limits or not."""
    block = np.empty(weight.size, np.int32)
    total = np.cumsum(weight[order])
    block[order] = np.minimum(total * k // (int(total[-1]) + 1), k - 1)
    return block


def enough_cores(graph: Hypergraph, caps: Caps) -> int:
    """Cores to search with: near the bound of the scarcer resource, with room where others are scarce elsewhere."""
    mixed = float(mixed_weight(graph, caps).sum()) / UNIT
    bound = 1.01 * max(float(graph.neurons.sum()) / caps.neurons, float(graph.memory.sum()) / caps.memory)
    return max(2, int(np.ceil(bound + 0.8 * max(mixed - bound, 0.0))))


def twin_search(cells: Cells, caps: Caps, order: Array, preset: str, seed: int) -> Iterator[Candidate]:
    """Search on coarse chunks of twins: long annealing from equal slices; Mt-KaHyPar where that takes a second."""
    chunks = chunk_cells(cells, caps)
    k = enough_cores(chunks.graph, caps)
    quick = preset != "fast" and k * chunks.graph.n_pins < QUICK
    if not quick:
        chunks = chunk_cells(cells, caps, COARSE)
    graph = chunks.graph
    task, weight = Task(graph, incidence(graph), caps, seed), mixed_weight(graph, caps)
    along = chunks.vertex[order]
    along = along[np.sort(np.unique(along, return_index=True)[1])]
    passes = int(np.clip(WORK // (30 * max(graph.n_pins, 1)), 2, 40))
    for i in range(6 if preset == "quality" else 1):
        if quick:
            name, block = "Mt-KaHyPar", kahypar(graph, k, weight, UNIT, seed + i)
            plan = cooling(0.3, 0.02, (1e4, 1e5), 20, 5)
        else:
            name, block, plan = "order", spread(weight, along, k), cooling(10.0, 0.3, (1e4, 3e4), 30, passes)
        task = Task(graph, task.where, caps, seed + i)
        found = task.judge(f"{name} {i} + moves", feasible(task, block, plan))
        if found:
            yield Candidate(found.method, found.block[chunks.vertex], found.km1, found.n_cores)


def neuron_search(cells: Cells, caps: Caps, preset: str, seed: int) -> Iterator[Candidate]:
    """Search on single neurons where there are no twins."""
    whole = chunk_cells(cells, caps)
    task = Task(whole.graph, incidence(whole.graph), caps, seed)
    for i in range(3 if preset == "quality" else 1):
        name, block, plan = neuron_start(task, preset, seed + i)
        order = np.argsort(block, kind="stable").astype(np.int32)
        graph = renumber(task.graph, order)
        near = Task(graph, incidence(graph), caps, seed + i)
        found = near.judge(f"{name} {i} + moves", feasible(near, block[order], plan))
        if found:
            back = np.empty_like(block)
            back[order] = found.block
            yield Candidate(found.method, back[whole.vertex], found.km1, found.n_cores)


def neuron_start(task: Task, preset: str, seed: int) -> tuple[str, Int32s, list[Round]]:
    """Choose the start by size, and the annealing that suits it: greedy, Mt-KaHyPar or METIS."""
    graph, caps, weight = task.graph, task.caps, mixed_weight(task.graph, task.caps)
    least, pins = max(2, -(-int(weight.sum()) // UNIT)), graph.n_pins
    passes = int(np.clip(WORK // max(pins, 1), 4, 24))
    if preset == "fast":
        block = greedy_fill(graph, task.where, caps, np.arange(weight.size, dtype=np.int32))
        return "greedy overlap", block, cooling(0.3, 0.02, (300, 1e4), passes)
    if pins <= SCRATCH_PINS:
        steps = int(np.clip(pins // SLOW_PINS, 100, 800))
        block = kahypar(graph, least, weight, UNIT, seed or None)
        return "Mt-KaHyPar", block, cooling(1.5, 0.05, (1e3, 3e4), steps, 3)
    block = metis_for_axons(task, weight, least)
    passes = int(np.clip(LONG // (pins + 60 * graph.n_vertices), 4, 100))
    return "METIS", block, cooling(0.7, 0.05, (1e3, 3e4), passes)


def metis_for_axons(task: Task, weight: Ints, k: int) -> Int32s:
    """Partition by METIS, with more cores until the mean number of input axons leaves some room.

    Where axons are scarce, crowded regions then get smaller cores: a block's axons a neuron weight its neurons.
    """
    adjacency, nets = symmetric_graph(task.graph, METIS_PINS), build_nets(task.graph, task.where)
    while True:
        block = compact(metis(adjacency, k, weight, task.seed))
        axons = build_state(task.graph, nets, block, int(block.max()) + 1).use[:, 2]
        load = float(axons.mean()) / task.caps.axons
        if load <= AXON_LOAD:
            break
        k = int(np.ceil(k * max(load / AXON_LOAD, 1.01) ** 1.4))
    if load < 0.5:
        return block
    crowd = axons / np.bincount(block, weight)
    weight = np.maximum(np.rint(100 * crowd[block] / crowd.mean() * weight / weight.mean()), 1).astype(np.int64)
    return compact(metis(adjacency, k, weight, task.seed))


def search(
    cells: Cells, caps: Caps, orders: dict[str, Array], preset: str = "default", seed: int = 0, room: int = UNLIMITED
) -> list[Candidate]:
    """Collect the portfolio, best first: fewest rate-weighted copies among those that fit ``room`` cores.

    Args:
        orders: neuron orders for the simple fills, (N,) each, by name.
        room: cores there are.

    Returns:
        Candidates whose ``block`` is (N,), the core of each neuron; empty where some neuron fits no core.
    """
    check_choice("preset", preset, PRESETS)
    found = list(plain_fills(cells, caps, orders))
    if not found or min(c.n_cores for c in found) == 1 or found[0].block.size == 1:
        return sorted(found, key=lambda c: (c.n_cores, c.km1))
    if 2 * (cells.start.size - 1) < cells.cell.size:
        found += twin_search(cells, caps, list(orders.values())[-1], preset, seed)
    else:
        found += neuron_search(cells, caps, preset, seed)
    return sorted(found, key=lambda c: (max(c.n_cores - room, 0), c.km1, c.n_cores))
