"""Any network as a standard ONNX model: one time step a call, states in and out, neurons as model-local functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from exchange.npz import write_atomically
from exchange.onnx.functions import DOMAIN, OPSET, fixed_function, fixed_kind, float_function, float_kind
from exchange.onnx.note import note_of
from ir.arithmetic import ARITHMETICS
from ir.arrays import Array
from ir.check import require
from ir.connection import Connection, Conv2d, Dense, Sparse, synapses
from ir.encoder import check_bare
from ir.graph import layered_order
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.neurons import FixedLIF, check_only_lif
from ir.quantized import QuantizedNetwork

MAX_BYTES = (1 << 31) - (1 << 20)
"""Protobuf's limit for one file."""


@dataclass
class Writer:
    """The model while it grows; values are named as they come."""

    number: Any
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    functions: dict[str, onnx.FunctionProto] = field(default_factory=dict)

    @property
    def dtype(self) -> int:
        return TensorProto.INT64 if self.number is np.int64 else TensorProto.FLOAT

    def add(self, op: str, *inputs: str, domain: str = "", out: str | None = None, **attributes: Any) -> str:
        """One node with one output."""
        name = out or f"_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], domain=domain, **attributes))
        return name

    def constant(self, array: ArrayLike, dtype: Any = None) -> str:
        """A number or array of the model's own type."""
        return self.stored(f"_c{len(self.initializers)}", np.asarray(array, dtype or self.number))

    def stored(self, name: str, array: Array) -> str:
        """An initializer with a name of its own."""
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def input(self, name: str, shape: tuple[int | str, ...]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, self.dtype, shape))
        return name

    def output(self, name: str, shape: tuple[int | str, ...]) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, self.dtype, shape))


def write(network: Network | QuantizedNetwork | MappedNetwork, path: str | Path) -> None:
    """Write a network as ``.onnx``; stock ONNX Runtime gives its layered spikes.

    Inputs ``in/NAME`` (batch, *shape) and states ``v/NAME``, ``u/NAME``, ``past/NAME``, ``t``; outputs
    ``spikes/NAME`` and the states after the step, ``next_...``. States start at zero.
    """
    content = model(network).SerializeToString()
    write_atomically(path, content)


def model(network: Network | QuantizedNetwork | MappedNetwork) -> onnx.ModelProto:
    """The ONNX model of a network (addresses left out)."""
    if isinstance(network, MappedNetwork):
        network = network.network
    check_bare(network, "an .onnx file")
    check_only_lif(network.populations, "an .onnx file")
    size = sum(e.connection.weight.nbytes for e in network.projections)
    require(size < MAX_BYTES, f"the weights take {size} bytes; an ONNX file holds less than {MAX_BYTES}")
    w = Writer(np.int64 if isinstance(network, QuantizedNetwork) else np.float32)
    sent = {
        i.name: w.add("Reshape", w.input(f"in/{i.name}", ("batch", *i.shape)), w.constant([-1, i.n], np.int64))
        for i in network.inputs
    }
    past = {name: w.input(f"past/{name}", ("batch", depth, n)) for name, (depth, n) in lags(network).items()}
    due = _time(w, network)
    order = layered_order(network)
    for name in order.order:
        p = next(p for p in network.populations if p.name == name)
        drives = [
            _drive(w, network, i, e, sent, past, back)
            for i, (e, back) in enumerate(zip(network.projections, order.recurrent))
            if e.post == name
        ]
        total = drives[0] if drives else _zeros(w, network, p.n)
        for other in drives[1:]:
            total = w.add("Add", total, other)
        sent[name] = _neurons(w, network, p, total, due.get(name))
        w.output(f"spikes/{name}", ("batch", p.n))
    for name, (depth, n) in lags(network).items():
        _remember(w, sent[name], past[name], name, depth, n)
    return _finished(w, network)


def lags(network: Network | QuantizedNetwork) -> dict[str, tuple[int, int]]:
    """For each block whose older spikes are needed: how many time steps back, and its size."""
    needed: dict[str, tuple[int, int]] = {}
    for e, back in zip(network.projections, layered_order(network).recurrent):
        depth = int(np.max(np.asarray(e.delay_steps))) + int(back)
        if depth:
            needed[e.pre] = max(needed.get(e.pre, (0, 0)), (depth, e.connection.n_pre))
    return needed


