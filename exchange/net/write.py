"""Writing lava-dl's ``.net`` files: chains of integer layers that lava-dl's own reader, netx, runs as they are."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from exchange.hdf5.tree import Tree
from exchange.net.delays import MAX_DELAY
from exchange.net.netx import check_bias, check_conv, check_dense
from exchange.plain import write_atomically
from ir.arithmetic import ARITHMETICS
from ir.arrays import Array
from ir.check import require
from ir.compose import dense_weight
from ir.connection import Conv2d, with_weight
from ir.encoder import check_bare
from ir.graph import layered_order
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.neurons import FixedLIF, as_lif, check_only_lif
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork

Shape = tuple[int, ...]

NEVER = (1 << 18) - 1
"""The threshold lava-dl writes for a readout; from 2^17 on no clipped membrane exceeds any."""


def write(network: Network | QuantizedNetwork | MappedNetwork, path: str | Path) -> None:
    """Write a chain of integer layers as ``.net`` (CUBA style) that lava-dl's netx reads and runs, spike for spike.

    lava-dl runs layers one after the other: the spikes are those of our layered schedule. The schedule that the network
    is meant for goes into a note, as do names and the time step, and comes back with them.

    Raises:
        ValueError: what the format cannot say, or netx would run otherwise; the sentence says which.
    """
    network = network.network if isinstance(network, MappedNetwork) else network
    check_only_lif(network.populations, "a .net file")
    require(
        isinstance(network, QuantizedNetwork), ".net holds integers; quantize first (unlayered map FILE --chip loihi2)"
    )
    assert isinstance(network, QuantizedNetwork)
    check_bare(network, "a .net file")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for i, layer in enumerate(_layers(network)):
            group = file.create_group(f"layer/{i}")
            for key, value in layer.items():
                group.create_dataset(
                    key, data=np.bytes_(value.encode()) if isinstance(value, str) else np.asarray(value)
                )
        file.create_dataset("unlayered", data=_note(network), dtype=h5py.string_dtype())
    write_atomically(path, buffer.getbuffer())


def _note(network: QuantizedNetwork) -> str:
    blocks = [{"name": b.name, "shape": b.shape, **_scale(b)}
              for b in (*network.inputs, *network.populations)]  # fmt: skip
    return json.dumps({"blocks": blocks, "schedule": asdict(network.schedule), "dt_s": network.dt_s,
                       "arithmetic": network.arithmetic, "metadata": network.metadata})  # fmt: skip


def _scale(block: object) -> dict[str, object]:
    return {"scale": np.asarray(block.scale).tolist()} if isinstance(block, FixedPopulation) else {}


def _layers(network: QuantizedNetwork) -> list[Tree]:
    """The layers in order; every population sees the one before it, and perhaps itself."""
    blocks = [*network.inputs, *network.populations]
    require(len(network.inputs) == 1, f".net holds one input, the network has {len(network.inputs)}; join them to one")
    require(
        blocks[-1].name == network.output, f".net ends in its output; {network.output!r} is not the last population"
    )
    require(
        network.arithmetic != "loihi1" and ARITHMETICS[network.arithmetic].weight_shift == 6,
        f".net means Lava's registers, not those of {network.arithmetic}; quantize for loihi2",
    )
    back = layered_order(network).recurrent
    shape = _image_of_input(network)
    layers: list[Tree] = [{"type": "input", "shape": shape}]
    for pre, p in zip(blocks, network.populations):
        into = [(e, b) for e, b in zip(network.projections, back) if e.post == p.name]
        ahead, loops = [e for e, b in into if not b], [e for e, b in into if b]
        chained = bool(ahead) and all(e.pre == pre.name for e in ahead) and all(e.pre == p.name for e in loops)
        require(
            chained, f"population {p.name!r} is not fed by {pre.name!r} alone; .net holds chains with self-connections"
        )
        found, shape = _layer(p, ahead, loops, shape)
        layers += found
    return layers


def _image_of_input(network: QuantizedNetwork) -> Shape:
    """The input's shape, or that which a first convolution takes it for."""
    first = [e.connection for e in network.projections if e.pre == network.inputs[0].name]
    return first[0].in_shape if len(first) == 1 and isinstance(first[0], Conv2d) else network.inputs[0].shape


def _layer(
    p: FixedPopulation, ahead: Sequence[FixedProjection], loops: Sequence[FixedProjection], shape: Shape
) -> tuple[list[Tree], Shape]:
    """A population with what feeds it, behind a layer of ``shape``; a ``flatten`` first where it needs one."""
    c = ahead[0].connection
    if isinstance(c, Conv2d) and len(ahead) == 1 and not loops:
        require(
            c.in_shape == shape,
            f"the convolution into {p.name!r} takes {c.in_shape} values, the layer before it sends {shape}; "
            ".net cannot turn a list into an image",
        )
        require(not np.any(ahead[0].delay_steps), _no_delay(p, "a convolution"))
        conv = with_weight(c, _shifted(ahead[0]))
        assert isinstance(conv, Conv2d)
        check_conv(f"population {p.name!r}", conv)
        layer: Tree = {"type": "conv", "shape": c.out_shape, "weight": conv.weight, "inChannels": c.in_shape[0],
                       "outChannels": len(c.weight), "kernelSize": c.weight.shape[2:], "stride": c.stride,
                       "padding": c.padding, "dilation": c.dilation, "groups": c.groups}  # fmt: skip
        return [{**layer, **_neuron(p, c.out_shape)}], c.out_shape
    before: list[Tree] = [{"type": "flatten", "shape": (c.n_pre, 1, 1)}] if len(shape) > 1 else []
    weight, delay = _joined(p, ahead)
    layer = {"type": "dense_rec" if loops else "dense", "shape": (p.n,), "weight": weight, "inFeatures": c.n_pre,
             "outFeatures": p.n}  # fmt: skip
    matrices = [weight]
    if loops:
        require(not delay.any() and not any(np.any(e.delay_steps) for e in loops), _no_delay(p, "a self-connection"))
        layer["weight_rec"] = _joined(p, loops)[0]
        matrices.append(layer["weight_rec"])
    check_dense(f"population {p.name!r}", *matrices)
    if delay.any():
        layer["delay"] = delay
    return [*before, {**layer, **_neuron(p, (p.n,))}], (p.n,)


