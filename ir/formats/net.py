"""lava-dl's ``.net`` files (HDF5): the old LOIHI and the new CUBA style, read and written with every integer kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError, require
from ir.compose import diagonal
from ir.connection import Connection, Conv2d, Dense
from ir.formats.hdf5 import Tree, numbers, read_tree, reading
from ir.formats.net_write import write
from ir.network import Input
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

__all__ = ["read", "write"]

Array = NDArray[Any]
Shape = tuple[int, ...]

NEURONS = ("LOIHI", "CUBA")
MAX_NEURONS = 1 << 24
LAYERED = Schedule(kind="layered", F=None)
NEVER = (1 << 23) >> 6
"""A threshold from which on no clipped membrane exceeds it: lava-dl marks readouts so."""


@dataclass
class Chain:
    """The network while its layers are read one after the other."""

    reset_interval: int
    reset_offset: int
    inputs: list[Input] = field(default_factory=list)
    populations: list[FixedPopulation] = field(default_factory=list)
    projections: list[FixedProjection] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    shape: Shape = ()
    delay: Array | int = 0

    @property
    def last(self) -> str:
        return self.populations[-1].name if self.populations else self.inputs[-1].name

    def name(self, kind: str) -> str:
        """conv-0, conv-1, fc-0, ... as lava-dl's recordings are named."""
        self.names[kind] = self.names.get(kind, -1) + 1
        return f"{kind}-{self.names[kind]}"


def read(
    path: str | Path, input_neurons: bool = False, reset_interval: int = 0, reset_offset: int = 0
) -> QuantizedNetwork:
    """Read a ``.net`` file; spikes go through all layers in one time step, recurrent ones arrive in the next.

    Args:
        input_neurons: make the input layer's neurons a population, fed with the image's values; else the
            input is what that layer sends.
        reset_interval, reset_offset: of every neuron, see ``FixedLIF`` (netx' argument of that name).

    Raises:
        FormatError: damaged, not sequential, or a layer or neuron type that has no counterpart, by name.
    """
    with reading(path, "lava-dl .net") as file:
        tree = read_tree(file)
        layers = tree.get("layer")
        if not isinstance(layers, dict) or not layers or not all(k.isdecimal() for k in layers):
            raise FormatError("it holds no numbered layers under 'layer'; is it a .nir file?")
        chain = Chain(reset_interval, reset_offset)
        for key in sorted(layers, key=int):
            _read_layer(chain, f"layer {key}", layers[key], input_neurons)
        require(bool(chain.populations), "it holds no neurons; export the network again")
        require(
            not np.any(chain.delay), "the last layer delays its output, which no time step here does; remove that delay"
        )
        return _network(chain, tree.get("unlayered"))


def _network(chain: Chain, note: Any) -> QuantizedNetwork:
    """The chain as a network; a note of ours restores names, schedule and time step."""
    parts = (tuple(chain.inputs), tuple(chain.populations), tuple(chain.projections), chain.last)
    network = QuantizedNetwork(*parts, schedule=LAYERED, metadata={"source": "lava-dl"})
    if not isinstance(note, str):
        return network
    try:
        return _renamed(network, json.loads(note))
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, json.JSONDecodeError) as error:
        raise FormatError(f"its note 'unlayered' is damaged ({type(error).__name__}); write it again") from error


def _renamed(network: QuantizedNetwork, note: dict[str, Any]) -> QuantizedNetwork:
    blocks = [*network.inputs, *network.populations]
    names = {b.name: str(n["name"]) for b, n in zip(blocks, note["blocks"])}
    shapes = {b.name: tuple(int(x) for x in n["shape"]) for b, n in zip(blocks, note["blocks"])}
    scales = [float(n.get("scale", 1.0)) for n in note["blocks"][len(network.inputs) :]]
    return QuantizedNetwork(
        tuple(Input(names[i.name], shapes[i.name]) for i in network.inputs),
        tuple(FixedPopulation(names[p.name], shapes[p.name], p.neuron, s) for p, s in zip(network.populations, scales)),
        tuple(replace(e, pre=names[e.pre], post=names[e.post]) for e in network.projections),
        names[network.output], note["dt_s"], note["arithmetic"], Schedule(**note["schedule"]), note["metadata"],
    )  # fmt: skip


