"""Tables of what every move of a vertex would gain: to look at a vertex is to read K numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ir.arrays import Array, Int32s
from ir.kernels import kept_on_disk, part
from mapper.draws import uniform
from mapper.view.hypergraph import Caps, Hypergraph, run_starts

ENTRIES = 20_000_000  # of nets x cores, and of vertices x cores: a run's tables then take up to a third of a gigabyte
FROZEN = 14.0  # a move that costs so many heats is not drawn
LONGEST_REST = 8  # draws a vertex sits out at most


class Tables(NamedTuple):
    """The pins of every net, its source among them, and what each net and each vertex has on each core.

    Attributes:
        start, pin: (E + 1,), (P,) pins of each net.
        in_start, in_net: (V + 1,), (P,) nets of each vertex.
        rate: (E,) packets.
        axons: (E,) sources behind each net.
        in_axons: (V,) sources behind all nets of v.
        pins: (E, K) how many on each core.
        lone: (E, K) XOR of their numbers, so the number itself where there is only one.
        company: (V, K) rates of v's nets that have another pin on the core.
        axon_price: (K,) what an axon of a core adds to the rate of its net.
    """

    start: Array
    pin: Array
    in_start: Array
    in_net: Array
    rate: Array
    axons: Array
    in_axons: Array
    pins: Array
    lone: Array
    company: Array
    axon_price: Array


class Cores(NamedTuple):
    """What cores hold, in shares of a core's limits, and what a share costs.

    Attributes:
        share: (V, 2) neurons and memory of each vertex.
        use: (K, 2) on each core.
        price: (K, 2) of a whole core's share.
    """

    share: Array
    use: Array
    price: Array


@kept_on_disk
def fill_company(block, t):
    """Recount ``company`` under the present axon prices."""
    t.company[:] = 0.0
    for v in range(block.size):
        for i in range(t.in_start[v], t.in_start[v + 1]):
            e = t.in_net[i]
            for b in range(t.pins.shape[1]):
                if t.pins[e, b] > (1 if b == block[v] else 0):
                    t.company[v, b] += t.rate[e] + t.axon_price[b] * t.axons[e]


@part
def shift(v, b, block, t):
    """Move vertex v to core b and bring the tables along."""
    a = block[v]
    for i in range(t.in_start[v], t.in_start[v + 1]):
        e = t.in_net[i]
        w = t.rate[e] + t.axon_price[a] * t.axons[e]
        t.pins[e, a] -= 1
        t.lone[e, a] ^= v
        if t.pins[e, a] == 0:
            for j in range(t.start[e], t.start[e + 1]):
                t.company[t.pin[j], a] -= w
            t.company[v, a] += w
        elif t.pins[e, a] == 1:
            t.company[t.lone[e, a], a] -= w
        w = t.rate[e] + t.axon_price[b] * t.axons[e]
        if t.pins[e, b] == 0:
            for j in range(t.start[e], t.start[e + 1]):
                t.company[t.pin[j], b] += w
            t.company[v, b] -= w
        elif t.pins[e, b] == 1:
            t.company[t.lone[e, b], b] += w
        t.pins[e, b] += 1
        t.lone[e, b] ^= v
    block[v] = b


@part
def settle_fees(v, stiff, cores, fees):
    """Fill ``fees`` (2, K): what vertex v would pay to join each core, and would save by leaving it."""
    for b in range(cores.use.shape[0]):
        come, go = 0.0, 0.0
        for r in range(2):
            s, excess = cores.share[v, r], cores.use[b, r] - 1.0
            come += s * max(0.0, cores.price[b, r] + stiff * (excess + 0.5 * s))
            go += s * max(0.0, cores.price[b, r] + stiff * (excess - 0.5 * s))
        fees[0, b], fees[1, b] = come, go


@part
def weigh(v, a, t, fees, odds):
    """Fill ``odds`` (K,) with the worth of each core to v; return the lead of the best other core over its own, a."""
    top = -np.inf
    for b in range(odds.size):
        fee = fees[1, b] if b == a else fees[0, b]
        odds[b] = t.company[v, b] - t.axon_price[b] * t.in_axons[v] - fee
        if b != a:
            top = max(top, odds[b])
    return top - odds[a]


@part
def draw_core(lead, a, heat, random, odds):
    """Draw a core with weight exp(odds / heat); ``odds`` is used up."""
    top, total = odds[a] + max(lead, 0.0), 0.0
    for b in range(odds.size):
        odds[b] = np.exp((odds[b] - top) / heat)
        total += odds[b]
    left, b = uniform(random) * total, 0
    while b < odds.size - 1 and left >= odds[b]:
        left -= odds[b]
        b += 1
    return b


@kept_on_disk
def look(n_looks, heat, stiff, block, t, cores, rest, random):
    """Draw vertices and a core for each; a vertex that nothing attracts sits out some draws; return the moves made."""
    k, moves, before = cores.use.shape[0], 0, -1
    fees, odds = np.empty((2, k)), np.empty(k)
    for _ in range(n_looks):
        v = min(int(uniform(random) * block.size), block.size - 1)
        if rest[v] > 0:
            rest[v] -= 1
            continue
        if before < 0 or cores.share[v, 0] != cores.share[before, 0] or cores.share[v, 1] != cores.share[before, 1]:
            settle_fees(v, stiff, cores, fees)
            before = v
        a = block[v]
        lead = weigh(v, a, t, fees, odds)
        if lead < -FROZEN * heat:
            rest[v] = int(min(lead / (-FROZEN * heat), LONGEST_REST))
            continue
        b = draw_core(lead, a, heat, random, odds)
        if b != a:
            shift(v, b, block, t)
            for r in range(2):
                cores.use[a, r] -= cores.share[v, r]
                cores.use[b, r] += cores.share[v, r]
            moves, before = moves + 1, -1
    return moves


@kept_on_disk
def axons_held(source, own, t, block, held):
    """Count the input axons of each core into ``held`` (K,).

    Args:
        own: (E,) whether the source is also a target; if not, a core with the source alone needs no axon.
    """
    held[:] = 0.0
    for e in range(source.size):
        for b in range(held.size):
            alone = t.pins[e, b] == 1 and not own[e] and source[e] >= 0 and block[source[e]] == b
            if t.pins[e, b] > 0 and not alone:
                held[b] += t.axons[e]


@kept_on_disk
def joined(place, pin, size):
    """(size,) XOR of the pins at each place."""
    lone = np.zeros(size, np.int32)
    for i in range(place.size):
        lone[place[i]] ^= pin[i]
    return lone


def suits(graph: Hypergraph, k: int) -> bool:
    """Whether the tables are small enough, and no memory is shared between vertices: tables cannot count that."""
    return graph.shared.size == 0 and max(graph.n_nets, graph.n_vertices) * k <= ENTRIES


def build_tables(graph: Hypergraph, block: Int32s, k: int) -> tuple[Tables, Array]:
    """Fill the tables for ``block``; also return, for each net, whether its source is one of its own targets."""
    net = np.repeat(np.arange(graph.n_nets, dtype=np.int32), np.diff(graph.start))
    own = np.zeros(graph.n_nets, np.bool_)
    own[net[graph.source[net] == graph.target]] = True
    more = np.flatnonzero((graph.source >= 0) & ~own).astype(np.int32)
    net, pin = np.concatenate([net, more]), np.concatenate([graph.target, graph.source[more]])
    order = np.argsort(net, kind="stable")
    net, pin = net[order], pin[order]
    by_pin = np.argsort(pin, kind="stable")
    place = net.astype(np.int64) * k + block[pin]
    size = graph.n_nets * k
    tables = Tables(
        run_starts(net, graph.n_nets),
        pin,
        run_starts(pin, graph.n_vertices),
        net[by_pin],
        graph.rate.astype(np.float64),
        graph.axons.astype(np.float64),
        np.bincount(pin, graph.axons[net], graph.n_vertices),
        np.bincount(place, minlength=size).astype(np.int32).reshape(-1, k),
        joined(place, pin, size).reshape(-1, k),
        np.zeros((graph.n_vertices, k)),
        np.zeros(k),
    )
    fill_company(block, tables)
    return tables, own


def build_cores(graph: Hypergraph, block: Int32s, k: int, caps: Caps) -> Cores:
    """Add up what ``block`` puts on each core; a limit that cannot be exceeded has no share."""
    amount = np.stack([graph.neurons, graph.memory], 1).astype(np.float64)
    share = amount / [caps.neurons, caps.memory]
    all_axons = graph.overhead * float(graph.axons.sum()) / caps.memory
    share[:, share.sum(0) + [0.0, all_axons] <= 1.0] = 0.0
    use = np.zeros((k, 2))
    np.add.at(use, block, share)
    return Cores(share, use, np.zeros((k, 2)))