def _no_delay(p: FixedPopulation, what: str) -> str:
    return f"population {p.name!r} has delays on {what}, which lava-dl does not run; only dense layers have delays"


def _shifted(e: FixedProjection) -> Array:
    """Weights with the exponent in them: lava-dl reads none."""
    weight, exponent = e.connection.weight.astype(np.int64), e.weight_exp
    if exponent >= 0:
        fits = int(np.abs(weight).max(initial=0)) << exponent < 1 << 31
        require(fits, f"weights of {e.pre} -> {e.post} times 2^{exponent} do not fit int32; lava-dl has no exponent")
        return (weight << exponent).astype(np.int32)
    require(
        not np.any(weight & ((1 << -exponent) - 1)),
        f"projection {e.pre} -> {e.post} has weight_exp {exponent}, which rounds its sum; lava-dl reads no exponent, "
        f"and the weights are no multiples of {1 << -exponent}",
    )
    return (weight >> -exponent).astype(np.int32)


def _joined(p: FixedPopulation, edges: Sequence[FixedProjection]) -> tuple[Array, Array]:
    """All projections between two populations as one matrix, and the delay of each synapse."""
    total = np.zeros((p.n, edges[0].connection.n_pre), np.int64)
    delays, seen = np.zeros(total.shape, np.int32), np.zeros(total.shape, bool)
    for e in edges:
        weight = dense_weight(with_weight(e.connection, _shifted(e)))
        steps = np.broadcast_to(np.asarray(e.delay_steps), total.shape)
        require(
            int(steps.max()) <= MAX_DELAY,
            f"projection {e.pre} -> {e.post} has delays of {steps.max()} time steps; lava-dl has at most {MAX_DELAY}",
        )
        clash = seen & (weight != 0) & (delays != steps)
        require(
            not clash.any(), f"{e.pre} -> {e.post} is two synapses of different delay in one place; .net has one each"
        )
        delays = np.where(weight != 0, steps, delays)
        seen |= weight != 0
        total += weight
    return total, delays


def _neuron(p: FixedPopulation, shape: Shape) -> Tree:
    """Neurons and their bias."""
    n, who = as_lif(p.name, p.neuron, "a .net file"), f"population {p.name!r}"
    hows = {"subtract": "by subtraction", "subtract_late": "by subtraction", "none": "never"}
    how = hows.get(n.reset, "one time step late")
    require(n.reset == "zero", f"{who} resets {how} ({n.reset}); CUBA neurons reset to zero at once")
    require(
        n.current_bias(0) is None, f"{who} has a bias of its current (bias_u); CUBA neurons add theirs to the membrane"
    )
    require(n.v_min is None, f"{who} holds its membrane above {n.v_min} (v_min); CUBA neurons have no such floor")
    require(n.refractory, f"{who} may fire several times a time step; CUBA neurons fire once")
    require(
        not n.reset_interval,
        f"{who} resets every {n.reset_interval} steps, which is not in .net but an argument of whoever runs it "
        f"(reset_interval={n.reset_interval}, reset_offset={n.reset_offset}); take it out of the network",
    )
    found = {"neuron/type": "CUBA", "neuron/refDelay": 1, "neuron/gradedSpike": False}
    found |= {f"neuron/{k}": _spread(np.asarray(v), shape) for k, v in _numbers(n).items()}
    register = n.register_bias()
    if register is None or not np.any(register):
        return found
    require(not np.any(register & 63), f"the bias of {who} is no multiple of 64 register units; use bias_exp 6")
    check_bias(who, register >> 6)
    return {**found, "bias": _spread(np.broadcast_to(register >> 6, (p.n,)), shape)}


def _numbers(n: FixedLIF) -> dict[str, Any]:
    threshold = NEVER if n.v_threshold is None else np.minimum(np.asarray(n.v_threshold), NEVER)
    return {"iDecay": n.decay_u, "vDecay": n.decay_v, "vThMant": threshold}


def _spread(values: Array, shape: Shape) -> Array:
    """One number, or one a neuron; behind a convolution one a channel, or (W, H, C) as netx takes it."""
    if values.ndim == 0 or len(shape) != 3:
        return values
    image = values.reshape(shape)
    return image[:, 0, 0] if bool((image == image[:, :1, :1]).all()) else image.transpose(2, 1, 0)