def _read_layer(chain: Chain, who: str, layer: Any, input_neurons: bool) -> None:
    kind = _text(layer.get("type")) if isinstance(layer, dict) else ""
    if kind not in ("input", "flatten", "dense", "dense_rec", "conv", "pool"):
        raise FormatError(f"{who} is of type {kind!r}; dense, dense_rec, conv, pool, flatten and input are read")
    shape = tuple(int(x) for x in numbers(layer, "shape", who, "iu").reshape(-1)) if kind != "flatten" else ()
    sound = len(shape) > 0 and min(shape) > 0 and int(np.prod(shape, dtype=object)) <= MAX_NEURONS
    require(kind == "flatten" or sound, f"{who} has shape {shape}; it needs 1 to {MAX_NEURONS} neurons")
    if kind == "input":
        _read_input(chain, who, layer, shape, input_neurons)
    elif kind == "flatten":
        chain.shape = (int(np.prod(chain.shape)),)
    else:
        _read_neurons(chain, who, kind, layer, shape)


def _text(value: Any) -> str:
    return str(value.reshape(-1)[0]) if isinstance(value, np.ndarray) and value.size else str(value)


def _read_input(chain: Chain, who: str, layer: Tree, shape: Shape, input_neurons: bool) -> None:
    if chain.inputs:
        raise FormatError(f"{who} is a second input; a chain has one, first")
    chain.shape = shape
    if "neuron" in layer:
        _neuron(layer["neuron"], who, None, 0, 0)
    if not input_neurons or "neuron" not in layer:
        chain.inputs.append(Input("input", shape))
        return
    n = int(np.prod(shape))
    weight, bias = (
        int(numbers(layer, k, who).reshape(-1)[0]) if k in layer else d for k, d in (("weight", 64), ("bias", 0))
    )
    chain.inputs.append(Input("image", shape))
    neuron = _neuron(layer["neuron"], who, np.asarray(bias) if bias else None, chain.reset_interval, chain.reset_offset)
    chain.populations.append(FixedPopulation("input", shape, neuron))
    chain.projections.append(FixedProjection("image", "input", diagonal(np.full(n, weight, np.int32))))


def _neuron(tree: Any, who: str, bias: Array | None, interval: int, offset: int) -> FixedLIF:
    """CUBA or LOIHI: decays of 4096, threshold mantissa, bias << 6 (netx/hdf5.py of lava-dl 0.6.0)."""
    kind = _text(tree.get("type")) if isinstance(tree, dict) else "none"
    if kind not in NEURONS:
        raise FormatError(f"{who} has {kind} neurons; {' and '.join(NEURONS)} are read")
    who = f"the neurons of {who}"
    if "gradedSpike" in tree and np.any(tree["gradedSpike"]):
        raise FormatError(f"{who} send graded spikes; retrain with gradedSpike off")
    if "refDelay" in tree and float(numbers(tree, "refDelay", who).max(initial=1)) > 1:
        raise FormatError(f"{who} have a refDelay of {numbers(tree, 'refDelay', who).max()}; only 1 is read")
    decay_u, decay_v, threshold = (
        _whole(numbers(tree, k, who), f"{k} of {who}").astype(np.int64) for k in ("iDecay", "vDecay", "vThMant")
    )
    never = bool((threshold >= NEVER).all())
    values = [x.reshape(-1) if x.size > 1 else x.reshape(()) for x in (decay_v, threshold, decay_u)]
    return FixedLIF(values[0], None if never else values[1], values[2], bias, 6 if bias is not None else 0,
                    reset_interval=interval, reset_offset=offset if interval else 0)  # fmt: skip


def _whole(values: Array, who: str) -> Array:
    if bool((values != np.round(values)).any()) or bool((np.abs(values) >= 1 << 31).any()):
        raise FormatError(f"{who} is not whole numbers in int32; export the network with quantized weights")
    return values


def _read_neurons(chain: Chain, who: str, kind: str, layer: Tree, shape: Shape) -> None:
    n = int(np.prod(shape))
    connection = _dense(chain, who, layer, n) if kind.startswith("dense") else _window(chain, who, kind, layer, shape)
    exponent = (
        int(numbers(layer["neuron"], "wgtExp", who, "iu").reshape(-1)[0]) if "wgtExp" in layer.get("neuron", ()) else 0
    )
    neuron = _neuron(layer.get("neuron"), who, _bias(layer, who, shape), chain.reset_interval, chain.reset_offset)
    pre, name = chain.last, chain.name("fc" if kind.startswith("dense") else kind)
    delay, after = _delays(layer, who, connection)
    require(
        not (np.any(delay) and np.any(chain.delay)),
        f"{who} delays its inputs, the layer before it its outputs; give one delay",
    )
    chain.projections.append(FixedProjection(pre, name, connection, exponent, delay if np.any(delay) else chain.delay))
    chain.populations.append(FixedPopulation(name, shape, neuron))
    if kind == "dense_rec":
        weight = _whole(numbers(layer, "weight_rec", who), f"weight_rec of {who}").astype(np.int32)
        require(weight.size == n * n, f"weight_rec of {who} has shape {weight.shape}; it needs ({n}, {n})")
        chain.projections.append(FixedProjection(name, name, Dense(weight.reshape(n, n)), exponent))
    chain.shape, chain.delay = shape, after


