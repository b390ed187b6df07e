"""Writing lava-dl's ``.net`` files: chains of integer layers in the CUBA style that netx reads."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ir.check import require
from ir.compose import dense_weight
from ir.connection import Conv2d
from ir.formats.hdf5 import Tree
from ir.formats.npz import write_atomically
from ir.graph import layered_order
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork


def write(network: Network | QuantizedNetwork | MappedNetwork, path: str | Path) -> None:
    """Write a chain of integer layers as ``.net`` (CUBA style) that lava-dl's netx reads.

    Raises:
        ValueError: floats, branches, or a neuron that CUBA does not have; the sentence says which.
    """
    network = network.network if isinstance(network, MappedNetwork) else network
    require(
        isinstance(network, QuantizedNetwork), ".net holds integers; quantize first (unlayered map FILE --chip loihi2)"
    )
    assert isinstance(network, QuantizedNetwork)
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
    blocks = [{"name": b.name, "shape": b.shape, **({"scale": b.scale} if isinstance(b, FixedPopulation) else {})}
              for b in (*network.inputs, *network.populations)]  # fmt: skip
    return json.dumps({"blocks": blocks, "schedule": asdict(network.schedule), "dt_s": network.dt_s,
                       "arithmetic": network.arithmetic, "metadata": network.metadata})  # fmt: skip


def _layers(network: QuantizedNetwork) -> list[Tree]:
    """The layers in order; every population sees the one before it, and perhaps itself."""
    blocks = [*network.inputs, *network.populations]
    require(
        len(network.inputs) == 1 and blocks[-1].name == network.output,
        ".net holds one input and a chain that ends in the output",
    )
    require(network.arithmetic != "loihi1", ".net means Lava's registers; quantize for loihi2")
    back = layered_order(network).recurrent
    layers: list[Tree] = [{"type": "input", "shape": network.inputs[0].shape}]
    for pre, p in zip(blocks, network.populations):
        into = [(e, b) for e, b in zip(network.projections, back) if e.post == p.name]
        ahead, loops = [e for e, b in into if not b], [e for e, b in into if b]
        chained = (
            len(ahead) == 1 and ahead[0].pre == pre.name and len(loops) <= 1 and all(e.pre == p.name for e in loops)
        )
        require(
            chained, f"population {p.name!r} is not fed by {pre.name!r} alone; .net holds chains with self-connections"
        )
        _write_delay(layers[-1], ahead[0], is_input=len(layers) == 1)
        layers.append(_layer(p, ahead[0], loops[0] if loops else None))
    return layers


def _write_delay(before: Tree, e: FixedProjection, is_input: bool) -> None:
    if np.any(e.delay_steps):
        require(not is_input, f"projection {e.pre} -> {e.post} delays the input; .net delays only what neurons send")
        before["delay"] = np.broadcast_to(np.asarray(e.delay_steps), (e.connection.n_pre,))


def _layer(p: FixedPopulation, e: FixedProjection, loop: FixedProjection | None) -> Tree:
    n, c = p.neuron, e.connection
    plain = n.reset == "zero" and n.refractory and n.v_min is None and not n.reset_interval
    require(plain, f"population {p.name!r} resets otherwise than to zero, or has a floor; CUBA neurons do not")
    register = n.register_bias()
    require(
        register is None or not np.any(register & 63),
        f"the bias of {p.name!r} is no multiple of 64 register units; use bias_exp 6",
    )
    conv = isinstance(c, Conv2d)
    require(not conv or loop is None, f"population {p.name!r} is a convolution with a self-connection; .net has none")
    require(
        loop is None or (loop.weight_exp == e.weight_exp and not np.any(loop.delay_steps)),
        f"the self-connection of {p.name!r} differs in exponent or delay",
    )
    layer: Tree = {"type": "conv" if conv else "dense" if loop is None else "dense_rec",
                   "shape": p.shape if conv else (p.n,), "weight": c.weight if conv else dense_weight(c)}  # fmt: skip
    if isinstance(c, Conv2d):
        layer |= {"stride": c.stride, "padding": c.padding, "dilation": c.dilation, "groups": c.groups}
        layer |= {"inChannels": c.in_shape[0], "outChannels": len(c.weight), "kernelSize": c.weight.shape[2:]}
    else:
        layer |= {"inFeatures": c.n_pre, "outFeatures": c.n_post}
    if loop is not None:
        layer["weight_rec"] = dense_weight(loop.connection)
    if register is not None:
        layer["bias"] = _bias(np.broadcast_to(register >> 6, (p.n,)), p.shape)
    neuron = {"type": "CUBA", "iDecay": n.decay_u, "vDecay": n.decay_v, "refDelay": 1, "gradedSpike": False,
              "vThMant": (1 << 18) - 1 if n.v_threshold is None else n.v_threshold, "wgtExp": e.weight_exp}  # fmt: skip
    return {**layer, **{f"neuron/{k}": v for k, v in neuron.items()}}


def _bias(bias: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """One number a neuron; of a convolution one a channel, or (W, H, C) as netx takes it."""
    if len(shape) != 3:
        return bias
    image = bias.reshape(shape)
    return image[:, 0, 0] if bool((image == image[:, :1, :1]).all()) else image.transpose(2, 1, 0)
