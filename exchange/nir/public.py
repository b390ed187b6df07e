"""The part of our NIR files that any reader understands: neurons as NIR's differential equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from exchange.hdf5.tree import Tree
from ir.arithmetic import DECAY_ALL
from ir.arrays import Array
from ir.check import require
from ir.compose import dense_weight
from ir.connection import Connection, Conv2d
from ir.neurons import LIF, FixedLIF

LONGEST_TAU_S = 1e30
"""Stands for no leak where NIR wants a finite time constant."""


def neuron_node(population: Any, dt_s: float) -> Tree:
    """A population as IF, LIF, CubaLIF, or I, LI, CubaLI where it never fires.

    Gains make one Euler step (or one exponential step) of NIR's equation add a weight once:
    ``r = 1 / (1 - leak_v)``, ``w_in = 1 / (1 - leak_u)``; ``v_leak`` carries the bias.
    """
    neuron = float_neuron(population.neuron)
    shape = population.shape

    def spread(x: Array | float | None) -> Array:
        return np.broadcast_to(np.asarray(0.0 if x is None else x, np.float64), (population.n,)).reshape(shape).copy()

    tau, gain = _tau_and_gain(np.asarray(neuron.tau_mem_s), neuron, dt_s)
    node: Tree = {"r": spread(gain), "v_leak": spread(neuron.bias) * spread(gain)}
    if neuron.v_threshold is not None:
        node |= {"v_threshold": spread(neuron.v_threshold), "v_reset": spread(0.0)}
    ending = "I" if neuron.v_threshold is None else "IF"
    if neuron.tau_syn_s is not None:
        tau_syn, w_in = _tau_and_gain(np.asarray(neuron.tau_syn_s), neuron, dt_s)
        return {
            "type": f"CubaL{ending}",
            "tau_mem": spread(tau),
            "tau_syn": spread(tau_syn),
            "w_in": spread(w_in),
            **node,
        }
    if bool(np.isinf(neuron.tau_mem_s).all()) and not node["v_leak"].any():
        del node["v_leak"]
        return {"type": ending, **node, "r": spread(1 / dt_s)}
    return {"type": f"L{ending}", "tau": spread(tau), **node}


def carried_bias(network: Any, e: Any) -> Array | None:
    """The bias (n,) of the current of the population that ``e`` leads to, where ``e`` is the first that does: NIR's
    neurons have none of their own, what leads to them has."""
    first = next(other for other in network.projections if other.post == e.post)
    p = next(p for p in network.populations if p.name == e.post)
    if e is not first or p.neuron.bias_u is None or not np.any(p.neuron.bias_u):
        return None
    return np.broadcast_to(np.asarray(p.neuron.bias_u, np.float64), (p.n,)).copy()


def linear_node(c: Connection, bias: Array | None, who: str) -> Tree:
    """A projection as Linear, Affine or Conv2d.

    Raises:
        ValueError: a bias that differs within a channel, which a Conv2d does not hold.
    """
    if not isinstance(c, Conv2d):
        weight = dense_weight(c)
        return (
            {"type": "Linear", "weight": weight} if bias is None else {"type": "Affine", "weight": weight, "bias": bias}
        )
    channel = np.zeros(c.out_shape[0], c.weight.dtype)
    if bias is not None:
        by_channel = bias.reshape(c.out_shape[0], -1)
        require(
            bool((by_channel == by_channel[:, :1]).all()),
            f"projection {who} is a convolution and leads to biases of currents (bias_u) that differ within a channel; "
            "NIR holds one a channel; write .npz or .onnx",
        )
        channel = by_channel[:, 0].copy()
    return {
        "type": "Conv2d",
        "input_shape": np.array(c.in_shape[1:]),
        "weight": c.weight,
        "bias": channel,
        "groups": np.array(c.groups),
        **{k: np.array(getattr(c, k)) for k in ("stride", "padding", "dilation")},
    }


def _tau_and_gain(tau_s: Array, neuron: LIF, dt_s: float) -> tuple[Array, Array]:
    tau = np.clip(np.where(tau_s == 0, dt_s, tau_s), None, LONGEST_TAU_S)
    share = dt_s / tau if neuron.discretization == "euler" else -np.expm1(-dt_s / tau)
    return tau, 1 / np.maximum(share, 1e-300)


def float_neuron(neuron: LIF | FixedLIF) -> LIF:
    """An integer neuron as float, in weight units; time constants for dt = 1 (Euler)."""
    if isinstance(neuron, LIF):
        return neuron
    bias = neuron.register_bias()
    with np.errstate(divide="ignore"):
        tau_v, tau_u = (DECAY_ALL / np.asarray(d, np.float64) for d in (neuron.decay_v, neuron.decay_u))
    return LIF(
        tau_v,
        neuron.v_threshold,
        tau_u if neuron.has_current else None,
        None if bias is None else bias / 64,
        neuron.reset,
        discretization="euler",
    )


def flatten_node(shape: tuple[int, ...]) -> Tree:
    """Flattens all axes."""
    return {"type": "Flatten", "start_dim": np.array(0), "end_dim": np.array(-1), "input_type": np.array(shape)}