def _dense(chain: Chain, who: str, layer: Tree, n: int) -> Dense:
    weight = _whole(numbers(layer, "weight", who), f"weight of {who}").astype(np.int32)
    require(weight.size > 0 and weight.size % n == 0, f"weight of {who} has shape {weight.shape} for {n} neurons")
    weight = weight.reshape(n, -1)
    if not chain.inputs:
        chain.inputs.append(Input("input", (weight.shape[1],)))
        chain.shape = (int(weight.shape[1]),)
    return Dense(weight)


def _window(chain: Chain, who: str, kind: str, layer: Tree, shape: Shape) -> Conv2d:
    """conv and pool; a pool is one kernel for every channel."""
    if len(chain.shape) != 3 or len(shape) != 3:
        raise FormatError(
            f"{who} maps {chain.shape or 'an unknown shape'} to {shape}; a {kind} needs (C, H, W) on both sides, "
            "from an input layer on"
        )
    weight = _whole(numbers(layer, "weight", who), f"weight of {who}").astype(np.int32)
    require(
        weight.ndim in (4, 5) and weight.size == int(np.prod(weight.shape[:4])),
        f"weight of {who} has shape {weight.shape}",
    )
    weight = weight.reshape(weight.shape[:4])
    in_shape = (chain.shape[0], chain.shape[1], chain.shape[2])
    groups = int(numbers(layer, "groups", who, "iu").reshape(-1)[0]) if "groups" in layer else 1
    if kind == "pool":
        weight, groups = np.broadcast_to(weight[:1, :1], (in_shape[0], 1, *weight.shape[2:])), in_shape[0]
    stride, padding, dilation = (_pair(layer, k, who, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1)))
    connection = Conv2d(weight, in_shape, stride, padding, dilation, groups)
    require(connection.out_shape == shape, f"{who} says shape {shape}, its kernel gives {connection.out_shape}")
    return connection


def _pair(layer: Tree, key: str, who: str, default: int) -> tuple[int, int]:
    given = numbers(layer, key, who, "iu").reshape(-1) if key in layer else np.array([default])
    require(given.size in (1, 2), f"{key} of {who} has {given.size} numbers; give two")
    return int(given[0]), int(given[-1])


def _bias(layer: Tree, who: str, shape: Shape) -> Array | None:
    """A mantissa a neuron; one a channel is spread, an image is (W, H, C)."""
    if "bias" not in layer:
        return None
    given, n = _whole(numbers(layer, "bias", who), f"bias of {who}").astype(np.int64), int(np.prod(shape))
    bias = (given.transpose(2, 1, 0) if given.shape == shape[::-1] and given.ndim == 3 else given).reshape(-1)
    require(bias.size in (1, n, shape[0]), f"bias of {who} has {bias.size} numbers for {n} neurons")
    if not bias.any():
        return None
    return bias[0] if bias.size == 1 else np.repeat(bias, n // bias.size)


def _delays(layer: Tree, who: str, c: Connection) -> tuple[Array | int, Array | int]:
    """Delays of the inputs, and of the outputs (axonal: one a neuron of this layer, as slayer trains them)."""
    if "delay" not in layer:
        return 0, 0
    delay = _whole(numbers(layer, "delay", who), f"delay of {who}").astype(np.int32)
    if delay.shape == (c.n_post, c.n_pre) and delay.size > max(c.n_pre, c.n_post):
        require(bool((delay == delay[:1]).all()), f"{who} has a delay a synapse; one an input or one a neuron is read")
        return delay[0], 0
    flat = delay.reshape(-1)
    require(flat.size in (1, c.n_post, c.n_pre), f"{who} has {flat.size} delays; give one, {c.n_post} or {c.n_pre}")
    spread: Array | int = int(flat[0]) if flat.size == 1 else flat
    return (0, spread) if flat.size in (1, c.n_post) else (spread, 0)
