"""Delays of a lava-dl ``.net`` file: of what a layer's neurons send, of its inputs, of single synapses."""

from __future__ import annotations

import numpy as np

from exchange.hdf5.tree import Tree, numbers
from exchange.net.keys import whole_numbers
from ir.arrays import Array
from ir.check import require
from ir.compose import dense_weight, sparse_of
from ir.connection import Connection
from ir.quantized import FixedProjection

MAX_DELAY = 62
"""lava-dl clamps longer ones (netx/hdf5.py and slayer/block/cuba.py of 0.6.0)."""


def read_delays(layer: Tree, who: str, kind: str, c: Connection, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Time steps on the way in and on the way out.

    slayer trains one a neuron, or one a channel, of what the layer sends; netx takes of dense layers also one number or
    one an input, and a whole matrix, which delay what comes in.

    Returns:
        in: (), (n_pre,) or (n_post, n_pre); out: () or (n_post,).
    """
    none = np.zeros((), np.int32)
    if "delay" not in layer:
        return none, none
    delay = whole_numbers(numbers(layer, "delay", who), f"delay of {who}").astype(np.int32)
    require(
        delay.size > 0 and bool(((delay >= 0) & (delay <= MAX_DELAY)).all()),
        f"{who} has delays of {delay.min(initial=0)}..{delay.max(initial=0)} time steps; lava-dl has 0..{MAX_DELAY}",
    )
    dense = kind.startswith("dense")
    if dense and delay.shape == (c.n_post, c.n_pre):
        return delay, none
    if dense and delay.ndim == 0:
        return delay, none
    flat = delay.reshape(-1)
    if flat.size in (1, c.n_post):
        return none, flat if flat.size > 1 else flat.reshape(())
    if dense and flat.size == c.n_pre:
        return flat, none
    channels = f", {shape[0]} (one a channel)" if not dense else f", {c.n_pre}"
    require(not dense and flat.size == shape[0], f"{who} has {flat.size} delays; give one, {c.n_post}{channels}")
    return none, np.repeat(flat, c.n_post // shape[0])


def projections(pre: str, post: str, c: Connection, exponent: int, delay: Array) -> list[FixedProjection]:
    """The connection with its delays, (), (n_pre,) or (n_post, n_pre): a projection for each delay where they mix."""
    if delay.ndim == 2 and bool((delay == delay[:1]).all()):
        delay = delay[0]
    if delay.ndim < 2:
        uniform = delay.reshape(-1)[0] if bool((delay == delay.reshape(-1)[0]).all()) else delay
        return [FixedProjection(pre, post, c, exponent, uniform)]
    require(
        exponent >= 0,
        f"projection {pre} -> {post} has delays a synapse and a weight exponent of {exponent}, which would round "
        "each delay's sum for itself; fold the exponent into the weights",
    )
    weight = dense_weight(c)
    post_i, pre_i = np.nonzero(weight)
    steps, found = delay[post_i, pre_i], []
    for d in np.unique(steps).tolist():
        i, j = post_i[steps == d], pre_i[steps == d]
        part = sparse_of(j, i, weight[i, j], c.n_pre, c.n_post)
        found.append(FixedProjection(pre, post, part, exponent, d))
    return found or [FixedProjection(pre, post, c, exponent)]
