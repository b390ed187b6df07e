"""Search on near-twins, where pools, depthwise layers and upsampling leave no exact ones: tiles first, neurons last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ir.arrays import Int32s
from mapper.search.candidates import QUICK, UNIT, Candidate, Task, cooling, feasible, mixed_weight
from mapper.search.fills import greedy_fill
from mapper.search.refine import Round, refine
from mapper.search.split import merge_cores
from mapper.search.starts import kahypar
from mapper.view.hypergraph import Caps, incidence
from mapper.view.tiles import Cut, contract, tile_graph
from mapper.view.twins import Cells, Chunked

CUTS = {
    "fast": (Cut(20), Cut(32), Cut(48)),
    "default": (Cut(20), Cut(32), Cut(48), Cut(20, planes=True)),
    "quality": (Cut(12), Cut(20), Cut(32), Cut(48), Cut(72), Cut(110), Cut(20, planes=True), Cut(48, planes=True)),
}
"""Tile sizes tried: coarse ones keep whole regions together, fine ones pack well."""
BEYOND = {Cut(20): Cut(12), Cut(48): Cut(72)}
"""What ``default`` tries beyond its coarsest and finest tiles, where these are clearly the cheapest or all is quick."""
CLEARLY = 0.97  # of what others cost
HOPELESS = 1.25  # planes that fill cores so many times as dearly as tiles of the same number are left out
MOST_PINS = 1_000_000  # of a graph of tiles; finer ones are left out
FINE = Cut(300), Cut(1200)  # tiles of the refinement where neurons are too many
FINE_PINS = 6_000_000  # of a graph that is refined on
REFINED = {"fast": 1, "default": 2, "quality": 4}  # partitions of tiles that are refined further
MELT, SETTLE, WARM = 5.0, 0.6, 1.0  # heats to begin with: of a greedy start, of Mt-KaHyPar's, of neurons
STEPS, PASSES, WARM_PASSES = 60, 80, 8  # heats of an annealing, and passes at each at most, on tiles and on neurons
A_PASS = 8  # vertices for which there may be a further pass at each heat
LOOKED_AT = {"fast": 60_000_000, "default": 60_000_000, "quality": 240_000_000}
"""Pins looked at in the annealing of one graph of tiles: 60 million take about a second."""
POLISH = cooling(0.2, 0.02, (3e4, 3e5), 12)
LONG = {"fast": 0, "default": 900_000_000, "quality": 2_400_000_000}
"""Pins looked at in the long annealing of the best partition's neurons: 900 million take about eight seconds."""


@dataclass(frozen=True, eq=False)
class Level:
    """Near-twins of one size, ready for passes.

    Attributes:
        chunks: the grouping. task: what passes need.
    """

    chunks: Chunked
    task: Task

    @classmethod
    def of(cls, chunks: Chunked, caps: Caps, seed: int) -> Level:
        return cls(chunks, Task(chunks.graph, incidence(chunks.graph), caps, seed))

    def of_vertex(self, core: Int32s) -> Int32s:
        """(V,) core of each vertex, of a partition that keeps vertices whole."""
        block = np.zeros(self.chunks.graph.n_vertices, np.int32)
        block[self.chunks.vertex] = core
        return block


def near_search(
    cells: Cells, caps: Caps, preset: str, seed: int, known: Sequence[Candidate] = ()
) -> Iterator[Candidate]:
    """Partition tiles of several sizes and refine the cheapest partitions on neurons; blocks are (N,).

    Args:
        known: partitions found otherwise, which may be the cheapest.
    """
    found = _of_cuts(cells, caps, preset, seed)
    yield from found
    if not found:
        return
    levels, best = list(_finer(cells, caps, seed)), sorted([*known, *found], key=Candidate.cost)
    fine: list[Candidate] = []
    for rough in best[: REFINED[preset]]:
        fine += _refined(rough, levels, caps, seed)
    yield from fine
    if LONG[preset] and levels:
        yield from _annealed(min([*best, *fine], key=Candidate.cost), levels[-1], LONG[preset], seed)


def _of_cuts(cells: Cells, caps: Caps, preset: str, seed: int) -> list[Candidate]:
    """Partitions of tiles of every size that the preset tries."""
    by_cut: dict[Cut, list[Candidate]] = {}
    tried: dict[tuple[int, int], Level] = {}

    def look(cut: Cut) -> None:
        level = Level.of(tile_graph(cells, caps, cut), caps, seed)
        graph = level.chunks.graph
        size = graph.n_vertices, graph.n_pins
        if graph.n_pins > MOST_PINS or size in tried or graph.n_vertices < 2:
            return
        first = next(iter(tried.values()), None)
        if cut.planes and preset == "default" and first and _filled(level) > HOPELESS * _filled(first):
            return
        tried[size] = level
        name = f"{cut.pieces} {'planes' if cut.planes else 'tiles'} a core"
        by_cut[cut] = list(_of_tiles(level, preset, name, seed))

    for cut in CUTS[preset]:
        look(cut)
    if preset == "default":
        least = {c: min(some, key=Candidate.cost).km1 for c, some in by_cut.items() if some and not c.planes}
        work = max((_least_cores(x) * x.chunks.graph.n_pins for x in tried.values()), default=0)
        for edge, cut in BEYOND.items():
            others = [km1 for c, km1 in least.items() if c != edge]
            if work < QUICK or (edge in least and least[edge] < CLEARLY * min(others, default=np.inf)):
                look(cut)
    return [candidate for some in by_cut.values() for candidate in some]


