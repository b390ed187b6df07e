"""Move single vertices between cores, each change exact under all limits: annealing and plain descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arrays import Int32s
from ir.kernels import kept_on_disk, part
from mapper.draws import uniform
from mapper.search.moves import forget, look_around, move, own_nets, touch
from mapper.view.hypergraph import Caps, Hypergraph, Incidence, cap_array, incidence
from mapper.view.slots import PartitionState, build_nets, build_state

FAR = 6.0  # a vertex whose cheapest move costs so many heats sits out a pass, and one more for each further so many
LONGEST_REST = 15  # passes a vertex sits out at most
CACHED = 1_000_000  # pins up to which any order of visits is quick
MAX_UINT16 = (1 << 16) - 1
FEW = 5000  # a cold round ends when fewer than one vertex in so many moves
COLD_REST = 2  # passes it sits out where only improvements count


def overflow(neurons, memory, axons, caps):
    """Share by which a core's use exceeds its limits, summed over resources; caps[3] = memory an axon."""
    total = max(0.0, neurons / caps[0] - 1.0)
    total += max(0.0, (memory + caps[3] * axons) / caps[1] - 1.0)
    return total + max(0.0, axons / caps[2] - 1.0)


overflow_part = part(overflow)
"""``overflow`` for kernels; Python calls that itself."""


@part
def use_after(v, b, sign, axons, nets, state, caps):
    """Overflow of core b after vertex v came (sign 1) or went (sign -1)."""
    memory = state.use[b, 1] + sign * nets.memory[v]
    g = nets.group[v]
    if g >= 0 and state.members[b, g] == (0 if sign > 0 else 1):
        memory += sign * nets.shared[g]
    return overflow_part(state.use[b, 0] + sign * nets.neurons[v], memory, state.use[b, 2] + sign * axons, caps)


@part
def choose(v, base, leave, n, heat, price, caps, nets, state, random):
    """Pick the core of v: the cheapest (heat 0) or a draw with weight exp(-cost / heat).

    Args:
        base: rate that a move to a core none of v's nets reaches would add.
        n: number of cores listed in ``state.touched``.

    Returns:
        The core, and what the cheapest move elsewhere would cost.
    """
    a = state.block[v]
    best, best_score, least = a, 0.0, np.inf
    if heat > 0.0:
        best_score = -np.log(-np.log(uniform(random)))
    relief = use_after(v, a, -1, leave.axons_freed, nets, state, caps)
    relief -= overflow_part(state.use[a, 0], state.use[a, 1], state.use[a, 2], caps)
    for i in range(n):
        b = state.touched[i]
        if b == a:
            continue
        strain = use_after(v, b, 1, leave.axons_in - state.reached[b], nets, state, caps)
        strain -= overflow_part(state.use[b, 0], state.use[b, 1], state.use[b, 2], caps)
        cost = float(base - state.connected[b]) + price * (relief + strain)
        least = min(least, cost)
        score = -cost
        if heat > 0.0:
            score = score / heat - np.log(-np.log(uniform(random)))
        if score > best_score:
            best, best_score = b, score
    return best, least


@kept_on_disk
def sweep(order, heat, price, caps, nets, state, rest, random):
    """Offer every vertex in ``order`` a new core once, unless it rests; return the number of moves.

    Args:
        rest: (V,) passes each vertex sits out because no move is near; changed.
    """
    moves = 0
    k = state.use.shape[0]
    for v in order:
        if rest[v] > 0:
            rest[v] -= 1
            continue
        a = state.block[v]
        leave = look_around(v, nets, state)
        here = state.connected[a]
        n = own_nets(v, nets, state, leave.n_touched)
        base = leave.rate_in + leave.leave + state.connected[a] - here
        if overflow_part(state.use[a, 0], state.use[a, 1], state.use[a, 2], caps) > 0.0:
            stranger = min(int(uniform(random) * k), k - 1)
            n = touch(state, stranger, n, 0, 0)
        b, least = choose(v, base, leave, n, heat, price, caps, nets, state, random)
        forget(state, n)
        if b != a:
            move(v, b, nets, state)
            moves += 1
        elif heat > 0.0:
            rest[v] = int(max(min(least / (FAR * heat), LONGEST_REST), 0.0))
        else:
            rest[v] = COLD_REST
    return moves


@dataclass(frozen=True)
class Round:
    """Some passes over all vertices.

    Attributes:
        heat: temperature in mean net rates; 0 = only improvements.
        price: cost of exceeding a limit by its whole size, in mean net rates.
        passes: at most so many; a cold round ends when next to nothing moves.
    """

    heat: float
    price: float
    passes: int = 1


def visits(state: PartitionState, n_pins: int, draw: np.random.Generator) -> Int32s:
    """Draw an order of all vertices; large networks go core after core: what these share stays in the cache."""
    if n_pins < CACHED:
        return draw.permutation(state.block.size).astype(np.int32)
    k, order = state.use.shape[0], draw.permutation(state.block.size).astype(np.int32)
    turn = draw.permutation(k).astype(np.uint16 if k <= MAX_UINT16 else np.int32)
    return order[np.argsort(turn[state.block[order]], kind="stable")]


def refine(
    graph: Hypergraph,
    block: NDArray[Any],
    caps: Caps,
    plan: Sequence[Round],
    seed: int = 0,
    where: Incidence | None = None,
) -> Int32s:
    """Improve a partition by single moves.

    Args:
        block: (V,) core of each vertex; the number of cores never grows.
        plan: rounds to run, in order.

    Returns:
        (V,) the core of each vertex after the last round.
    """
    nets = build_nets(graph, where or incidence(graph))
    state = build_state(graph, nets, block, int(block.max()) + 1)
    unit = float(graph.rate.mean()) if graph.n_nets else 1.0
    limits, draw = cap_array(graph, caps), np.random.default_rng(seed)
    random, rest = np.array([seed], np.uint64), np.zeros(graph.n_vertices, np.int32)
    for turn in plan:
        if turn.heat == 0.0:
            rest[:] = 0
        for _ in range(turn.passes):
            order = visits(state, graph.n_pins, draw)
            moves = sweep(order, turn.heat * unit, turn.price * unit, limits, nets, state, rest, random)
            if turn.heat == 0.0 and moves * FEW < graph.n_vertices:
                break
    return state.block
