"""From a NIR graph to a Network: neurons become populations, the linear nodes between them projections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exchange.graph.forms import Form, Term, forms_of
from exchange.graph.linear import MAX_VALUES, Shape, step_of, who
from exchange.graph.nodes import NEURONS, Graph, Node
from exchange.graph.pooling import POOLED, with_poolings
from exchange.graph.sources import Neuron, Source, Untranslatable
from exchange.hdf5.tree import numbers
from ir.arrays import Array
from ir.check import FormatError
from ir.compose import diagonal, scale_rows
from ir.connection import Dense
from ir.graph import layered_order
from ir.layers.shapes import size_of
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, as_trained_lif
from ir.schedule import Schedule

ALWAYS_ON = "always_on"
READOUT = "readout"
MAX_DELAY = 1 << 20
"""Time steps; no chip has nearly as many."""

POPULATIONS = (*NEURONS, "Readout", "Relu", POOLED)


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
    """One translation of a graph with one framework's time step; ``pool`` as :func:`with_poolings` takes it."""

    def __init__(self, graph: Graph, source: Source, dt_s: float, pool: str | None = None) -> None:
        self.source, self.dt_s = source, dt_s
        graph = with_poolings(graph, *shapes_of(graph), POPULATIONS, pool)
        self.shapes, into = shapes_of(graph)
        self.forms = forms_of(graph, self.shapes, into)
        self.graph, self.output = self._with_readout(graph)
        self.neurons: dict[str, Neuron] = {}

    def network(self, name: str = "") -> Network:
        """The whole network."""
        order = neurons_in_order(self.graph)
        for node in order:
            self.neurons[node.name] = self._neuron(node)
        terms = [(term, node.name) for node in order for term in self._form(node.name).terms]
        projections = [self._projection(term, target) for term, target in terms]
        populations = [Population(n.name, self.shapes[n.name], self.neurons[n.name].lif) for n in order]
        inputs = tuple(Input(n.name, self.shapes[n.name]) for n in self.graph.of_kind("Input"))
        bare = Network(inputs, tuple(populations), tuple(projections), self.output, self.dt_s)
        back = {(t.source, target) for (t, target), b in zip(terms, layered_order(bare).recurrent) if b}
        self._check_recurrence(back)
        biased = self._with_biases(populations, back)
        return replace(
            bare,
            populations=tuple(biased[0]),
            projections=(*projections, *biased[1]),
            schedule=Schedule(kind="layered", F=None),
            metadata={"source": name} if name else {},
        )

    def _form(self, name: str) -> Form:
        """What reaches a population; nothing where no edge leads to it."""
        return self.forms.get(name, Form(self.shapes[name]))

    def _with_readout(self, graph: Graph) -> tuple[Graph, str]:
        """The population that the Output shows; a memoryless one before it where that is a linear map."""
        outputs = [n for n in graph.of_kind("Output") if n.name in self.forms]
        if len(outputs) != 1:
            named = ", ".join(repr(n.name) for n in outputs) or "none"
            raise FormatError(f"Outputs with an edge into them: {named}; connect exactly one population to one Output")
        form = self.forms[outputs[0].name]
        only = form.terms[0]
        kind = graph.nodes[only.source].kind
        plain = len(form.terms) == 1 and only.connection is None and not np.any(only.delay_s) and not form.biases
        if plain and kind != "Input":
            return graph, only.source
        if READOUT in graph.nodes:
            raise FormatError(f"a node is named {READOUT!r}, which this reader needs itself; rename it")
        self.shapes[READOUT], self.forms[READOUT] = form.shape or (1,), form
        before = graph.before(outputs[0].name)
        nodes = {**graph.nodes, READOUT: Node(READOUT, "Readout", {}, {})}
        return replace(graph, nodes=nodes, edges=(*graph.edges, *((a, READOUT) for a in before))), READOUT

    def _neuron(self, node: Node) -> Neuron:
        if node.kind in ("Readout", POOLED):
            pooled = LIF(0.0, 0.0, pools=True)
            return Neuron(pooled if node.kind == POOLED else self.source.readout, np.asarray(1.0), np.asarray(0.0))
        return self.source.translate(node, self.dt_s)

    def _projection(self, term: Term, target: str) -> Projection:
        n, neuron, brought = size_of(self.shapes[target]), self.neurons[target], self._form(target).n
        if brought != n:
            raise FormatError(f"{term.source!r} brings {brought} values to {target!r}, which has {n} neurons")
        connection = diagonal(np.ones(n)) if term.connection is None else term.connection
        scaled = connection if bool((neuron.gain == 1).all()) else scale_rows(connection, neuron.gain)
        return Projection(term.source, target, scaled, self._steps(term, target))

    def _steps(self, term: Term, target: str) -> Array:
        steps = np.asarray(term.delay_s) / self.dt_s
        if bool((steps > MAX_DELAY).any()):
            raise FormatError(
                f"a delay from {term.source!r} to {target!r} is {steps.max():g} steps of {self.dt_s:g} s, at most "
                f"{MAX_DELAY}; choose another --dt"
            )
        if bool((np.abs(steps - np.round(steps)) > 1e-6 * np.maximum(steps, 1)).any()):
            raise FormatError(
                f"a delay from {term.source!r} to {target!r} is no whole number of steps of {self.dt_s:g} s; "
                "choose another --dt"
            )
        return np.round(steps).astype(np.int32)

    def _check_recurrence(self, back: set[tuple[str, str]]) -> None:
        if not self.source.recurrent and back:
            pre, post = min(back)
            raise Untranslatable(
                f"{pre!r} -> {post!r} is recurrent, which this framework does not run step by step",
                "choose another --as",
            )

    def _with_biases(
        self, populations: list[Population], back: set[tuple[str, str]]
    ) -> tuple[list[Population], list[Projection]]:
        """Biases go into the neurons, of their membranes or of their currents.

        What starts one time step late comes from a neuron that fires in every time step.
        """
        done: list[Population] = []
        late: list[Projection] = []
        for p in populations:
            neuron, lif = self.neurons[p.name], as_trained_lif(p.name, p.neuron, "NIR")
            membrane, current, later = np.zeros(p.n) + neuron.bias, np.zeros(p.n), np.zeros(p.n)
            for sources, bias in self._form(p.name).biases.items():
                is_back = all((source, p.name) in back for source in sources)
                at = self.source.recurrent_bias_at if is_back else 0
                if at:
                    later = later + neuron.gain * bias
                elif lif.tau_syn_s is None:
                    membrane = membrane + neuron.gain * bias
                else:
                    current = current + neuron.gain * bias
            late += [Projection(ALWAYS_ON, p.name, Dense(later[:, None]), 1)] if later.any() else []
            found = {"bias": membrane, "bias_u": current}
            own = {name: _squeezed(x) for name, x in found.items() if x.any()}
            done.append(replace(p, neuron=replace(lif, **own)))
        if late:
            if ALWAYS_ON in self.shapes:
                raise FormatError(f"a node is named {ALWAYS_ON!r}, which this reader needs itself; rename it")
            done.append(Population(ALWAYS_ON, (1,), LIF(tau_mem_s=0.0, v_threshold=0.5, bias=1.0)))
        return done, late


