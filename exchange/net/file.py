"""lava-dl's ``.net`` files (HDF5): the old LOIHI and the new CUBA style, read and written with every integer kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange.hdf5.tree import Tree, check_keys, numbers, reading
from exchange.net.delays import projections, read_delays
from exchange.net.keys import FILE, LAYER, SIMULATION, check_layer, check_said, one, whole_numbers
from exchange.net.neurons import SDNN, Resets, integrator, norm_exponent, normed, read_bias, read_neuron, text
from exchange.net.sigma_delta import SPIKE_EXP
from exchange.net.windows import read_window
from exchange.net.write import write
from ir.arrays import Array
from ir.check import MAX_NEURONS, FormatError, require
from ir.compose import diagonal
from ir.connection import Connection, Dense, with_weight
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

__all__ = ["read", "write"]

Shape = tuple[int, ...]

LAYERED = Schedule(kind="layered", F=None)
NOTE = ("blocks", "schedule", "dt_s", "arithmetic", "metadata")


@dataclass
class Chain:
    """The network while its layers are read one after the other."""

    resets: Resets
    inputs: list[Input] = field(default_factory=list)
    populations: list[FixedPopulation] = field(default_factory=list)
    projections: list[FixedProjection] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=lambda: {"source": "lava-dl"})
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
    path: str | Path,
    input_neurons: bool = False,
    reset_interval: int = 0,
    reset_offset: int = 0,
    spike_exp: int = SPIKE_EXP,
) -> QuantizedNetwork:
    """Read a ``.net`` file; spikes go through all layers in one time step, recurrent ones arrive in the next.

    Args:
        input_neurons: make the input layer's neurons a population, fed with the image's values; else the
            input is what that layer sends: spikes, of sigma-delta neurons (SDNN) graded ones.
        reset_interval, reset_offset: of every neuron, see ``FixedLIF`` (netx' argument of that name).
        spike_exp: bits behind the point of graded spikes (likewise), where neurons are SDNN.

    Raises:
        FormatError: damaged, not sequential, a key that nothing here reads, or a layer or neuron type that has no
            counterpart, by name.
    """
    with reading(path, "lava-dl .net") as tree:
        layers = tree.get("layer")
        if not isinstance(layers, dict) or not layers or not all(k.isdecimal() for k in layers):
            raise FormatError("it holds no numbered layers under 'layer'; is it a .nir file?")
        check_keys(tree, FILE, "it")
        missing = sorted({str(i) for i in range(len(layers))} - set(layers), key=int)
        require(not missing, f"layer {(missing or [''])[0]} is missing; layers are numbered from 0, without a gap")
        chain = Chain(Resets(reset_interval, reset_offset, spike_exp))
        dt_s = _simulation(chain, tree.get("simulation", {}))
        for key in sorted(layers, key=int):
            _read_layer(chain, f"layer {key}", layers[key], input_neurons)
        require(bool(chain.populations), "it holds no neurons; export the network again")
        require(
            not np.any(chain.delay), "the last layer delays its output, which no time step here does; remove that delay"
        )
        return _network(chain, dt_s, tree.get("unlayered"))


def _simulation(chain: Chain, tree: Any) -> float:
    """Seconds a time step (``Ts`` is in milliseconds); how long a sample is only noted."""
    if not isinstance(tree, dict):
        raise FormatError("its 'simulation' is no group; delete it or write Ts and tSample into it")
    check_keys(tree, SIMULATION, "its group 'simulation'")
    if "tSample" in tree:
        chain.metadata["steps_a_sample"] = str(one(tree, "tSample", "its simulation", 0))
    ts = numbers(tree, "Ts", "its simulation").reshape(-1) if "Ts" in tree else np.ones(1)
    require(ts.size == 1 and float(ts[0]) > 0, "its Ts is no time; give the milliseconds of a time step")
    return float(ts[0]) * 1e-3


def _network(chain: Chain, dt_s: float, note: Any) -> QuantizedNetwork:
    """The chain as a network; a note of ours restores names, schedule and time step."""
    parts = (tuple(chain.inputs), tuple(chain.populations), tuple(chain.projections), chain.last)
    network = QuantizedNetwork(*parts, dt_s, schedule=LAYERED, metadata=chain.metadata)
    if note is None:
        return network
    require(isinstance(note, str), "its note 'unlayered' is no text; delete it")
    try:
        return _renamed(network, json.loads(note))
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, json.JSONDecodeError) as error:
        raise FormatError(f"its note 'unlayered' is damaged ({type(error).__name__}); write it again") from error


def _renamed(network: QuantizedNetwork, note: dict[str, Any]) -> QuantizedNetwork:
    check_keys(note, NOTE, "its note 'unlayered'")
    blocks = [*network.inputs, *network.populations]
    require(len(note["blocks"]) == len(blocks), f"its note 'unlayered' is not of these {len(blocks)} blocks; delete it")
    for n in note["blocks"]:
        check_keys(n, ("name", "shape", "scale"), "its note 'unlayered'")
    names = {b.name: str(n["name"]) for b, n in zip(blocks, note["blocks"])}
    shapes = {b.name: tuple(int(x) for x in n["shape"]) for b, n in zip(blocks, note["blocks"])}
    for b in blocks:
        fits = int(np.prod(shapes[b.name], dtype=object)) == b.n
        require(fits, f"its note 'unlayered' gives {names[b.name]!r} shape {shapes[b.name]}, the file {b.shape}")
    scales = [np.asarray(n.get("scale", 1.0), np.float64) for n in note["blocks"][len(network.inputs) :]]
    return QuantizedNetwork(
        tuple(Input(names[i.name], shapes[i.name]) for i in network.inputs),
        tuple(FixedPopulation(names[p.name], shapes[p.name], p.neuron, s) for p, s in zip(network.populations, scales)),
        tuple(replace(e, pre=names[e.pre], post=names[e.post]) for e in network.projections),
        names[network.output], note["dt_s"], note["arithmetic"], Schedule(**note["schedule"]), note["metadata"],
    )  # fmt: skip


def _read_layer(chain: Chain, who: str, layer: Any, input_neurons: bool) -> None:
    kind = text(layer.get("type")) if isinstance(layer, dict) else ""
    if kind not in LAYER:
        raise FormatError(f"{who} is of type {kind!r}; dense, dense_rec, conv, pool, flatten and input are read")
    check_layer(layer, kind, who)
    if kind == "flatten":
        said = int(np.prod(numbers(layer, "shape", who, "iu"), dtype=object)) if "shape" in layer else 0
        require(bool(chain.shape) or said > 0, f"{who} flattens nothing; give it a shape, or an input layer before it")
        n = int(np.prod(chain.shape)) if chain.shape else said
        said = said if "shape" in layer else n
        require(said == n, f"{who} says {said} values, the layer before it has {n}; export it again")
        chain.shape = (n,)
        return
    shape = tuple(int(x) for x in numbers(layer, "shape", who, "iu").reshape(-1))
    sound = len(shape) > 0 and min(shape) > 0 and int(np.prod(shape, dtype=object)) <= MAX_NEURONS
    require(sound, f"{who} has shape {shape}; it needs 1 to {MAX_NEURONS} neurons")
    if kind == "input":
        _read_input(chain, who, layer, shape, input_neurons)
    else:
        _read_neurons(chain, who, kind, layer, shape)


def _read_input(chain: Chain, who: str, layer: Tree, shape: Shape, input_neurons: bool) -> None:
    if chain.inputs:
        raise FormatError(f"{who} is a second input; a chain has one, first")
    chain.shape, neurons = shape, layer.get("neuron")
    codes = isinstance(neurons, dict) and text(neurons.get("type")) == SDNN
    weight, bias = one(layer, "weight", who, 1 if codes else 64), one(layer, "bias", who, 0)
    neuron = None
    if neurons is not None:
        given = np.asarray(bias) if bias and (input_neurons or not codes) else None
        neuron = read_neuron(neurons, who, shape, given, 0, chain.resets, is_input=True)
        shifts = one(neurons, "wgtExp", who, 0), norm_exponent(neurons, who)
        require(shifts == (0, 0), f"{who} shifts its image by {shifts} (wgtExp, weight_exp); only 0 is read")
    if not input_neurons or neuron is None:
        if neuron is not None or "weight" in layer or "bias" in layer:
            own = f"weight {weight}, bias {bias}" + ("" if neuron is None else " and neurons")
            chain.metadata["input"] = f"the spikes that its input layer sends; that layer's {own} are left out"
        chain.inputs.append(Input("input", shape))
        return
    chain.inputs.append(Input("image", shape))
    chain.populations.append(FixedPopulation("input", shape, neuron))
    each = diagonal(np.full(int(np.prod(shape)), weight, np.int32))
    chain.projections.append(FixedProjection("image", "input", each))


def _read_neurons(chain: Chain, who: str, kind: str, layer: Tree, shape: Shape) -> None:
    n, is_dense = int(np.prod(shape)), kind.startswith("dense")
    connection = _dense(chain, who, layer, n) if is_dense else read_window(layer, who, kind, chain.shape, shape)
    tree = layer.get("neuron", {} if is_dense else None)
    flat = (n,) if is_dense else shape
    norm = norm_exponent(tree, who) if isinstance(tree, dict) else 0
    bias = read_bias(layer, who, flat)
    alone = is_dense and "neuron" not in layer
    neuron = integrator(bias, chain.resets) if alone else read_neuron(tree, who, flat, bias, norm, chain.resets)
    exponent = one(tree, "wgtExp", f"the neurons of {who}", 0)
    silent = bool(chain.populations) and not chain.populations[-1].neuron.fires and chain.populations[-1].neuron.MODEL
    require(silent != "sigma_delta", f"{who} hears a layer with sigma_output, which is a readout; delete that key")
    pre, name = chain.last, chain.name("fc" if is_dense else kind)
    arriving, leaving = read_delays(layer, who, kind, connection, shape)
    fitted = _int32(normed(connection, norm, who), who)
    chain.projections += projections(pre, name, fitted, exponent, np.asarray(arriving + chain.delay))
    chain.populations.append(FixedPopulation(name, shape, neuron))
    if kind == "dense_rec":
        weight = whole_numbers(numbers(layer, "weight_rec", who), f"weight_rec of {who}")
        require(weight.size == n * n, f"weight_rec of {who} has shape {weight.shape}; it needs ({n}, {n})")
        loop = _int32(normed(Dense(weight.reshape(n, n)), norm, who), who)
        chain.projections.append(FixedProjection(name, name, loop, exponent))
    chain.shape, chain.delay = shape, leaving


def _int32(c: Connection, who: str) -> Connection:
    fits = bool((np.abs(c.weight.astype(np.int64)) < 1 << 31).all())
    require(fits, f"{who} scales its weights beyond int32; export the network with quantized weights")
    return with_weight(c, c.weight.astype(np.int32))


def _dense(chain: Chain, who: str, layer: Tree, n: int) -> Dense:
    weight = whole_numbers(numbers(layer, "weight", who), f"weight of {who}")
    require(weight.size > 0 and weight.size % n == 0, f"weight of {who} has shape {weight.shape} for {n} neurons")
    weight = weight.reshape(n, -1)
    if not chain.inputs:
        chain.inputs.append(Input("input", (weight.shape[1],)))
        chain.shape = (int(weight.shape[1]),)
    check_said(layer, who, {"inFeatures": weight.shape[1:], "outFeatures": (n,)})
    return Dense(weight)
