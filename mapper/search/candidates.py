"""One partition of the portfolio, what a pass over a network needs, and how a pass is made to fit every limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from ir.arrays import Array, Int32s, Ints
from mapper.search.refine import Round, refine
from mapper.search.split import compact, merge_cores, over_limit, refill, split_cores
from mapper.view.hypergraph import UNLIMITED, Caps, Hypergraph, Incidence, cap_array, incidence, renumber
from mapper.view.slots import PartitionState, build_nets, build_state, rate_of_cut

UNIT = 1 << 16  # weight of a full core in the libraries' integers; neuron limits are mostly powers of two
WORK = 200_000_000  # pins looked at in the moves of one network: some ten seconds
QUICK = 1_000_000  # cores x pins up to which Mt-KaHyPar takes about a second


@dataclass(frozen=True, eq=False)
class Candidate:
    """One partition of the portfolio.

    Attributes:
        method: how it was found.
        block: (V,) core of each vertex.
        km1: its cost. n_cores: its cores.
        spare: how many of them are too many (``spare_cores``).
    """

    method: str
    block: Int32s
    km1: int
    n_cores: int
    spare: int = 0

    def cost(self, room: int = UNLIMITED) -> tuple[int, int, int, int]:
        """What is compared: cores beyond ``room``, cores that are too many, then packets, then cores."""
        return max(self.n_cores - room, 0), self.spare, self.km1, self.n_cores

    def packets(self, room: int) -> tuple[int, int]:
        """Cores beyond ``room``, then packets: cutting cores lowers neither."""
        return max(self.n_cores - room, 0), self.km1


def spare_cores(n_cores: int, shares: ArrayLike) -> int:
    """Cores beyond 1.05 x what a partition needs, and one.

    Args:
        shares: what all cores hold together of each limited thing, in cores.
    """
    need = int(np.ceil(np.max(shares)))
    return max(n_cores - -(-21 * need // 20) - 1, 0)


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
        k = state.use.shape[0]
        return Candidate(method, block, int(rate_of_cut(nets, state)), k, spare_by_bounds(self.graph, self.caps, state))


@dataclass(frozen=True, eq=False)
class Start:
    """A first partition, its vertices renumbered core by core, so that neighbours lie close together in memory.

    Attributes:
        name: where it came from.
        task: what passes need, in the new numbers.
        block: (V,) core of each vertex, in the new numbers.
        number: (V,) new number of each vertex.
    """

    name: str
    task: Task
    block: Int32s
    number: Array

    @classmethod
    def of(cls, name: str, task: Task, block: Int32s, seed: int) -> Start:
        order = np.argsort(block, kind="stable").astype(np.int32)
        graph = renumber(task.graph, order)
        return cls(name, Task(graph, incidence(graph), task.caps, seed), block[order], np.argsort(order))

    def finish(self, how: str, block: Int32s, plan: Sequence[Round]) -> Candidate | None:
        """Bring ``block`` within every limit by ``plan``, under the old numbers again; None where that fails."""
        found = self.task.judge(f"{self.name} + {how}", feasible(self.task, block, plan))
        return found and replace(found, block=found.block[self.number])


def spare_by_bounds(graph: Hypergraph, caps: Caps, state: PartitionState) -> int:
    """``spare_cores`` by the memory that the search counts."""
    memory = float(state.use[:, 1].sum()) + graph.overhead * float(state.use[:, 2].sum())
    return spare_cores(state.use.shape[0], [float(state.use[:, 0].sum()) / caps.neurons, memory / caps.memory])


def mixed_weight(graph: Hypergraph, caps: Caps) -> Ints:
    """One weight for two limits, in 1/65536 of a core: the larger of the vertex's shares."""
    share = np.maximum(graph.neurons / caps.neurons, graph.memory / caps.memory)
    return np.maximum(np.rint(UNIT * share), 1).astype(np.int64)


def cooling(hot: float, cold: float, price: tuple[float, float], steps: int, passes: int = 1) -> list[Round]:
    """Rounds that cool geometrically while the price of exceeding a limit rises; then plain descent."""
    heat, cost = np.geomspace(hot, cold, steps), np.geomspace(*price, steps)
    return [*(Round(float(h), float(p), passes) for h, p in zip(heat, cost)), Round(0.0, 100 * price[1], 20)]


def feasible(task: Task, block: Int32s, plan: Sequence[Round]) -> Int32s:
    """Refine; while cores exceed a limit, split the fullest and refine again; in the end refill those that still do."""
    for attempt in range(6):
        block = compact(refine(task.graph, block, task.caps, plan, task.seed + attempt, task.where))
        if task.judge("", block):
            break
        block = split_cores(task.graph, task.where, block, task.caps, 0.5 if attempt < 3 else 1.0)
        plan = plan[len(plan) // 4 :]
    block = refill(task.graph, task.where, block, task.caps)
    return merge_cores(task.graph, task.where, block, task.caps)
