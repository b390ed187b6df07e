"""Spikes that say more than "now": who may read them, and what one brings of a trained weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.connection import Conv2d, Dense
from ir.graph import layered_order
from ir.pooling import pools


def check_codes(network: Any) -> None:
    """Raise where spikes that carry a code reach neurons that read another one, or come back to who sent them.

    Raises:
        ValueError: the projection, and the way out.
    """
    neurons = {p.name: p.neuron for p in network.populations}
    if not any(n.FEED_FORWARD or n.code is not None for n in neurons.values()):
        return
    for e, back in zip(network.projections, layered_order(network).recurrent):
        pre, post = neurons.get(e.pre), neurons[e.post]
        who = f"projection {e.pre} -> {e.post}"
        for neuron in (pre, post) if back else ():
            model = None if neuron is None or not neuron.FEED_FORWARD else neuron.MODEL
            require(
                model is None,
                f"{who} lies on a cycle, on which neurons of model {model!r} have no meaning: they are trained as a "
                "feed-forward network; remove the projection",
            )
        if pre is None or pre.code is None:
            continue
        require(
            not pools(post), f"{who} leads coded spikes into a max pooling, which reads plain ones; use a sum pooling"
        )
        require(
            post.code is None or post.code == pre.code,
            f"{who}: what it sends falls by {pre.code:g} a time step and is read as falling by {post.code}; give both "
            "populations one first decay",
        )


def quanta(network: Any, e: Any) -> Array | float:
    """What one spike carries of each weight of a projection of floats, in the shape of the weights or one number.

    Raises:
        ValueError: a convolution whose sources carry unlike quanta: its kernel is one for all.
    """
    quantum = np.asarray(next((p.neuron.quantum for p in network.populations if p.name == e.pre), 1.0))
    c = e.connection
    if quantum.ndim == 0:
        return float(quantum)
    if isinstance(c, Dense):
        return np.broadcast_to(quantum, c.weight.shape)
    if isinstance(c, Conv2d):
        same = bool((quantum == quantum[0]).all())
        require(same, f"projection {e.pre} -> {e.post} is a convolution whose sources have unlike thresholds; use one")
        return float(quantum[0])
    return quantum[c.indices]


def delivered(network: Any, e: Any) -> Array:
    """What one spike of each source brings, in the shape of the weights: of plain spikes the weights themselves."""
    unit = quanta(network, e)
    weight = np.asarray(e.connection.weight)
    return weight if isinstance(unit, float) and unit == 1.0 else np.asarray(weight, np.float64) * unit
