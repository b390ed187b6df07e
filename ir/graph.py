"""What follows from who connects to whom: indices, depths, the layered order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class HasShape(Protocol):
    """A named block of neurons or inputs."""

    @property
    def name(self) -> str: ...
    @property
    def n(self) -> int: ...


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
    ends = itertools.accumulate(b.n for b in blocks)
    return {b.name: slice(end - b.n, end) for b, end in zip(blocks, ends)}


def input_depths(graph: Graph) -> dict[str, int]:
    """Depth of each population: fewest hops from the input; first layer 0, unreachable 0."""
    after: dict[str, list[str]] = {}
    for e in graph.projections:
        after.setdefault(e.pre, []).append(e.post)
    depth = {i.name: -1 for i in graph.inputs}
    frontier, step = set(depth), 0
    while frontier:
        reached = {post for pre in frontier for post in after.get(pre, ()) if post not in depth}
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
    circle = _circles(len(names), [e for e in edges if e])
    recurrent = tuple(bool(e and e[1] <= e[0] and circle[e[1]] == circle[e[0]]) for e in edges)
    place = _longest_paths(len(names), [e for e, back in zip(edges, recurrent) if e and not back])
    order = sorted(range(len(names)), key=lambda i: (place[i], i))
    return LayeredOrder(tuple(names[i] for i in order), {names[i]: place[i] for i in range(len(names))}, recurrent)


def _circles(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """For each node a number that it shares with just those it can reach and is reached from, in linear time.

    Kosaraju's two searches: nodes as a depth-first search finishes them, then backwards against the edges.
    """
    after: list[list[int]] = [[] for _ in range(n)]
    before: list[list[int]] = [[] for _ in range(n)]
    for pre, post in edges:
        after[pre].append(post)
        before[post].append(pre)
    finished: list[int] = []
    seen = [False] * n
    for start in range(n):
        stack = [] if seen[start] else [(start, iter(after[start]))]
        seen[start] = True
        while stack:
            node, rest = stack[-1]
            new = next((i for i in rest if not seen[i]), None)
            if new is None:
                finished.append(stack.pop()[0])
            else:
                seen[new] = True
                stack.append((new, iter(after[new])))
    circle = [-1] * n
    for start in reversed(finished):
        reached = [start] if circle[start] < 0 else []
        while reached:
            node = reached.pop()
            circle[node] = start
            reached.extend(i for i in before[node] if circle[i] < 0)
    return circle


def _longest_paths(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Length of the longest path to each node of an acyclic graph, in linear time."""
    after: list[list[int]] = [[] for _ in range(n)]
    waits = [0] * n
    for pre, post in edges:
        after[pre].append(post)
        waits[post] += 1
    place = [0] * n
    ready = [i for i in range(n) if not waits[i]]
    while ready:
        node = ready.pop()
        for i in after[node]:
            place[i] = max(place[i], place[node] + 1)
            waits[i] -= 1
            if not waits[i]:
                ready.append(i)
    return place


def is_acyclic(graph: Graph) -> bool:
    """Whether no projection looks back."""
    return not any(layered_order(graph).recurrent)
