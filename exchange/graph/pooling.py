"""Max poolings of a graph as neurons of their own; those on currents behind their neurons, where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from exchange.graph.linear import Shape, sees_several, step_of, who
from exchange.graph.nodes import Graph, Node
from exchange.graph.through import through
from ir.arrays import Array
from ir.check import FormatError, check_choice
from ir.layers.shapes import size_of

POOLED = "MaxPooled"
"""The kind of the neurons behind a window."""

PASSING = ("Identity", "Flatten", "Reshape")
"""What may stand between a max pooling and its neurons, and goes behind them with it."""


def with_poolings(
    graph: Graph, shapes: Mapping[str, Shape], into: Mapping[str, Shape], neurons: tuple[str, ...], pool: str | None
) -> Graph:
    """Give every max pooling that sees several values a window and neurons behind it.

    A largest value commutes with ReLU: before one, a pooling goes behind it unasked.

    Args:
        shapes: of every node's result; ``into``: of what comes into each linear node.
        neurons: kinds of nodes that spike.
        pool: ``after`` moves those that stand before neurons behind them.

    Raises:
        FormatError: one stands on currents and is not moved.
    """
    check_choice("pool", pool, (None, "after"))
    found = [n for name, n in graph.nodes.items() if n.kind.startswith("MaxPool") and name in into]
    for node in (n for n in found if sees_several(n, into[n.name])):
        if not _on_spikes(graph, node, shapes, into, neurons):
            graph = _behind(graph, node, neurons, pool)
        graph = _apart(graph, node)
    return graph


def _apart(graph: Graph, node: Node) -> Graph:
    """The window as a linear node, and neurons under the pooling's own name."""
    window = f"{node.name} (window)"
    while window in graph.nodes:
        window += "_"
    nodes = {**graph.nodes, window: replace(node, name=window), node.name: Node(node.name, POOLED, {}, {})}
    edges = [(a, window if b == node.name else b) for a, b in graph.edges]
    return replace(graph, nodes=nodes, edges=(*edges, (window, node.name)))


def _behind(graph: Graph, node: Node, neurons: tuple[str, ...], pool: str | None) -> Graph:
    """The graph with a max pooling, and what only passes values on after it, behind the neurons that follow."""
    last = node.name
    while True:
        after = graph.after(last)
        following = graph.nodes[after[0]] if len(after) == 1 else None
        if following is None or following.kind not in PASSING:
            break
        last = following.name
    found = following is not None and following.kind in neurons and graph.before(following.name) == [last]
    if following is None or not found or (pool != "after" and following.kind != "Relu"):
        way = (
            "" if pool == "after" or not found else "pool 'after' puts it behind its neurons (another network: train it"
        )
        raise FormatError(
            f"{who(node)} before its neurons takes the largest of currents, which has no asynchronous meaning; "
            f"{f'{way} further), or ' if way else 'put it right behind neurons, or '}use an average or sum pooling"
        )
    name = following.name
    moved = {(last, name): None}
    edges: list[tuple[str, str]] = []
    for a, b in graph.edges:
        if (a, b) in moved:
            edges.append((name, node.name))
        elif b == node.name:
            edges.append((a, name))
        else:
            edges.append((last if a == name else a, b))
    return replace(graph, edges=tuple(edges))


def _on_spikes(
    graph: Graph, node: Node, shapes: Mapping[str, Shape], into: Mapping[str, Shape], neurons: tuple[str, ...]
) -> bool:
    """Whether what comes in are spikes, each on its own: no weights, no sums, no biases."""
    brought = [_spikes(graph, a, shapes, into, neurons, 0) for a in graph.before(node.name)]
    there = [x for x in brought if x is not None]
    return len(there) == len(brought) > 0 and bool((np.sum(there, 0) <= 1).all())


def _spikes(
    graph: Graph, name: str, shapes: Mapping[str, Shape], into: Mapping[str, Shape], neurons: tuple[str, ...], hops: int
) -> Array | None:
    """(n,) 1 where a value may be a spike, 0 where it is always 0; None where values are something else."""
    node = graph.nodes[name]
    if node.kind in (*neurons, POOLED, "Input") or (node.kind.startswith("MaxPool") and name in into):
        return np.ones(size_of(shapes[name]))
    if name not in into or hops > len(graph.nodes):
        return None
    step = step_of(node, into[name])
    c = step.connection
    if step.bias is not None or step.scale is not None or (c is not None and not _ones(c.weight)):
        return None
    brought = [_spikes(graph, a, shapes, into, neurons, hops + 1) for a in graph.before(name)]
    total = np.zeros(size_of(into[name]))
    for x in brought:
        if x is None:
            return None
        total = total + x
    total = total if c is None else through(c, total)
    return total if bool((total <= 1).all()) else None


def _ones(weight: Array) -> bool:
    return bool(((weight == 0) | (weight == 1)).all())
