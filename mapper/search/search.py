"""Search for the best partition: simple fills, library starts, exact refinement; the best of all is returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ir.arrays import Array, Int32s, Ints
from ir.check import check_choice
from mapper.search.candidates import (
    QUICK,
    UNIT,
    WORK,
    Candidate,
    Task,
    cooling,
    feasible,
    mixed_weight,
    spare_by_bounds,
)
from mapper.search.fills import greedy_fill, ordered_fill
from mapper.search.near_search import near_search
from mapper.search.neuron_search import neuron_search
from mapper.search.split import over_limit
from mapper.search.starts import kahypar
from mapper.view.hypergraph import UNLIMITED, Caps, Hypergraph, cap_array, incidence
from mapper.view.slots import build_nets, build_state
from mapper.view.tiles import regions
from mapper.view.twins import Cells, Chunked, chunk_cells, km1_of_neurons, wide_graph, wide_pins

Deliver = Callable[[Candidate], "Candidate | None"]

PRESETS = ("fast", "default", "quality")
WIDE = 30_000_000  # pins of single neurons up to which the simple mappers fill these
LARGE, TWINS = 500_000, 8  # sources of a large network, and how many a cell are twins but for a few
FEW_PINS = 50_000  # pins up to which neurons are searched from the start though tiles were
LOOSE = 10  # and wherever a tenth of the pins comes from lists: tiles say nothing of those
LARGE_PLAN = cooling(1.0, 0.05, (1e4, 3e4), 30, 10)  # two CPU seconds a million neurons
COARSE = (6, 9)  # chunks a core of the first search


def plain_fills(cells: Cells, caps: Caps, orders: dict[str, Array]) -> Iterator[Candidate]:
    """Run the simple mappers on single neurons: next fit in every given order, and greedy overlap in the last.

    Where neurons would have more than ``WIDE`` pins, chunks of twins are filled instead.
    """
    if wide_pins(cells) > WIDE:
        yield from chunk_fills(cells, caps, orders)
        return
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
            km1, spare = int(km1_of_neurons(cells.cell, cells.rate, core, *slots)), spare_by_bounds(graph, caps, state)
            yield Candidate(name, core, km1, int(core.max()) + 1, spare)


def chunk_fills(cells: Cells, caps: Caps, orders: dict[str, Array]) -> Iterator[Candidate]:
    """The simple mappers on chunks of twins, in the orders in which their first neurons come."""
    chunks = chunk_cells(cells, caps)
    graph, vertex = chunks.graph, chunks.vertex
    task = Task(graph, incidence(graph), caps, 0)
    along = {name: _first_seen(vertex[order], graph.n_vertices) for name, order in orders.items()}
    runs = [(name, ordered_fill, order) for name, order in along.items()]
    runs.append(("greedy overlap", greedy_fill, runs[-1][2]))
    for name, fill, order in runs:
        found = task.judge(f"{name}, chunks", fill(graph, task.where, caps, order))
        if found:
            yield replace(found, block=found.block[vertex])


def _first_seen(vertex: Array, n: int) -> Int32s:
    """Order ``n`` vertices by where each is first met."""
    first = np.full(n, vertex.size, np.int64)
    first[vertex[::-1]] = np.arange(vertex.size)[::-1]
    return np.argsort(first, kind="stable").astype(np.int32)


def _by_region(cells: Cells, chunks: Chunked) -> Int32s:
    """Order chunks by the region of the picture that they lie in, whatever their population."""
    first = np.empty(chunks.graph.n_vertices, np.int64)
    first[chunks.vertex[::-1]] = np.arange(chunks.vertex.size)[::-1]
    return np.argsort(regions(cells.shapes)[first], kind="stable").astype(np.int32)


def spread(weight: Ints, order: Array, k: int) -> Int32s:
    """Cut an order of vertices into k runs of equal weight, limits or not."""
    block = np.empty(weight.size, np.int32)
    total = np.cumsum(weight[order])
    block[order] = np.minimum(total * k // (int(total[-1]) + 1), k - 1)
    return block


def enough_cores(graph: Hypergraph, caps: Caps) -> int:
    """How many cores to search with: about what the scarcer resource needs, more where vertices differ in theirs."""
    mixed = float(mixed_weight(graph, caps).sum()) / UNIT
    bound = 1.01 * max(float(graph.neurons.sum()) / caps.neurons, float(graph.memory.sum()) / caps.memory)
    return max(2, int(np.ceil(bound + 0.8 * max(mixed - bound, 0.0))))


def twin_search(cells: Cells, caps: Caps, order: Array, preset: str, seed: int) -> Iterator[Candidate]:
    """Search on coarse chunks of twins: long annealing from equal slices; Mt-KaHyPar where that takes a second.

    Large networks of twins begin from regions of the picture across all populations, which need little annealing.
    """
    chunks = chunk_cells(cells, caps)
    k = enough_cores(chunks.graph, caps)
    quick = preset != "fast" and k * chunks.graph.n_pins < QUICK
    tries = range(6 if preset == "quality" else 1)
    if not quick:
        tries = tries[preset != "fast" :]  # ``fast`` has made the first
        chunks = chunk_cells(cells, caps, COARSE) if tries else chunks
    graph = chunks.graph
    task, weight = Task(graph, incidence(graph), caps, seed), mixed_weight(graph, caps)
    if plain_twins(cells):
        start, along, plan = "regions", _by_region(cells, chunks), LARGE_PLAN
    else:
        start, along = "order", _first_seen(chunks.vertex[order], graph.n_vertices)
        plan = cooling(10.0, 0.3, (1e4, 3e4), 30, int(np.clip(WORK // (30 * max(graph.n_pins, 1)), 2, 40)))
    for i in tries:
        if quick:
            start, block = "Mt-KaHyPar", kahypar(graph, k, weight, UNIT, seed + i)
            plan = cooling(0.3, 0.02, (1e4, 1e5), 20, 5)
        else:
            block = spread(weight, along, k)
        task = Task(graph, task.where, caps, seed + i)
        found = task.judge(f"{start} {i} + moves", feasible(task, block, plan))
        if found:
            yield replace(found, block=found.block[chunks.vertex])


def plain_twins(cells: Cells) -> bool:
    """Whether a large network is all twins but for a few: their chunks lose nothing that tiles could find."""
    return bool(cells.shapes) and cells.cell.size > LARGE and TWINS * (cells.start.size - 1) < cells.cell.size


def own_portfolio(
    cells: Cells,
    caps: Caps,
    orders: dict[str, Array],
    preset: str,
    seed: int = 0,
    known: Sequence[Candidate] = (),
) -> list[Candidate]:
    """What a preset finds by itself, the best of what is known refined among it."""
    tiled = cells.shapes and not plain_twins(cells)
    found = list(near_search(cells, caps, preset, seed, known)) if tiled else []
    if 2 * (cells.start.size - 1) < cells.cell.size:
        found += twin_search(cells, caps, list(orders.values())[-1], preset, seed)
    elif not found or preset == "quality" or cells.target.size <= FEW_PINS or LOOSE * cells.listed > cells.target.size:
        found += neuron_search(cells, caps, preset, seed)
    return found


def as_it_is(candidate: Candidate) -> Candidate | None:
    """Deliver a partition uncut: the search knows every limit."""
    return candidate


def search(
    cells: Cells,
    caps: Caps,
    orders: dict[str, Array],
    preset: str = "default",
    seed: int = 0,
    room: int = UNLIMITED,
    deliver: Deliver = as_it_is,
    more_fills: Iterable[Candidate] = (),
) -> list[Candidate]:
    """Collect the portfolio; the first is the best as delivered, the others follow uncut, the cheapest first.

    No preset sends more packets than any simple fill, none more, nor has more cores too many, than ``fast``; wherever
    the board has room for both.

    Args:
        orders: neuron orders for the simple fills, (N,) each, by name.
        room: cores there are.
        deliver: cuts a partition until it keeps every limit; None where that fails.
        more_fills: further simple fills, asked for where they may take fewer cores.

    Returns:
        Candidates whose ``block`` is (N,), the core of each neuron; empty where none can be delivered.
    """
    check_choice("preset", preset, PRESETS)
    fills = list(plain_fills(cells, caps, orders))
    if min((c.n_cores for c in fills), default=UNLIMITED) > -(-int(cells.taken.sum()) // caps.neurons):
        fills += more_fills  # neurons alone need as many otherwise
    best, found = cheapest(fills, room, deliver, None, Candidate.packets), list(fills)
    if len(fills) == 0 or min(c.n_cores for c in fills) == 1 or fills[0].block.size == 1:
        return [] if best is None else [best, *fills]
    least = least_packets(cells, caps)
    for stage in dict.fromkeys(("fast", preset)):
        if best is not None and (best.n_cores == 1 or (best.km1 <= least and best.n_cores <= room and not best.spare)):
            break
        more = own_portfolio(cells, caps, orders, stage, seed, found)
        best, found = cheapest([*([] if best is None else [best]), *more], room, deliver, best), [*found, *more]
        if best is None:
            return []
    return [] if best is None else [best, *sorted(found, key=lambda c: c.cost(room))]


def cheapest(
    found: Iterable[Candidate],
    room: int,
    deliver: Deliver,
    than: Candidate | None = None,
    rank: Callable[[Candidate, int], tuple[int, ...]] = Candidate.cost,
) -> Candidate | None:
    """The best of some partitions as they would be delivered; None where none can be.

    Cutting lowers neither packets nor cores, so a partition that is dearer uncut, were none of its cores too many, than
    another one cut needs no look.

    Args:
        than: the best sends no more packets than this, nor takes more cores beyond ``room``.
        rank: what is least in the best.
    """
    best: Candidate | None = None
    for candidate in sorted(found, key=lambda c: rank(c, room)):
        if than is not None and candidate.packets(room) > than.packets(room):
            continue
        if best is not None and rank(replace(candidate, spare=0), room) >= rank(best, room):
            continue
        cut = deliver(candidate)
        if cut is None or (than is not None and cut.packets(room) > than.packets(room)):
            continue
        if best is None or rank(cut, room) < rank(best, room):
            best = cut
    return best


def least_packets(cells: Cells, caps: Caps) -> int:
    """Packets that no partition undercuts: the targets of a source lie on as many cores as they fill, at least."""
    n, size = cells.n_neurons, cells.start.size - 1
    places = np.bincount(cells.cell[:n], cells.taken, size)
    first = np.repeat(np.arange(size), np.diff(cells.start))
    reached = np.ceil(np.bincount(first, places[cells.target], size) / caps.neurons).astype(np.int64)
    for most, at in _scarce(cells):
        held = np.bincount(cells.cell[:n][at], minlength=size)
        reached = np.maximum(reached, -(-np.bincount(first, held[cells.target], size).astype(np.int64) // most))
    away = reached[cells.cell]
    away[:n] = np.maximum(away[:n] - 1, 0)
    return int((away * cells.rate).sum())


def _scarce(cells: Cells) -> Iterator[tuple[int, slice]]:
    """Populations of which a core holds only so many neurons."""
    low = 0
    for shape in cells.shapes if cells.most is not None else ():
        at = slice(low, low + int(np.prod(shape)))
        if cells.most is not None and int(cells.most[at][0]) < at.stop - low:
            yield int(cells.most[at][0]), at
        low = at.stop
