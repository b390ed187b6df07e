"""An ONNX graph while it is read node by node: known constants, and which graph node makes what depends on the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
import onnx

from exchange.graph.linear import Shape, step_of
from exchange.graph.nodes import Node
from exchange.onnx.attributes import Attributes
from exchange.onnx.fold import Folding
from exchange.onnx.model import Beside
from ir.arrays import Array
from ir.check import FormatError
from ir.layers.shapes import size_of

MAX_MAP = 1 << 21
"""Most synapses of a value that is taken apart or written out one by one."""


@dataclass(frozen=True)
class Value:
    """What depends on the data.

    Attributes:
        node: the graph node that makes it.
        shape: of one sample.
        whole: whether it is of an integer type, which only a Cast turns into numbers that are computed with.
    """

    node: str
    shape: Shape
    whole: bool = False

    @property
    def n(self) -> int:
        return size_of(self.shape)


Known = Union[Value, Array]


@dataclass
class Walk:
    """What is known while the nodes are read one after the other.

    Attributes:
        constants: values that do not depend on the data, as far as they were needed.
        stored: initializers that were not needed yet.
        allowed: weights that layers may still hold: nodes that share a few stored ones must not fill the memory.
        values: those that do.
        lead: how many axes of every value are the batch: 1, or 0 where the model takes one-dimensional input.
        batch: the samples the model was written for; 1 where the file leaves it open.
        is_open: whether the file leaves the number of samples open.
        one_more: constants that are computed from the number of samples, as they are for one sample more.
        unread: outputs of nodes that were read that have no counterpart, and whose they are.
        nodes, edges: the graph so far; a value that is used twice has two edges.
        broken: values behind a node that cannot be read.
        problems: nodes that cannot be read, by name, with reason and remedy.
        kinds: the operators that were looked at, by name.
    """

    stored: dict[str, Callable[[], Array]]
    beside: Beside
    folding: Folding
    allowed: int = 1 << 24
    lead: int = 1
    batch: int = 1
    is_open: bool = False
    one_more: dict[str, Array] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    weights: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def known(self, name: str) -> Known | None:
        """A value by its name; None for an input that is left out."""
        if not name:
            return None
        if name in self.values:
            return self.values[name]
        if name not in self.constants:
            if name in self.unread:
                raise FormatError(f"its input {name!r} is a further output of {self.unread[name]}, which is not read")
            if name not in self.stored:
                raise FormatError(f"its input {name!r} is made by no node before it")
            self.constants[name] = self.stored[name]()
            self.allowed += 4 * self.constants[name].size
            self.folding.room += 16 * self.constants[name].size
        return self.constants[name]

    def fresh(self, name: str) -> str:
        """A name that no node of the graph has yet."""
        for table in (self.nodes, self.kinds):
            if name in table:
                name = f"{name}_{len(table)}"
        while name in self.nodes or name in self.kinds:
            name += "_"
        return name

    def put(self, name: str, kind: str, params: dict[str, Any], sources: Iterable[Value]) -> Value:
        """One more node of the graph; all ``sources`` lead to it."""
        sources = list(sources)
        if isinstance(params.get("weight"), np.ndarray):
            self.allowed -= params["weight"].size
            if self.allowed < 0:
                raise FormatError("many layers that share their weights take too many numbers written out")
        node = Node(name if name not in self.nodes else self.fresh(f"{name} {kind}"), kind, params, {})
        shape = sources[0].shape if kind == "Relu" else step_of(node, sources[0].shape).shape
        self.nodes[node.name] = node
        self.edges.extend((s.node, node.name) for s in sources)
        return Value(node.name, shape)

    def floats(self, x: Array) -> Array:
        """A constant in float64, converted once however many nodes share it."""
        x = np.asarray(x)
        key = id(x)
        if key not in self.weights:
            self.weights[key] = (x, x.astype(np.float64))
        return self.weights[key][1]


class Op:
    """One node of the file with its inputs.

    Attributes:
        name: unique among the nodes that were read.
        inputs: None where one is left out.
        n_outputs: how many the node declares.
        one_more: the result for one sample more, where it is a constant computed from their number.
    """

    def __init__(self, walk: Walk, name: str, node: onnx.NodeProto, inputs: list[Known | None]) -> None:
        self.walk, self.name, self.kind, self.inputs = walk, name, node.op_type, inputs
        self.one_more: Array | None = None
        self._names = list(node.input)
        self.given = Attributes(node, walk.beside)
        self.n_outputs = len(node.output)

    def has(self, i: int) -> bool:
        """Whether input i is there."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def value(self, i: int = 0) -> Value:
        """Input i, which must depend on the data."""
        x = self.inputs[i] if self.has(i) else None
        if not isinstance(x, Value):
            found = "missing" if x is None else "a constant"
            raise FormatError(f"its input {i} is {found}; it must come from the data")
        if x.whole and self.kind != "Cast":
            raise FormatError("it computes with whole numbers of the data; cast the input to float")
        return x

    def constant(self, i: int) -> Array:
        """Input i, which must not depend on the data; finite."""
        x = self.limit(i)
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise FormatError(f"input {i} holds {x[~np.isfinite(x)][0]}; every value must be finite")
        return x

    def limit(self, i: int, batch_first: bool = False) -> Array:
        """Constant input i, infinite where it likes; for any number of samples the same.

        Args:
            batch_first: its first number may be that of the samples.
        """
        if not self.has(i):
            raise FormatError(f"input {i} is missing")
        x = self.inputs[i]
        if isinstance(x, Value) or x is None:
            raise FormatError(f"input {i} is computed from the data; only fixed weights and shapes are read")
        other = self.walk.one_more.get(self._names[i])
        if other is not None and not _alone(x, other, self.walk.batch if batch_first else None):
            raise FormatError(f"input {i} is computed from the number of samples; each must count alone")
        return x

    def floats(self, i: int) -> Array:
        """Constant input i in float64."""
        return self.walk.floats(self.constant(i))

    def whole(self, i: int, batch_first: bool = False) -> list[int]:
        """Constant input i as whole numbers."""
        x = self.limit(i, batch_first)
        if x.dtype.kind not in "iu":
            raise FormatError(f"input {i} holds numbers of type {x.dtype}; it must hold whole ones")
        return [int(v) for v in x.reshape(-1)]

    def list(self, name: str, i: int, batch_first: bool = False) -> list[int] | None:
        """Whole numbers that are an attribute in old files and input i in newer ones; None where they are left out."""
        given = self.given.integers(name)
        return given if given is not None or not self.has(i) else self.whole(i, batch_first)

    def axis(self, given: int, rank: int) -> int:
        """An axis of a value with ``rank`` axes in the file as one of a sample."""
        axis = (given + rank if given < 0 else given) - self.walk.lead
        if not axis < rank - self.walk.lead or given < -rank:
            raise FormatError(f"it names axis {given} of a value with {rank} axes")
        if axis < 0:
            raise FormatError(f"it works along axis {given}, the batch; samples must stay apart")
        return axis

    def axes(self, given: Iterable[int], rank: int) -> list[int]:
        """Axes of one sample, in order, each named once."""
        named = list(given)
        at = sorted({self.axis(a, rank) for a in named})
        if len(at) != len(named):
            raise FormatError(f"it names axes {named[:8]}; name each once")
        return at

    def rank(self, value: Value) -> int:
        """How many axes a value has in the file."""
        return len(value.shape) + self.walk.lead

    def put(self, kind: str, params: dict[str, Any], *sources: Value) -> Value:
        """One more node of the graph; sentences about it name the file's operator."""
        try:
            return self.walk.put(self.name, kind, params, sources)
        except FormatError as error:
            sentence = str(error).replace(f"{kind} {self.name!r}", f"{self.kind} {self.name!r}")
            raise FormatError(sentence) from error

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """The same numbers with other sides."""
        return value if shape == value.shape else self.put("Reshape", {"shape": shape}, value)

    def mapped(self, value: Value, shape: Shape, pre: Array, post: Array, weight: Array) -> Value:
        """Synapses written out one by one."""
        return self.put("Map", {"pre": pre, "post": post, "weight": weight, "shape": shape}, value)

    def picked(self, value: Value, source: Array) -> Value:
        """Each number of the result from the place ``source`` names, from nowhere (0) where that is -1."""
        if source.size > MAX_MAP or value.n > MAX_MAP:
            raise FormatError(f"it makes {source.size} values of {value.n} one by one, at most {MAX_MAP}")
        flat = source.reshape(-1)
        if flat.size == value.n and bool((flat == np.arange(value.n)).all()):
            return self.reshaped(value, source.shape)
        post = np.flatnonzero(flat >= 0)
        return self.mapped(value, source.shape, flat[post], post, np.ones(post.size))

    def places(self, value: Value) -> Array:
        """The number of each place of a value, in its shape, the batch left out."""
        if value.n > MAX_MAP:
            raise FormatError(f"it takes {value.n} values apart one by one, at most {MAX_MAP}")
        return np.arange(value.n).reshape(value.shape)


def _alone(x: Array, other: Array, batch: int | None) -> bool:
    """Whether a constant says the same for one sample as for one more: shapes may begin with their number."""
    if batch is not None:
        return x.shape == other.shape and other[0] == batch + 1 and np.array_equal(x[1:], other[1:])
    return x.shape[:1] == (1,) and x.shape[1:] == other.shape[1:] and bool((x == other).all())