def _time(w: Writer, network: Network | QuantizedNetwork) -> dict[str, str]:
    """Where populations are reset periodically: the clock, and for each whether it is time."""
    neurons = {p.name: p.neuron for p in network.populations if isinstance(p.neuron, FixedLIF)}
    resetting = {name: neuron for name, neuron in neurons.items() if neuron.reset_interval}
    if not resetting:
        return {}
    t = w.input("t", (1,))
    after = w.add("Add", t, w.constant([1]), out="next_t")
    w.output("next_t", (1,))
    due = {}
    for name, neuron in resetting.items():
        phase = w.add("Mod", after, w.constant([neuron.reset_interval]))
        due[name] = w.add("Equal", phase, w.constant([neuron.reset_offset % neuron.reset_interval]))
    return due


def _zeros(w: Writer, network: Network | QuantizedNetwork, n: int) -> str:
    """(batch, n) zeros for a population that nothing reaches."""
    one = w.add("ReduceSum", f"in/{network.inputs[0].name}", keepdims=1)
    batch = w.add("Shape", f"in/{network.inputs[0].name}", start=0, end=1)
    nothing = w.add("Reshape", w.add("Mul", one, w.constant(0)), w.constant([1, 1], np.int64))
    return w.add("Expand", nothing, w.add("Concat", batch, w.constant([n], np.int64), axis=0))


def _drive(w: Writer, network: Any, i: int, e: Any, sent: dict[str, str], past: dict[str, str], back: bool) -> str:
    """What one projection brings, (batch, n_post); integers shifted and wrapped to int32."""
    lag = np.asarray(e.delay_steps) + int(back)
    if not lag.any():
        s = sent[e.pre]
    elif lag.ndim == 0:
        s = w.add("Gather", past[e.pre], w.constant(int(lag) - 1, np.int64), axis=1)
    else:
        s = _mixed_lags(w, sent.get(e.pre), past[e.pre], lag, lags(network)[e.pre][0])
    a = _weighted(w, i, e.connection, s)
    if w.number is not np.int64:
        return a
    if e.weight_exp > 0:
        a = w.add("Mul", a, w.constant(1 << e.weight_exp))
    if e.weight_exp < 0:
        divisor = w.constant(1 << -e.weight_exp)
        a = w.add("Div", w.add("Sub", a, w.add("Mod", a, divisor)), divisor)
    return wrapped(w, a)


def wrapped(w: Writer, a: str) -> str:
    """Two's complement in int32."""
    half = w.constant(1 << 31)
    return w.add("Sub", w.add("Mod", w.add("Add", a, half), w.constant(1 << 32)), half)


def _mixed_lags(w: Writer, now: str | None, past: str, lag: Array, depth: int) -> str:
    """Each source with a lag of its own: one time step of each, picked by a mask."""
    chosen = np.arange(1, depth + 1)[:, None] == lag[None, :]
    s = w.add("ReduceSum", w.add("Mul", past, w.constant(chosen)), w.constant([1], np.int64), keepdims=0)
    if now is None or lag.min() > 0:
        return s
    return w.add("Add", s, w.add("Mul", now, w.constant(lag == 0)))


def _weighted(w: Writer, i: int, c: Connection, s: str) -> str:
    """``W s``; the weight is stored as it is and cast where the model computes in another type."""
    weight = w.stored(f"weight/{i}", c.weight)
    if c.weight.dtype != w.number:
        weight = w.add("Cast", weight, to=w.dtype)
    if isinstance(c, Dense):
        return w.add("MatMul", s, w.add("Transpose", weight, perm=[1, 0]))
    if isinstance(c, Conv2d) and w.number is not np.int64:
        image = w.add("Reshape", s, w.constant([-1, *c.in_shape], np.int64))
        pads = [*c.padding, *c.padding]
        out = w.add("Conv", image, weight, strides=c.stride, pads=pads, dilations=c.dilation, group=c.groups)
        return w.add("Reshape", out, w.constant([-1, c.n_post], np.int64))
    return _gathered(w, c, weight, s)


def _gathered(w: Writer, c: Connection, weight: str, s: str) -> str:
    """A table of sources and one of weights, a row a target; exact for integers, which ONNX's Conv does not know."""
    sources, places = tables(c)
    end = w.constant([-1], np.int64)
    flat = w.add("Concat", w.add("Reshape", weight, end), w.constant([0]), axis=0)
    padded = w.add("Pad", s, w.constant([0, 0, 0, 1], np.int64))
    values = w.add("Gather", padded, w.constant(sources, np.int64), axis=1)
    product = w.add("Mul", values, w.add("Gather", flat, w.constant(places, np.int64), axis=0))
    return w.add("ReduceSum", product, w.constant([2], np.int64), keepdims=0)


