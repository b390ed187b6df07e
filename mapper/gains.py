"""What every move of a vertex would gain, kept in tables: looking at a vertex is then a matter of K numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ir.arrays import Int32s
from mapper.hypergraph import Caps, Hypergraph
from mapper.refine import uniform

Array = NDArray[Any]

ENTRIES = 20_000_000  # of nets x cores, and of vertices x cores: the tables then take up to half a gigabyte
FROZEN = 14.0  # a move that costs so many heats is not drawn


class Tables(NamedTuple):
    """The pins, source among them, and what each net and vertex finds on each core.

    Attributes:
        start, pin: (E + 1,), (P,) pins of each net.
        in_start, in_net: (V + 1,), (P,) nets of each vertex.
        rate: (E,) packets.
        axons: (E,) sources behind each net.
        in_axons: (V,) sources behind all nets of v.
        pins: (E, K) how many on each core.
        sum: (E, K) their numbers added up: the number itself where only one is there.
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
    sum: Array
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


@njit(cache=True, nogil=True)
def fill_company(block, t):
    """Recount ``company`` under the present axon prices."""
    t.company[:] = 0.0
    for v in range(block.size):
        for i in range(t.in_start[v], t.in_start[v + 1]):
            e = t.in_net[i]
            for b in range(t.pins.shape[1]):
                if t.pins[e, b] > (1 if b == block[v] else 0):
                    t.company[v, b] += t.rate[e] + t.axon_price[b] * t.axons[e]


@njit(cache=True)
def shift(v, b, block, t):
    """Move vertex v to core b and bring the tables along."""
    a = block[v]
    for i in range(t.in_start[v], t.in_start[v + 1]):
        e = t.in_net[i]
        w = t.rate[e] + t.axon_price[a] * t.axons[e]
        t.pins[e, a] -= 1
        t.sum[e, a] -= v
        if t.pins[e, a] == 0:
            for j in range(t.start[e], t.start[e + 1]):
                t.company[t.pin[j], a] -= w
            t.company[v, a] += w
        elif t.pins[e, a] == 1:
            t.company[t.sum[e, a], a] -= w
        w = t.rate[e] + t.axon_price[b] * t.axons[e]
        if t.pins[e, b] == 0:
            for j in range(t.start[e], t.start[e + 1]):
                t.company[t.pin[j], b] += w
            t.company[v, b] -= w
        elif t.pins[e, b] == 1:
            t.company[t.sum[e, b], b] += w
        t.pins[e, b] += 1
        t.sum[e, b] += v
    block[v] = b


@njit(cache=True)
def toll(b, v, stiff, sign, t, cores):
    """Price of core b for vertex v: what its coming (sign 1) costs, or its going (sign -1) frees."""
    total = t.axon_price[b] * t.in_axons[v]
    for r in range(2):
        s = cores.share[v, r]
        if s > 0.0:
            total += s * max(0.0, cores.price[b, r] + stiff * (cores.use[b, r] - 1.0 + 0.5 * sign * s))
    return total


@njit(cache=True, nogil=True)
def look(n_looks, heat, stiff, block, t, cores, random, odds):
    """Draw vertices, and a core for each with weight exp(-cost / heat); return the number of moves."""
    k, moves = cores.use.shape[0], 0
    for _ in range(n_looks):
        v = min(int(uniform(random) * block.size), block.size - 1)
        a = block[v]
        own = t.company[v, a] - toll(a, v, stiff, -1.0, t, cores)
        top = -np.inf
        for b in range(k):
            if b != a:
                odds[b] = t.company[v, b] - toll(b, v, stiff, 1.0, t, cores)
                top = max(top, odds[b])
        if top - own < -FROZEN * heat:
            continue
        odds[a] = own
        top, total = max(top, own), 0.0
        for b in range(k):
            odds[b] = np.exp((odds[b] - top) / heat)
            total += odds[b]
        draw, b = uniform(random) * total, 0
        while b < k - 1 and draw >= odds[b]:
            draw -= odds[b]
            b += 1
        if b != a:
            shift(v, b, block, t)
            for r in range(2):
                cores.use[a, r] -= cores.share[v, r]
                cores.use[b, r] += cores.share[v, r]
            moves += 1
    return moves


@njit(cache=True, nogil=True)
def axons_held(source, own, t, block, held):
    """Count the input axons of each core into ``held`` (K,).

    Args:
        own: (E,) whether the source is a target, too; else it alone on a core takes no axon there.
    """
    held[:] = 0.0
    for e in range(source.size):
        for b in range(held.size):
            alone = t.pins[e, b] == 1 and not own[e] and source[e] >= 0 and block[source[e]] == b
            if t.pins[e, b] > 0 and not alone:
                held[b] += t.axons[e]


def suits(graph: Hypergraph, k: int) -> bool:
    """Whether the tables hold the network and know all that its memory depends on."""
    return graph.shared.size == 0 and max(graph.n_nets, graph.n_vertices) * k <= ENTRIES


def build_tables(graph: Hypergraph, block: Int32s, k: int) -> tuple[Tables, Array]:
    """Count everything under ``block``; also tell which sources are targets of their own nets."""
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
        _starts(net, graph.n_nets),
        pin,
        _starts(pin, graph.n_vertices),
        net[by_pin],
        graph.rate.astype(np.float64),
        graph.axons.astype(np.float64),
        np.bincount(pin, graph.axons[net], graph.n_vertices),
        np.bincount(place, minlength=size).astype(np.int32).reshape(-1, k),
        np.bincount(place, pin, size).astype(np.int64).reshape(-1, k),
        np.zeros((graph.n_vertices, k)),
        np.zeros(k),
    )
    fill_company(block, tables)
    return tables, own


def _starts(index: Array, n: int) -> Array:
    """(n + 1,) where each value's run begins in the sorted index."""
    return np.concatenate([[0], np.cumsum(np.bincount(index, minlength=n))]).astype(np.int64)


def build_cores(graph: Hypergraph, block: Int32s, k: int, caps: Caps) -> Cores:
    """Add up what ``block`` puts on each core; a limit that nobody can exceed costs nothing."""
    amount = np.stack([graph.neurons, graph.memory], 1).astype(np.float64)
    share = amount / [caps.neurons, caps.memory]
    share[:, share.sum(0) <= 1.0] = 0.0
    use = np.zeros((k, 2))
    np.add.at(use, block, share)
    return Cores(share, use, np.zeros((k, 2)))
