"""Who reaches whom: connections written out synapse by synapse, depths, cycles, places in the layered order."""

from __future__ import annotations

from dataclasses import dataclass

from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.quantized import QuantizedNetwork

Synapses = list[list[tuple[int, int]]]
"""For each source its (target, weight) pairs."""


def write_out(connection: Connection) -> Synapses:
    """Every synapse of a connection, as ``torch`` defines dense layers and convolutions."""
    if isinstance(connection, Dense):
        return _dense(connection)
    if isinstance(connection, Conv2d):
        return _convolution(connection)
    return _sparse(connection)


def _dense(c: Dense) -> Synapses:
    rows = c.weight.tolist()
    return [[(post, row[pre]) for post, row in enumerate(rows)] for pre in range(len(rows[0]))]


def _sparse(c: Sparse) -> Synapses:
    """Rows are targets; a source that a row names twice has two synapses."""
    found: Synapses = [[] for _ in range(c.n_pre)]
    starts, sources, weights = c.indptr.tolist(), c.indices.tolist(), c.weight.tolist()
    for post in range(len(starts) - 1):
        for at in range(starts[post], starts[post + 1]):
            found[sources[at]].append((post, weights[at]))
    return found


def _convolution(c: Conv2d) -> Synapses:
    """out[o, y, x] = sum over i, a, b of weight[o, i, a, b] * in[channel(o, i), row(y, a), column(x, b)]."""
    channels, height, width = c.in_shape
    kernels = c.weight.tolist()
    n_out, n_in = len(kernels), len(kernels[0])
    kernel_h, kernel_w = len(kernels[0][0]), len(kernels[0][0][0])
    out_h = (height + 2 * c.padding[0] - c.dilation[0] * (kernel_h - 1) - 1) // c.stride[0] + 1
    out_w = (width + 2 * c.padding[1] - c.dilation[1] * (kernel_w - 1) - 1) // c.stride[1] + 1
    found: Synapses = [[] for _ in range(channels * height * width)]
    for o in range(n_out):
        first_channel = o // (n_out // c.groups) * n_in
        for y in range(out_h):
            for x in range(out_w):
                post = (o * out_h + y) * out_w + x
                for i in range(n_in):
                    for a in range(kernel_h):
                        row = y * c.stride[0] - c.padding[0] + a * c.dilation[0]
                        for b in range(kernel_w):
                            column = x * c.stride[1] - c.padding[1] + b * c.dilation[1]
                            if 0 <= row < height and 0 <= column < width:
                                pre = ((first_channel + i) * height + row) * width + column
                                found[pre].append((post, kernels[o][i][a][b]))
    return found


def depths(network: QuantizedNetwork) -> dict[str, int]:
    """Fewest hops from any input to each population: first layer 0, unreachable 0."""
    found: dict[str, int] = {}
    reached = {block.name for block in network.inputs}
    hops = 0
    while reached:
        reached = {p.post for p in network.projections if p.pre in reached} - set(found)
        found.update(dict.fromkeys(reached, hops))
        hops += 1
    return {p.name: found.get(p.name, 0) for p in network.populations}


def _reachable(network: QuantizedNetwork, start: str) -> set[str]:
    """Every population that one or more projections lead to from ``start``."""
    found: set[str] = set()
    fresh = {start}
    while fresh:
        fresh = {p.post for p in network.projections if p.pre in fresh} - found
        found |= fresh
    return found


@dataclass(frozen=True)
class Wiring:
    """What the layered schedule and the refusals need.

    Attributes:
        looks_back: for each projection, whether it delivers the spikes of the time step before.
        place: the longest path to each population over the projections that do not look back.
        has_cycle: whether any population reaches itself.
    """

    looks_back: list[bool]
    place: dict[str, int]
    has_cycle: bool


def wiring(network: QuantizedNetwork) -> Wiring:
    """Of the edges on a cycle, those into a population declared no later than their source look back."""
    declared = {p.name: i for i, p in enumerate(network.populations)}
    reach = {name: _reachable(network, name) for name in declared}
    looks_back = [
        p.pre in declared and p.pre in reach[p.post] and declared[p.post] <= declared[p.pre]
        for p in network.projections
    ]
    ahead = [p for p, back in zip(network.projections, looks_back) if not back and p.pre in declared]
    place = dict.fromkeys(declared, 0)
    for _ in declared:  # a longest path has at most as many hops as there are populations
        for p in ahead:
            place[p.post] = max(place[p.post], place[p.pre] + 1)
    return Wiring(looks_back, place, any(name in found for name, found in reach.items()))