def tables(c: Connection) -> tuple[Array, Array]:
    """(n_post, longest row) sources and places in the flat weight; what is beyond a row points past the end."""
    if isinstance(c, Conv2d):
        numbered = Conv2d(
            np.arange(c.weight.size).reshape(c.weight.shape), c.in_shape, c.stride, c.padding, c.dilation, c.groups
        )
        pre, post, place = synapses(numbered)
    else:
        pre, post, _ = synapses(c)
        place = np.arange(pre.size)
    order = np.argsort(post, kind="stable")
    pre, post, place = pre[order], post[order], place[order]
    counts = np.bincount(post, minlength=c.n_post)
    column = np.arange(post.size) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (c.n_post, max(1, int(counts.max())))
    sources, places = np.full(shape, c.n_pre), np.full(shape, c.weight.size)
    sources[post, column], places[post, column] = pre, place
    return sources, places


def _neurons(w: Writer, network: Network | QuantizedNetwork, p: Any, drive: str, due: str | None) -> str:
    """One call of the population's function; returns its spikes."""
    v = w.input(f"v/{p.name}", ("batch", p.n))
    w.output(f"next_v/{p.name}", ("batch", p.n))
    if isinstance(network, Network):
        return _float_neurons(w, p, drive, v, network.dt_s)
    u = w.input(f"u/{p.name}", ("batch", p.n))
    w.output(f"next_u/{p.name}", ("batch", p.n))
    if due is not None:
        nothing = w.constant(0)
        v, u = w.add("Where", due, nothing, v), w.add("Where", due, nothing, u)
    arithmetic, n = ARITHMETICS[network.arithmetic], p.neuron
    kind = fixed_kind(n, arithmetic)
    w.functions.setdefault(kind, fixed_function(kind, arithmetic))
    never = np.iinfo(np.int64).max
    v_min = -arithmetic.v_max if n.v_min is None else max(n.v_min, -arithmetic.v_max)
    bias = n.register_bias()
    threshold = never if n.v_threshold is None else np.asarray(n.v_threshold) << arithmetic.weight_shift
    numbers = [n.decay_v, n.decay_u, 0 if bias is None else bias, threshold, v_min]
    bias_u = n.current_bias(arithmetic.weight_shift)
    inputs = [v, u, wrapped(w, drive), *(w.constant(x) for x in (*numbers, *([] if bias_u is None else [bias_u])))]
    outputs = [f"{prefix}/{p.name}" for prefix in ("spikes", "next_v", "next_u")]
    w.nodes.append(helper.make_node(kind, inputs, outputs, domain=DOMAIN))
    return outputs[0]


def _float_neurons(w: Writer, p: Any, drive: str, v: str, dt_s: float) -> str:
    n, kind = p.neuron, float_kind(p.neuron)
    w.functions.setdefault(kind, float_function(kind))
    drive = drive if n.bias_u is None else w.add("Add", drive, w.constant(n.bias_u))
    tail = [
        0.0 if n.bias is None else n.bias,
        np.inf if n.v_threshold is None else n.v_threshold,
        -np.inf if n.v_min is None else n.v_min,
    ]
    leak_u, outputs = n.leak_u(dt_s), [f"{prefix}/{p.name}" for prefix in ("spikes", "next_v")]
    if leak_u is None:
        inputs = [v, drive, *(w.constant(x) for x in (n.leak_v(dt_s), *tail))]
    else:
        u = w.input(f"u/{p.name}", ("batch", p.n))
        w.output(f"next_u/{p.name}", ("batch", p.n))
        inputs = [v, u, drive, *(w.constant(x) for x in (n.leak_v(dt_s), leak_u, *tail))]
        outputs.append(f"next_u/{p.name}")
    w.nodes.append(helper.make_node(kind, inputs, outputs, domain=DOMAIN))
    return outputs[0]


def _remember(w: Writer, now: str, past: str, name: str, depth: int, n: int) -> None:
    """The newest spikes first, the oldest forgotten."""
    newest = w.add("Unsqueeze", now, w.constant([1], np.int64))
    kept = w.add("Slice", past, w.constant([0], np.int64), w.constant([depth - 1], np.int64), w.constant([1], np.int64))
    w.add("Concat", newest, kept, axis=1, out=f"next_past/{name}")
    w.output(f"next_past/{name}", ("batch", depth, n))


def _finished(w: Writer, network: Network | QuantizedNetwork) -> onnx.ModelProto:
    """Check, number and wrap the graph."""
    for i, e in enumerate(network.projections):
        if isinstance(e.connection, Sparse):
            w.stored(f"indptr/{i}", e.connection.indptr)
            w.stored(f"indices/{i}", e.connection.indices)
    graph = helper.make_graph(w.nodes, "time_step", w.inputs, w.outputs, w.initializers)
    result = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        functions=list(w.functions.values()),
        producer_name="unlayered",
        ir_version=9,
    )
    helper.set_model_props(result, {DOMAIN: note_of(network)})
    return result
