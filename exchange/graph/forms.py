"""What reaches each neuron of a NIR graph: a sum of weighted sources and a bias, each linear node visited once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from exchange.graph.linear import Shape, Step, step_of, who
from exchange.graph.nodes import Graph, Node
from exchange.graph.through import through
from ir.arrays import Array
from ir.check import FormatError
from ir.compose import added, compose, diagonal, scale_rows, summed
from ir.connection import Connection, Conv2d, Sparse
from ir.layers.shapes import size_of

MAX_PARALLEL = 4
"""Maps from one source that stay apart (a residual beside its convolutions); more are written out as one."""

MAX_TERMS = 100_000
"""Of a whole graph: sums of sums of many sources need a projection from each."""


MAX_WEIGHTS = 1 << 21
"""Of a whole graph where its own weights are few: linear layers in a row are written out as one."""


MAX_WORK = 1 << 29
"""Numbers formed while linear layers in a row are written out as one: a few seconds."""


@dataclass(frozen=True)
class Term:
    """``W s(t - delay)`` of one source.

    Attributes:
        connection: W; None = identity.
        delay_s: seconds, () or one a value of the source.
    """

    source: str
    connection: Connection | None = None
    delay_s: Array | float = 0.0


@dataclass(frozen=True)
class Form:
    """A value of the graph as a sum of terms and biases.

    Attributes:
        biases: (n,) each, by the sources of the value a bias was added to: a framework delays it with them.
    """

    shape: Shape
    terms: tuple[Term, ...] = ()
    biases: Mapping[frozenset[str], Array] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return size_of(self.shape)

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(t.source for t in self.terms)


def forms_of(graph: Graph, shapes: Mapping[str, Shape], into: Mapping[str, Shape]) -> dict[str, Form]:
    """For each node that is no linear one (neurons, outputs): what reaches it.

    Args:
        shapes: of every node's result.
        into: the shape of what comes into every linear node that something leads to.

    Raises:
        FormatError: linear nodes in a circle, or sums too long to write out.
    """
    found: dict[str, Form] = {}
    made: dict[str, Form] = {name: Form(shape, (Term(name),)) for name, shape in shapes.items() if name not in into}
    uses = {name: len(graph.after(name)) for name in graph.nodes}
    terms = own = kept = work = 0
    for name in _in_order(graph, into):
        form = _joined(graph, graph.nodes[name], made, shapes)
        terms += len(form.terms)
        if terms > MAX_TERMS:
            raise FormatError(f"{name!r} sums up so many sources that over {MAX_TERMS} maps result; simplify the graph")
        if name in into:
            step = step_of(graph.nodes[name], into[name])
            own += _size(step.connection)
            work += _work(form, step)
            if work > MAX_WORK:
                raise FormatError(
                    f"its linear nodes up to {name!r} take over {MAX_WORK} steps to write out; simplify the graph"
                )
            made[name] = _applied(graph.nodes[name], form, step)
        else:
            found[name] = form
            kept += sum(form.n if t.connection is None else _size(t.connection) for t in form.terms)
            _check_size(name, kept, own)
        for a in graph.before(name):
            uses[a] -= 1
            if not uses[a] and a in into:
                del made[a]
    return found


def _size(c: Connection | None) -> int:
    return 0 if c is None else int(c.weight.size)


def _work(form: Form, step: Step) -> int:
    """About how many numbers are formed when a form passes a linear node."""
    c = step.connection
    each = int(np.prod(c.weight.shape[1:])) if isinstance(c, Conv2d) else 1
    through = 0 if c is None else c.n_post * each // 8 if isinstance(c, Conv2d) else _size(c)
    scaled = sum(_scaling(t.connection, form.n) for t in form.terms)
    biases = len(form.biases) + (step.bias is not None)
    return biases * (through + 4 * step.n) + (scaled if step.scale is not None else 0)


def _scaling(c: Connection | None, n: int) -> int:
    """A sparse map is written anew with its places, others with their weights alone."""
    return 16 * n if c is None else (16 if isinstance(c, Sparse) else 4) * _size(c)


def _check_size(name: str, kept: int, own: int) -> None:
    if kept > max(MAX_WEIGHTS, 4 * own):
        raise FormatError(
            f"the maps into {name!r} and before take {kept} weights written out, the graph's own {own}; "
            "put neurons between its linear layers"
        )


def _in_order(graph: Graph, into: Mapping[str, Shape]) -> Iterable[str]:
    """Linear nodes and their ends, each after all linear nodes before it."""
    waits = {name: sum(a in into for a in graph.before(name)) for name in graph.nodes if graph.before(name)}
    ready = [name for name, count in waits.items() if not count]
    done = 0
    while ready:
        name = ready.pop()
        done += 1
        yield name
        for b in graph.after(name) if name in into else ():
            waits[b] -= 1
            if not waits[b]:
                ready.append(b)
    if done < len(waits):
        raise FormatError(
            f"node {_on_circle(graph, waits)!r} feeds itself without a neuron between; such a graph has no meaning"
        )


def _on_circle(graph: Graph, waits: Mapping[str, int]) -> str:
    """One node of a circle of linear nodes: what still waits has one before it that waits."""
    name, seen = next(n for n, count in waits.items() if count), set[str]()
    while name not in seen:
        seen.add(name)
        name = next(a for a in graph.before(name) if waits.get(a))
    return name


def _joined(graph: Graph, node: Node, made: Mapping[str, Form], shapes: Mapping[str, Shape]) -> Form:
    """The sum of all that leads into a node; an edge that is there twice counts twice."""
    before = graph.before(node.name)
    for a in before:
        if a not in made:
            here = who(graph.nodes[a])
            raise FormatError(f"nothing leads to {here}, which leads to {node.name!r}; connect or remove it")
    first = made[before[0]]
    for a in before[1:]:
        if made[a].n != first.n:
            raise FormatError(
                f"{before[0]!r} brings {first.n} values to {node.name!r}, {a!r} brings {made[a].n}; sizes must agree"
            )
    if len(before) == 1:
        return first
    biases: dict[frozenset[str], Array] = {}
    for a in before:
        for sources, bias in made[a].biases.items():
            biases[sources] = biases[sources] + bias if sources in biases else bias
    return Form(first.shape, _merged((t for a in before for t in made[a].terms), first.n), biases)


def _merged(terms: Iterable[Term], n: int) -> tuple[Term, ...]:
    """Terms of one source and delay as one map where their geometry is the same, or where they are too many."""
    kept: dict[tuple[str, bytes], list[Connection | None]] = {}
    example: dict[tuple[str, bytes], Term] = {}
    for t in terms:
        key = (t.source, np.asarray(t.delay_s, np.float64).tobytes())
        example.setdefault(key, t)
        _put(kept.setdefault(key, []), t.connection, n)
    return tuple(Term(key[0], c, example[key].delay_s) for key, found in kept.items() for c in found)


def _put(kept: list[Connection | None], new: Connection | None, n: int) -> None:
    """Add a map to parallel ones."""
    for i, old in enumerate(kept):
        one = added(_written(old, n), _written(new, n))
        if one is not None:
            kept[i] = one
            return
    kept.append(new)
    if len(kept) > MAX_PARALLEL:
        whole = _written(kept[0], n)
        for other in kept[1:]:
            whole = summed(whole, _written(other, n))
        kept[:] = [whole]


def _written(c: Connection | None, n: int) -> Connection:
    return diagonal(np.ones(n)) if c is None else c


def _applied(node: Node, form: Form, step: Step) -> Form:
    """A form after one more linear node."""
    try:
        terms = _merged((_followed(node, t, step) for t in form.terms), step.n)
    except ValueError as error:
        raise error if isinstance(error, FormatError) else FormatError(f"{who(node)}: {error}") from error
    biases = {sources: carried(bias, step) for sources, bias in form.biases.items()}
    if step.bias is not None:
        here = form.sources
        biases[here] = biases[here] + step.bias if here in biases else step.bias
    return Form(step.shape, terms, biases)


def _followed(node: Node, term: Term, step: Step) -> Term:
    c = term.connection
    if step.connection is not None:
        c = step.connection if c is None else compose(c, step.connection)
    if step.scale is not None:
        scale = step.scale
        c = diagonal(np.broadcast_to(scale, (step.n,))) if c is None else scale_rows(c, scale)
    if c is not None and np.ndim(step.delay_s):
        raise FormatError(f"{who(node)} delays each value differently after a linear map; put it before the map")
    return Term(term.source, c, term.delay_s + step.delay_s)


def carried(bias: Array, step: Step) -> Array:
    """A bias after one more linear node."""
    bias = bias if step.connection is None else through(step.connection, bias)
    return bias if step.scale is None else bias * step.scale
