"""What follows from who connects to whom: indices, depths, the layered order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class HasShape(Protocol):
    """A named block of neurons or inputs."""

    @property
    def name(self) -> str: ...
    @property
    def n(self) -> int: ...


class Edge(Protocol):
    """A projection, by the names of its ends."""

    @property
    def pre(self) -> str: ...
    @property
    def post(self) -> str: ...


class Graph(Protocol):
    """What every network stage offers."""

    @property
    def inputs(self) -> Sequence[HasShape]: ...
    @property
    def populations(self) -> Sequence[HasShape]: ...
    @property
    def projections(self) -> Sequence[Any]: ...


def slices(blocks: Sequence[HasShape]) -> dict[str, slice]:
    """Where each block lies in the global index, in declaration order."""
    ends = np.cumsum([0, *(b.n for b in blocks)])
    return {b.name: slice(int(a), int(z)) for b, a, z in zip(blocks, ends[:-1], ends[1:])}


def input_depths(graph: Graph) -> dict[str, int]:
    """Depth of each population: fewest hops from the input; first layer 0, unreachable 0."""
    depth = {i.name: -1 for i in graph.inputs}
    frontier, step = set(depth), 0
    while frontier:
        reached = {e.post for e in graph.projections if e.pre in frontier and e.post not in depth}
        depth.update({name: step for name in reached})
        frontier, step = reached, step + 1
    return {p.name: depth.get(p.name, 0) for p in graph.populations}


def senders(graph: Graph) -> frozenset[str]:
    """Inputs and populations with a projection, whatever its weights: what they send is on its way to a neuron."""
    return frozenset(e.pre for e in graph.projections)


@dataclass(frozen=True)
class LayeredOrder:
    """The layered schedule of a graph.

    Attributes:
        order: population names, each after everything it sees in the same time step.
        place: of each population its depth by longest path; in a trace, k.
        recurrent: for each projection, whether it delivers the spikes of t - 1.
    """

    order: tuple[str, ...]
    place: dict[str, int]
    recurrent: tuple[bool, ...]

    @property
    def n_places(self) -> int:
        return 1 + max(self.place.values())


def layered_order(graph: Graph) -> LayeredOrder:
    """Order the populations; inside a cycle the declaration order decides which edges look back."""
    names = [p.name for p in graph.populations]
    index = {name: i for i, name in enumerate(names)}
    edges = [(index[e.pre], index[e.post]) if e.pre in index else None for e in graph.projections]
    reach = _reachability(len(names), [e for e in edges if e])
    recurrent = tuple(bool(e and e[1] <= e[0] and reach[e[1], e[0]]) for e in edges)
    ahead = [e for e, back in zip(edges, recurrent) if e and not back]
    place = [0] * len(names)
    for _ in names:
        for pre, post in ahead:
            place[post] = max(place[post], place[pre] + 1)
    order = sorted(range(len(names)), key=lambda i: (place[i], i))
    return LayeredOrder(tuple(names[i] for i in order), {names[i]: place[i] for i in range(len(names))}, recurrent)


def _reachability(n: int, edges: Sequence[tuple[int, int]]) -> Any:
    reach = np.eye(n, dtype=bool)
    for pre, post in edges:
        reach[pre, post] = True
    for via in range(n):
        reach |= reach[:, via : via + 1] & reach[via : via + 1, :]
    return reach


def is_acyclic(graph: Graph) -> bool:
    """Whether no projection looks back."""
    return not any(layered_order(graph).recurrent)
