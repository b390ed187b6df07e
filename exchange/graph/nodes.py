"""A NIR file as a flat graph: subgraphs opened, dotted names kept, nothing interpreted yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from exchange.graph.keys import FILE, GRAPH
from exchange.hdf5.tree import Tree, check_keys, reading
from ir.check import FormatError

NEURONS = ("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold")
LINEAR = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay", "Identity")


@dataclass(frozen=True)
class Node:
    """One primitive: its name in the flat graph, its NIR type, its parameters as the file holds them."""

    name: str
    kind: str
    params: Tree
    metadata: Tree


@dataclass(frozen=True)
class Graph:
    """Nodes and edges in file order; nodes of subgraphs are named ``subgraph.node``.

    Attributes:
        metadata: what stands at the outermost graph.
        version: the NIR release that wrote the file.
        nested: whether there were subgraphs.
    """

    nodes: dict[str, Node]
    edges: tuple[tuple[str, str], ...]
    metadata: Tree = field(default_factory=dict)
    version: str = ""
    nested: bool = False

    def before(self, name: str) -> list[str]:
        """Nodes with an edge into ``name``; twice where there are two edges."""
        return self._neighbours[0].get(name, [])

    def after(self, name: str) -> list[str]:
        """Nodes that ``name`` has an edge to; twice where there are two edges."""
        return self._neighbours[1].get(name, [])

    @cached_property
    def _neighbours(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        before: dict[str, list[str]] = {}
        after: dict[str, list[str]] = {}
        for a, b in self.edges:
            before.setdefault(b, []).append(a)
            after.setdefault(a, []).append(b)
        return before, after

    def of_kind(self, *kinds: str) -> list[Node]:
        """Nodes of these kinds, in file order."""
        return [n for n in self.nodes.values() if n.kind in kinds]


def read_graph(path: str | Path) -> Graph:
    """Read a ``.nir`` file of any NIR release without the ``nir`` library; nothing in it is executed.

    Raises:
        FormatError: no NIR file, damaged, cyclic subgraphs, edges to nodes that are not there.
    """
    with reading(path, "NIR") as tree:
        node = tree.get("node")
        if not isinstance(node, dict) or str(node.get("type")) != "NIRGraph":
            raise FormatError("it holds no NIRGraph under 'node'; is it a .net file or a recording?")
        check_keys(tree, FILE, "it")
        level = _flatten(node, "")
        edges = tuple(dict.fromkeys(level.edges))  # an edge said twice is one; nir from 1.0.8 on refuses it
        nodes, edges = _without_unused(_passing(level.nodes, edges), edges)
        graph = Graph(nodes, edges, _subtree(node, "metadata"), str(tree.get("version", "")), _nested(node))
        _check_ends(graph)
        return graph


def _subtree(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def _nested(node: Tree) -> bool:
    return any(isinstance(n, dict) and str(n.get("type")) == "NIRGraph" for n in _subtree(node, "nodes").values())


@dataclass(frozen=True)
class _Doors:
    """A subgraph as an edge's end: the Input and Output nodes that stand for it."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def one(self, side: str) -> str:
        """The node an edge into (``Input``) or out of (``Output``) the subgraph ends at."""
        found = self.inputs if side == "Input" else self.outputs
        if len(found) != 1:
            raise FormatError(f"subgraph {self.name!r} has {len(found)} {side} nodes; an edge needs exactly one")
        return found[0]


