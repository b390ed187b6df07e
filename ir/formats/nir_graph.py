"""A NIR file as a flat graph: subgraphs opened, dotted names kept, nothing interpreted yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ir.check import FormatError
from ir.formats.hdf5 import Tree, read_tree, reading

NEURONS = ("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold")
LINEAR = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay", "Identity")
PRIMITIVES = ("Input", "Output", "NIRGraph", *NEURONS, *LINEAR[:-1])


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
        """Nodes with an edge into ``name``."""
        return [a for a, b in self.edges if b == name]

    def after(self, name: str) -> list[str]:
        """Nodes that ``name`` has an edge to."""
        return [b for a, b in self.edges if a == name]

    def of_kind(self, *kinds: str) -> list[Node]:
        """Nodes of these kinds, in file order."""
        return [n for n in self.nodes.values() if n.kind in kinds]


def read_graph(path: str | Path) -> Graph:
    """Read a ``.nir`` file of any NIR release without the ``nir`` library; nothing in it is executed.

    Raises:
        FormatError: no NIR file, damaged, cyclic subgraphs, edges to nodes that are not there.
    """
    with reading(path, "NIR") as file:
        tree = read_tree(file)
        node = tree.get("node")
        if not isinstance(node, dict) or str(node.get("type")) != "NIRGraph":
            raise FormatError("it holds no NIRGraph under 'node'; is it a .net file or a recording?")
        nodes, edges = _flatten(node, "")
        graph = Graph(nodes, edges, _subtree(node, "metadata"), str(tree.get("version", "")), _nested(node))
        _check_edges(graph)
        return graph


def _subtree(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def _nested(node: Tree) -> bool:
    return any(isinstance(n, dict) and str(n.get("type")) == "NIRGraph" for n in _subtree(node, "nodes").values())


def _flatten(tree: Tree, prefix: str) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
    """Nodes and edges of one graph, those of its subgraphs included."""
    nodes: dict[str, Node] = {}
    inner_edges: list[tuple[str, str]] = []
    doors: dict[str, dict[str, list[str]]] = {}
    for name, content in _subtree(tree, "nodes").items():
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise FormatError(f"node {prefix + name!r} has no type; write the file again with the nir library")
        kind = content["type"] if content["type"].isprintable() else repr(content["type"])
        if kind != "NIRGraph":
            params = {k: v for k, v in content.items() if k not in ("type", "metadata")}
            nodes[prefix + name] = Node(prefix + name, kind, params, _subtree(content, "metadata"))
            continue
        inside, edges = _flatten(content, f"{prefix}{name}.")
        doors[name] = {
            kind: [n for n, node in inside.items() if _is_door(n, node, f"{prefix}{name}.", kind)]
            for kind in ("Input", "Output")
        }
        nodes.update({n: _opened(node, doors[name]) for n, node in inside.items()})
        inner_edges.extend(edges)
    own = [
        (_end(a, prefix, doors, nodes, "Output"), _end(b, prefix, doors, nodes, "Input"))
        for a, b in _edges(tree, prefix)
    ]
    return nodes, tuple(dict.fromkeys([*own, *inner_edges]))


def _is_door(name: str, node: Node, prefix: str, kind: str) -> bool:
    return node.kind == kind and name.startswith(prefix)


def _opened(node: Node, doors: dict[str, list[str]]) -> Node:
    """The Input or Output of a subgraph passes on what it gets."""
    inner = node.name in doors["Input"] or node.name in doors["Output"]
    return Node(node.name, "Identity", {}, node.metadata) if inner else node


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


def _end(name: str, prefix: str, doors: dict[str, dict[str, list[str]]], nodes: dict[str, Node], side: str) -> str:
    """The flat node an edge's end stands for; a subgraph stands for its one Input or Output."""
    if name not in doors:
        return prefix + name
    if len(doors[name][side]) != 1:
        raise FormatError(
            f"subgraph {prefix + name!r} has {len(doors[name][side])} {side} nodes; an edge needs exactly one"
        )
    return doors[name][side][0]


def _check_edges(graph: Graph) -> None:
    for a, b in graph.edges:
        for end in (a, b):
            if end not in graph.nodes:
                raise FormatError(f"an edge names {end!r}, which is no node; remove the edge")
    for kind in ("Input", "Output"):
        if not graph.of_kind(kind):
            raise FormatError(f"it has no {kind} node; add one")