def _squeezed(x: Array) -> Array:
    return x[0] if bool((x == x[0]).all()) else x


def shapes_of(graph: Graph) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """The shape of every node's result, and of what comes into each linear node that something leads to.

    A population's shape is that of its parameters where they have several axes, else of what comes in.
    """
    shapes: dict[str, Shape] = {n.name: input_shape(n) for n in graph.of_kind("Input")}
    into: dict[str, Shape] = {}
    populations = graph.of_kind(*POPULATIONS)
    shapes.update({n.name: a.shape for n in populations for a in _arrays(n)[:1] if a.ndim > 1})
    ready = list(shapes)
    for late in (None, *populations):
        if late is not None and late.name not in shapes:
            if not _arrays(late):
                continue
            shapes[late.name] = _arrays(late)[0].shape
            ready.append(late.name)
        while ready:
            name = ready.pop()
            for b in graph.after(name):
                if b in shapes:
                    continue
                node = graph.nodes[b]
                if node.kind in (*POPULATIONS, "Output"):
                    shapes[b] = shapes[name] or (1,)
                else:
                    into[b] = shapes[name]
                    shapes[b] = step_of(node, into[b]).shape
                ready.append(b)
    for n in populations:
        if n.name not in shapes:
            raise FormatError(f"the shape of {who(n)} cannot be told; nothing leads to it")
        _check_sizes(n, size_of(shapes[n.name]))
    return shapes, into


def _arrays(node: Node) -> list[Array]:
    """A neuron's parameters that say how many it has."""
    return [v for v in node.params.values() if isinstance(v, np.ndarray) and v.size > 1]


def _check_sizes(node: Node, n: int) -> None:
    for key, value in node.params.items():
        if isinstance(value, np.ndarray) and value.size not in (1, n):
            raise FormatError(f"{key} of {who(node)} has shape {value.shape} for {value.size} neurons; there are {n}")


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
