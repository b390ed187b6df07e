"""From a NIR graph to a Network: neurons become populations, the linear nodes between them projections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from ir.compose import diagonal, scale_rows
from ir.connection import Dense
from ir.formats.hdf5 import numbers
from ir.formats.nir_graph import NEURONS, Graph, Node
from ir.formats.nir_linear import MAX_VALUES, Linear, Shape, bias_of, carried, follow, size_of
from ir.formats.nir_sources import Neuron, Source, Untranslatable
from ir.graph import layered_order
from ir.network import LIF, Input, Network, Population, Projection
from ir.schedule import Schedule

Array = NDArray[Any]

MAX_PATHS = 10_000
ALWAYS_ON = "always_on"
READOUT = "readout"
POPULATIONS = (*NEURONS, "Readout", "Relu")


@dataclass(frozen=True)
class Path:
    """The linear nodes between a source and a target, in order."""

    source: str
    through: tuple[str, ...]
    target: str


def paths_into(graph: Graph, target: str) -> Iterator[Path]:
    """All ways by which spikes or inputs reach ``target`` without passing another neuron."""
    stack: list[tuple[str, tuple[str, ...]]] = [(a, ()) for a in reversed(graph.before(target))]
    for _ in range(MAX_PATHS):
        if not stack:
            return
        name, through = stack.pop()
        if graph.nodes[name].kind in (*POPULATIONS, "Input"):
            yield Path(name, through, target)
            continue
        if name in through:
            raise FormatError(f"node {name!r} feeds itself without a neuron between; such a graph has no meaning")
        stack.extend((a, (name, *through)) for a in reversed(graph.before(name)))
    raise FormatError(f"more than {MAX_PATHS} paths lead to {target!r}; simplify the graph")


def hops_from_input(graph: Graph) -> dict[str, int]:
    """Fewest edges from an Input to each node."""
    after: dict[str, list[str]] = {}
    for a, b in graph.edges:
        after.setdefault(a, []).append(b)
    hops = {n.name: 0 for n in graph.of_kind("Input")}
    frontier = list(hops)
    while frontier:
        found = [b for a in frontier for b in after.get(a, ()) if b not in hops]
        hops.update({b: hops[a] + 1 for a in frontier for b in after.get(a, ()) if b not in hops})
        frontier = list(dict.fromkeys(found))
    return hops


def neurons_in_order(graph: Graph) -> list[Node]:
    """Neurons by their distance from the input, ties in file order: so frameworks step through a cycle."""
    hops = hops_from_input(graph)
    return sorted(graph.of_kind(*POPULATIONS), key=lambda n: hops.get(n.name, len(graph.nodes)))


class Lowering:
    """One translation of a graph with one framework's time step."""

    def __init__(self, graph: Graph, source: Source, dt_s: float) -> None:
        self.graph, self.source, self.dt_s = with_readout(graph), source, dt_s
        self.blocks: dict[str, Shape] = {n.name: input_shape(n) for n in self.graph.of_kind("Input")}
        self.neurons: dict[str, Neuron] = {}

    def network(self, name: str = "") -> Network:
        """The whole network."""
        order = neurons_in_order(self.graph)
        self._shapes(order)
        for node in order:
            self.neurons[node.name] = self._neuron(node)
        paths = [path for node in order for path in paths_into(self.graph, node.name)]
        projections = [self._projection(path) for path in paths]
        populations = [Population(n.name, self.blocks[n.name], self.neurons[n.name].lif) for n in order]
        inputs = tuple(Input(n.name, self.blocks[n.name]) for n in self.graph.of_kind("Input"))
        bare = Network(inputs, tuple(populations), tuple(projections), output_of(self.graph), self.dt_s)
        back = dict(zip(paths, layered_order(bare).recurrent))
        self._check_recurrence(back)
        biased = self._with_biases(populations, back)
        return replace(
            bare,
            populations=tuple(biased[0]),
            projections=(*projections, *biased[1]),
            schedule=Schedule(kind="layered", F=None),
            metadata={"source": name} if name else {},
        )

    def _neuron(self, node: Node) -> Neuron:
        if node.kind == "Readout":
            return Neuron(self.source.readout, np.asarray(1.0), np.asarray(0.0))
        return self.source.translate(node, self.dt_s)

    def _shapes(self, order: list[Node]) -> None:
        """The shape of every population, from its parameters or from what comes in."""
        waiting = list(order)
        while waiting:
            known = [n for n in waiting if self._shape_of(n) is not None]
            if not known:
                raise FormatError(
                    f"the shape of {waiting[0].kind} {waiting[0].name!r} cannot be told; nothing leads to it"
                )
            for node in known:
                self.blocks[node.name] = self._shape_of(node) or ()
            waiting = [n for n in waiting if n not in known]

    def _shape_of(self, node: Node) -> Shape | None:
        arrays = [v for v in node.params.values() if isinstance(v, np.ndarray) and v.size > 1]
        for path in paths_into(self.graph, node.name):
            if path.source in self.blocks:
                shape = self._linear(path).shape
                wrong = [a.size for a in arrays if a.size != size_of(shape)]
                if wrong:
                    who = f"{node.kind} {node.name!r}"
                    raise FormatError(f"{who} has parameters for {wrong[0]} neurons and gets {size_of(shape)} values")
                return arrays[0].shape if arrays and arrays[0].ndim > 1 else shape
        return arrays[0].shape if arrays else None

    def _linear(self, path: Path) -> Linear:
        linear = Linear(self.blocks[path.source])
        for name in path.through:
            node = self.graph.nodes[name]
            try:
                linear = follow(linear, node)
            except ValueError as error:
                raise (
                    error if isinstance(error, FormatError) else FormatError(f"{node.kind} {name!r}: {error}")
                ) from error
        return linear

    def _projection(self, path: Path) -> Projection:
        linear, neuron = self._linear(path), self.neurons[path.target]
        n = size_of(self.blocks[path.target])
        if linear.n != n:
            raise FormatError(f"{path.source!r} brings {linear.n} values to {path.target!r}, which has {n} neurons")
        connection = linear.connection or diagonal(np.ones(n))
        scaled = connection if bool((neuron.gain == 1).all()) else scale_rows(connection, neuron.gain)
        return Projection(path.source, path.target, scaled, self._steps(path, linear.delay_s))

    def _steps(self, path: Path, delay_s: Array | float) -> Array:
        steps = np.asarray(delay_s) / self.dt_s
        if bool((np.abs(steps - np.round(steps)) > 1e-6 * np.maximum(steps, 1)).any()) or bool((steps > 1 << 20).any()):
            raise FormatError(
                f"a delay from {path.source!r} to {path.target!r} is no whole number of steps of {self.dt_s:g} s; "
                "choose another --dt"
            )
        return np.round(steps).astype(np.int32)

    def _check_recurrence(self, back: dict[Path, bool]) -> None:
        if not self.source.recurrent and any(back.values()):
            first = next(p for p, b in back.items() if b)
            raise Untranslatable(
                f"{first.source!r} -> {first.target!r} is recurrent, which this framework does not run step by step",
                "choose another --as",
            )

    def _biases(self, target: str, back: dict[Path, bool]) -> Iterator[tuple[Array, bool]]:
        """Each node's bias as it reaches ``target``, once however many paths share it; whether by a recurrent edge."""
        recurrent: dict[tuple[str, ...], bool] = {}
        path_of: dict[tuple[str, ...], Path] = {}
        for path, is_back in back.items():
            if path.target == target:
                for i in range(len(path.through)):
                    suffix = path.through[i:]
                    recurrent[suffix] = recurrent.get(suffix, True) and is_back
                    path_of[suffix] = path
        for suffix, is_back in recurrent.items():
            before = self._linear(replace(path_of[suffix], through=path_of[suffix].through[: -len(suffix)]))
            after = follow(Linear(before.shape), self.graph.nodes[suffix[0]])
            bias = bias_of(self.graph.nodes[suffix[0]], after.shape)
            if bias is not None:
                rest = Linear(after.shape)
                for name in suffix[1:]:
                    rest = follow(rest, self.graph.nodes[name])
                yield carried(bias, rest), is_back

    def _with_biases(
        self, populations: list[Population], back: dict[Path, bool]
    ) -> tuple[list[Population], list[Projection]]:
        """Biases of membranes go into the neurons.

        What must pass a synaptic current, or starts late, comes from a neuron that fires in every time step.
        """
        done: list[Population] = []
        late: list[Projection] = []
        for p in populations:
            neuron = self.neurons[p.name]
            membrane, current = np.zeros(p.n) + neuron.bias, {0: np.zeros(p.n), 1: np.zeros(p.n)}
            for bias, is_back in self._biases(p.name, back):
                at = self.source.recurrent_bias_at if is_back else 0
                if at == 0 and p.neuron.tau_syn_s is None:
                    membrane = membrane + neuron.gain * bias
                else:
                    current[at] = current[at] + neuron.gain * bias
            late += [Projection(ALWAYS_ON, p.name, Dense(w[:, None]), at) for at, w in current.items() if w.any()]
            done.append(replace(p, neuron=replace(p.neuron, bias=_squeezed(membrane))) if membrane.any() else p)
        if late:
            if ALWAYS_ON in self.blocks:
                raise FormatError(f"a node is named {ALWAYS_ON!r}, which this reader needs itself; rename it")
            done.append(Population(ALWAYS_ON, (1,), LIF(tau_mem_s=0.0, v_threshold=0.5, bias=1.0)))
        return done, late