@dataclass
class _Level:
    """One graph of the file while it is flattened.

    Attributes:
        ends: what its edges may name, a node of a subgraph as ``subgraph.node``.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, str | _Doors] = field(default_factory=dict)


def _flatten(tree: Tree, prefix: str) -> _Level:
    """Nodes and edges of one graph, those of its subgraphs included."""
    level = _Level()
    check_keys(tree, GRAPH, f"graph {prefix.rstrip('.') or 'node'!r}")
    keys = _subtree(tree, "nodes")
    for key, content in keys.items():
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise FormatError(f"node {prefix + key!r} has no type; write the file again with the nir library")
        bare = _bare(key, prefix)
        name = key if bare in keys or bare in level.ends else bare
        if content["type"] == "NIRGraph":
            _open(level, name, _flatten(content, f"{prefix}{name}."), prefix)
        else:
            _put(level, _node(prefix + name, content))
            level.ends[name] = prefix + name
    for a, b in _edges(tree, prefix):
        level.edges.append((_end(a, prefix, level.ends, "Output"), _end(b, prefix, level.ends, "Input")))
    return level


def _node(name: str, content: Tree) -> Node:
    kind = content["type"] if content["type"].isprintable() else repr(content["type"])
    params = {k: v for k, v in content.items() if k not in ("type", "metadata")}
    return Node(name, kind, params, _subtree(content, "metadata"))


def _open(level: _Level, name: str, inside: _Level, prefix: str) -> None:
    """Put a subgraph's nodes and edges into the graph around it; its Inputs and Outputs pass on what they get."""
    led = {b for _, b in inside.edges}
    leading = {a for a, _ in inside.edges}
    inputs = tuple(n for n, node in inside.nodes.items() if node.kind == "Input" and n not in led)
    outputs = tuple(n for n, node in inside.nodes.items() if node.kind == "Output" and n not in leading)
    for n, node in inside.nodes.items():
        _put(level, Node(n, "Identity", {}, node.metadata) if node.kind in ("Input", "Output") else node)
    level.edges.extend(inside.edges)
    level.ends[name] = _Doors(prefix + name, inputs, outputs)
    level.ends.update({f"{name}.{key}": end for key, end in inside.ends.items()})


def _put(level: _Level, node: Node) -> None:
    if node.name in level.nodes:
        raise FormatError(f"two nodes are named {node.name!r} once its subgraphs are opened; rename one")
    level.nodes[node.name] = node


def _bare(name: str, prefix: str) -> str:
    """A name without the names of the graphs around it: some writers repeat them inside a subgraph."""
    for repeated in (prefix, f"{prefix.rstrip('.').rpartition('.')[2]}."):
        if prefix and name.startswith(repeated) and len(name) > len(repeated):
            return name[len(repeated) :]
    return name


def _edges(tree: Tree, prefix: str) -> list[tuple[str, str]]:
    edges: Any = tree.get("edges")
    who = f"graph {prefix.rstrip('.') or 'node'!r}"
    if isinstance(edges, np.ndarray) and edges.size == 0:
        return []
    if not isinstance(edges, np.ndarray) or edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind != "O":
        raise FormatError(
            f"the edges of {who} are no list of pairs of names; write the file again with the nir library"
        )
    return [(str(a), str(b)) for a, b in edges]


def _end(name: str, prefix: str, ends: dict[str, str | _Doors], side: str) -> str:
    """The flat node an edge's end stands for; a subgraph stands for its one Input or Output."""
    bare = _bare(name, prefix)
    end = ends.get(name, ends.get(bare))
    if end is None:  # inside a subgraph whose nodes repeat its name
        first, _, rest = bare.partition(".")
        end = ends.get(f"{first}.{_bare(rest, f'{first}.')}")
    if end is None:
        raise FormatError(f"an edge names {prefix + name!r}, which is no node; remove the edge")
    return end.one(side) if isinstance(end, _Doors) else end


def _passing(nodes: dict[str, Node], edges: tuple[tuple[str, str], ...]) -> dict[str, Node]:
    """Inputs that something leads into and Outputs that lead on (subgraphs flattened by their writer) pass on."""
    inner = {b for _, b in edges if nodes[b].kind == "Input"} | {a for a, _ in edges if nodes[a].kind == "Output"}
    return {n: Node(n, "Identity", {}, node.metadata) if n in inner else node for n, node in nodes.items()}


def _without_unused(
    nodes: dict[str, Node], edges: tuple[tuple[str, str], ...]
) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
    """Without the doors of subgraphs that no edge uses: some writers go past them to the nodes inside."""
    graph = Graph(nodes, edges)
    waits = {name: len(graph.before(name)) for name, node in nodes.items() if node.kind == "Identity"}
    unused = [name for name, count in waits.items() if not count]
    for name in unused:
        for b in graph.after(name):
            if b in waits:
                waits[b] -= 1
                unused += [b] if not waits[b] else []
    gone = set(unused)
    return {n: node for n, node in nodes.items() if n not in gone}, tuple(e for e in edges if e[0] not in gone)


def _check_ends(graph: Graph) -> None:
    for kind in ("Input", "Output"):
        if not graph.of_kind(kind):
            raise FormatError(f"it has no {kind} node; add one")
