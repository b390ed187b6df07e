"""Search for the best partition: simple fills, library starts, exact refinement; the best of all is returned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ir.arrays import Int32s, Ints
from mapper.fills import greedy_fill, ordered_fill
from mapper.hypergraph import Caps, Hypergraph, Incidence
from mapper.kernels import rate_of_cut
from mapper.refine import Round, build_nets, build_state, cap_array, refine
from mapper.split import compact, merge_cores, over_limit, refill, split_cores

PRESETS = ("fast", "default", "quality")
SCRATCH_PINS = 2_000_000  # up to here Mt-KaHyPar starts from scratch, beyond it improves METIS
CYCLE_PINS = 20_000_000  # up to here it does so
UNIT = 10_000  # weight of a full core in the libraries' integers


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
    """One weight for two limits, in 1/10000 of a core: the larger of the vertex's shares."""
    share = np.maximum(graph.neurons / caps.neurons, graph.memory / caps.memory)
    return np.maximum(np.rint(UNIT * share), 1).astype(np.int64)


def cooling(hot: float, cold: float, price: tuple[float, float], steps: int, passes: int = 1) -> list[Round]:
    """Rounds that cool geometrically while limits grow dear, then descend."""
    heat, cost = np.geomspace(hot, cold, steps), np.geomspace(*price, steps)
    return [*(Round(float(h), float(p), passes) for h, p in zip(heat, cost)), Round(0.0, 100 * price[1], 20)]


def simple_fills(task: Task, orders: dict[str, Int32s]) -> Iterator[Candidate]:
    """Try the simple mappers: next fit in every given order, and greedy overlap."""
    for name, order in orders.items():
        found = task.judge(name, ordered_fill(task.graph, task.where, task.caps, order))
        if found:
            yield found
    last = list(orders.values())[-1]
    found = task.judge("greedy overlap", greedy_fill(task.graph, task.where, task.caps, last))
    if found:
        yield found


def feasible(task: Task, block: Int32s, plan: Sequence[Round]) -> Int32s:
    """Refine; while cores exceed a limit, split them and refine again; at last lay the stray ones out anew."""
    for attempt in range(4):
        block = compact(refine(task.graph, block, task.caps, plan, task.seed + attempt, task.where))
        if task.judge("", block):
            break
        block = split_cores(task.graph, task.where, block, task.caps)
        plan = plan[len(plan) // 2 :]
    block = refill(task.graph, task.where, block, task.caps)
    return merge_cores(task.graph, task.where, block, task.caps)
