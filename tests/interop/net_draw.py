"""Networks drawn from what a lava-dl ``.net`` file can say, as lava-dl's own reader runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ir.compose import sparse_of
from ir.connection import Connection, Conv2d, Dense
from ir.layers import sum_pool
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule

Rng = np.random.Generator
Shape = tuple[int, ...]

LAYERED = Schedule(kind="layered", F=None)


def draw(seed: int) -> QuantizedNetwork:
    """A chain of one to five layers: convolutions and poolings of an image first, dense ones behind."""
    rng = np.random.default_rng(seed)
    shape: Shape = tuple(int(x) for x in (rng.integers(1, 4), *rng.integers(3, 8, 2)))
    shape = shape if rng.random() < 0.6 else (int(rng.integers(2, 25)),)
    inputs, populations, projections = (Input("in", shape),), [], []
    pre, n_layers = "in", int(rng.integers(1, 5))
    for i in range(n_layers):
        last, name = i == n_layers - 1, f"p{i}"
        made, out = image_layer(rng, shape) if len(shape) == 3 and (i == 0 or rng.random() < 0.5) else (None, shape)
        edges = [FixedProjection(pre, name, made)] if made is not None else dense(rng, pre, name, int(np.prod(shape)))
        shape = out if made is not None else (edges[0].connection.n_post,)
        neuron = neurons(rng, edges, shape)
        if last and made is None and rng.random() < 0.2:
            neuron = replace(neuron, v_threshold=None, decay_u=int(rng.choice([0, 4096])), decay_v=4096)
        plain = made is None and not any(np.any(e.delay_steps) for e in edges)
        mixed = any(
            int(e.connection.weight.min()) < 0 for e in edges
        )  # lava-dl loses odd ones of one sign beside a loop
        if plain and mixed and shape[0] > 1 and rng.random() < 0.3:
            loop = small(rng, (shape[0], shape[0]), -60, 60)
            loop[-1, -1] = -60
            edges.append(FixedProjection(name, name, Dense(loop)))
        populations.append(FixedPopulation(name, shape, neuron))
        projections += edges
        pre = name
    network = QuantizedNetwork(inputs, tuple(populations), tuple(projections), pre, schedule=LAYERED)
    return quiet(network)


def small(rng: Rng, shape: Shape, low: int, high: int) -> np.ndarray:
    """Whole weights of both signs, odd ones too: at least one is positive."""
    weight = rng.integers(low, high + 1, shape).astype(np.int32)
    weight.reshape(-1)[0] = high
    return weight


def image_layer(rng: Rng, shape: Shape) -> tuple[Conv2d, Shape]:
    """A convolution, or a pooling whose kernel need not divide the sides."""
    image = (shape[0], shape[1], shape[2])
    kernel = tuple(int(rng.integers(1, min(3, side) + 1)) for side in image[1:])
    if rng.random() < 0.4:
        window = sum_pool("pool", image, kernel, ceil_mode=bool(rng.random() < 0.5))
        c = window.connection(np.full((image[0], 1, *window.own_kernel), int(rng.integers(20, 128)), np.int32))
        return c, c.out_shape
    groups = image[0] if rng.random() < 0.3 else 1
    stride, padding = (tuple(int(x) for x in rng.integers(a, a + 2, 2)) for a in (1, 0))
    dilation = tuple(int(rng.integers(1, 3)) if side > 2 * (k - 1) else 1 for side, k in zip(image[1:], kernel))
    weight = small(rng, (groups * int(rng.integers(1, 4)), image[0] // groups, *kernel), -40, 90)
    c = Conv2d(weight, image, (stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]), groups)
    return c, c.out_shape


def dense(rng: Rng, pre: str, post: str, n_pre: int) -> list[FixedProjection]:
    """Every synapse, with an exponent that loses nothing and delays: none, one, one an input, one a synapse."""
    n_post = int(rng.integers(1, 15))
    high = int(rng.choice([3, 40, 127, 254]))
    weight = small(rng, (n_post, n_pre), -high // 2 if rng.random() < 0.8 else 0, high)
    exponent = 0
    if high <= 40 and rng.random() < 0.3:
        exponent = int(rng.choice([-1, 1, 2]))
        weight = weight * 2 if exponent < 0 else weight
    connection: Connection = Dense(weight)
    kind = rng.choice(["none", "none", "one", "input", "synapse"])
    if kind != "synapse":
        delay: Any = {"none": 0, "one": int(rng.integers(1, 5))}.get(str(kind), rng.integers(0, 5, n_pre))
        return [FixedProjection(pre, post, connection, exponent, delay)]
    late, parts = rng.integers(0, 3, weight.shape), []
    for steps in np.unique(late).tolist():
        i, j = np.nonzero(late == steps)
        parts.append(FixedProjection(pre, post, sparse_of(j, i, weight[i, j], n_pre, n_post), exponent, steps))
    return parts


def neurons(rng: Rng, edges: list[FixedProjection], shape: Shape) -> FixedLIF:
    """Thresholds that a few spikes cross; one number a population, a channel or a neuron."""
    n = int(np.prod(shape))
    positive = sum(
        float(np.maximum(e.connection.weight, 0).sum()) * 2.0**e.weight_exp / e.connection.weight.shape[0]
        if not hasattr(e.connection, "indptr")
        else float(np.maximum(e.connection.weight, 0).sum()) * 2.0**e.weight_exp / n
        for e in edges
    )
    drive = max(2, int(positive * rng.uniform(0.1, 0.6)))

    def spread(low: int, high: int) -> Any:
        kind = rng.choice(["one", "one", "channel", "neuron"])
        if kind == "channel" and len(shape) == 3:
            return np.repeat(rng.integers(low, high, shape[0]), n // shape[0])
        return rng.integers(low, high, n) if kind == "neuron" else int(rng.integers(low, high))

    bias = spread(-drive // 4 - 1, drive // 2 + 1) if rng.random() < 0.4 else None
    decay_u = 4096 if rng.random() < 0.6 else spread(0, 4097)
    return FixedLIF(spread(0, 4097) if rng.random() < 0.7 else 0, spread(drive // 2, drive + 1), decay_u,
                    bias, 6 if bias is not None else 0)  # fmt: skip


def quiet(network: QuantizedNetwork) -> QuantizedNetwork:
    """Biases under which no neuron fires by itself while its layer waits for the first frame.

    lava-dl's layers are late by one step each and add their bias from the first step on. ``reset_interval`` clears
    that, but not spikes that are under way in delays and self-connections.
    """
    looks_back = any(np.any(e.delay_steps) or e.pre == e.post for e in network.projections)
    if not looks_back:
        return network
    steps = len(network.populations) + 3

    def calm(n: FixedLIF) -> FixedLIF:
        if n.bias is None or n.v_threshold is None:
            return n
        return replace(n, bias=np.minimum(np.asarray(n.bias), int(np.min(np.asarray(n.v_threshold))) // steps))

    return replace(network, populations=tuple(replace(p, neuron=calm(p.neuron)) for p in network.populations))