def _squeezed(x: Array) -> Array:
    return x[0] if bool((x == x[0]).all()) else x


def input_shape(node: Node) -> Shape:
    """The shape of an Input node, as 1.0.8 or older releases write it."""
    params = node.params
    inner = params.get("input_type")
    tree = {"shape": inner["input"]} if isinstance(inner, dict) and "input" in inner else params
    shape = tuple(int(x) for x in numbers(tree, "shape", f"Input {node.name!r}", "iu").reshape(-1))
    if not shape or min(shape) < 1 or size_of(shape) > MAX_VALUES:
        raise FormatError(
            f"Input {node.name!r} has shape {shape}; every side must be positive, at most {MAX_VALUES} inputs"
        )
    return shape


def output_of(graph: Graph) -> str:
    """The one population that the Output node shows."""
    outputs = graph.of_kind("Output")
    found = [p.source for node in outputs for p in paths_into(graph, node.name)]
    if len(found) != 1 or graph.nodes[found[0]].kind == "Input":
        raise FormatError(
            f"the Output shows {', '.join(map(repr, found)) or 'nothing'}; connect exactly one population to it"
        )
    return found[0]


def with_readout(graph: Graph) -> Graph:
    """The graph with a memoryless readout before the Output where that shows a linear map."""
    outputs = graph.of_kind("Output")
    last = [a for node in outputs for a in graph.before(node.name)]
    if (
        len(last) != 1
        or graph.nodes[last[0]].kind in (*POPULATIONS, "Input")
        or graph.nodes[last[0]].kind == "Identity"
    ):
        return graph
    node = Node(READOUT, "Readout", {}, {})
    edges = tuple((a, b) for a, b in graph.edges if b != outputs[0].name)
    return replace(
        graph, nodes={**graph.nodes, READOUT: node}, edges=(*edges, (last[0], READOUT), (READOUT, outputs[0].name))
    )