def _least_cores(level: Level) -> int:
    """How many cores its vertices take at least, and two."""
    graph, caps = level.chunks.graph, level.task.caps
    weight, memory = mixed_weight(graph, caps), int(graph.memory.sum()) + int(graph.shared.sum())
    return max(2, -(-int(weight.sum()) // UNIT), -(-memory // caps.memory))


def _filled(level: Level) -> float:
    """What the simplest way to fill cores with its vertices costs."""
    graph, task = level.chunks.graph, level.task
    order = np.arange(graph.n_vertices, dtype=np.int32)
    found = task.judge("", greedy_fill(graph, task.where, task.caps, order))
    return np.inf if found is None else float(found.km1)


def _of_tiles(level: Level, preset: str, name: str, seed: int) -> Iterator[Candidate]:
    """Partition one graph of tiles: annealed from a greedy fill, by Mt-KaHyPar where that is allowed."""
    graph, task = level.chunks.graph, level.task
    weight, shared, least = mixed_weight(graph, task.caps), int(graph.shared.sum()), _least_cores(level)
    most = int(np.clip(graph.n_vertices // A_PASS, 4, PASSES))
    melt, settle = (_cooling(heat, graph.n_pins, LOOKED_AT[preset], most) for heat in (MELT, SETTLE))
    if preset == "fast":
        order = np.arange(graph.n_vertices, dtype=np.int32)
        block = greedy_fill(graph, task.where, task.caps, order)
        k = int(block.max()) + 1
        tries = {k} if 20 * (k - 1) <= 21 * least else {least + 1 + least // 20, -(-6 * least // 5)}
        starts = [(f"greedy overlap on {k}", block % np.int32(k), melt) for k in sorted(tries)]
    else:
        tries = {least, least + 1 + least // 50} if preset == "quality" else {least}
        plan = settle if 10 * shared < least * task.caps.memory else melt
        starts = [(f"Mt-KaHyPar on {k}", kahypar(graph, k, weight, UNIT, seed), plan) for k in sorted(tries)]
    for start, block, plan in starts:
        found = task.judge(f"{start}, {name}, moves", feasible(task, block, plan))
        if found:
            yield replace(found, block=found.block[level.chunks.vertex])


def _cooling(heat: float, n_pins: int, looked_at: int, most: int) -> list[Round]:
    """Annealing from ``heat`` that looks at so many pins, about, in at most ``most`` passes at each heat."""
    return cooling(heat, 0.02, (1e4, 1e5), STEPS, int(np.clip(looked_at // (STEPS * max(n_pins, 1)), 1, most)))


def _annealed(rough: Candidate, level: Level, looked_at: int, seed: int) -> Iterator[Candidate]:
    """Anneal single neurons, or what comes closest, from a partition that is nearly settled."""
    block = level.of_vertex(rough.block)
    if (block[level.chunks.vertex] == rough.block).all():
        graph, task = level.chunks.graph, level.task
        block = refine(graph, block, task.caps, _cooling(WARM, graph.n_pins, looked_at, WARM_PASSES), seed, task.where)
        found = task.judge(f"{rough.method}, annealed", merge_cores(graph, task.where, block, task.caps))
        if found:
            yield replace(found, block=found.block[level.chunks.vertex])


def _finer(cells: Cells, caps: Caps, seed: int) -> Iterator[Level]:
    """Smaller and smaller groups, neurons last, as far as passes over them take seconds."""
    for cut in FINE:
        chunks = tile_graph(cells, caps, cut)
        if chunks.graph.n_pins > FINE_PINS:
            return
        if chunks.graph.n_vertices == cells.n_neurons:
            break
        yield Level.of(chunks, caps, seed)
    if cells.target.size <= FINE_PINS:
        yield Level.of(contract(cells, np.arange(cells.n_neurons, dtype=np.int32)), caps, seed)


def _refined(rough: Candidate, levels: list[Level], caps: Caps, seed: int) -> Iterator[Candidate]:
    """Move ever smaller groups under the same limits; every level's result is a candidate."""
    core = rough.block
    for depth, level in enumerate(levels):
        block = level.of_vertex(core)
        if not (block[level.chunks.vertex] == core).all():
            continue
        graph, task = level.chunks.graph, level.task
        block = refine(graph, block, caps, POLISH, seed, task.where)
        found = task.judge(f"{rough.method}, refined", merge_cores(graph, task.where, block, caps))
        if found:
            core = found.block[level.chunks.vertex]
            yield replace(found, block=core, method=f"{found.method} {depth}")
