"""The part of our NIR files that any reader understands: neurons as NIR's differential equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from exchange.hdf5.tree import Tree
from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import Array
from ir.check import require
from ir.compose import dense_weight
from ir.connection import Connection, Conv2d, with_weight
from ir.neurons import LIF, FixedLIF

LONGEST_TAU_S = 1e30
"""Stands for no leak where NIR wants a finite time constant."""

VERSION = 2
"""Files of version 1 gave integers time constants in time steps and biases of Loihi's registers, decays of floats as
they are, and weights without ``weight_exp``."""


def neuron_node(population: Any, network: Any, version: int = VERSION) -> Tree:
    """A population as IF, LIF, CubaLIF, or I, LI, CubaLI where it never fires.

    One Euler step of NIR's equation is one of our time steps: ``tau = dt / (1 - leak)``, and gains add a weight once:
    ``r = 1 / (1 - leak_v)``, ``w_in = 1 / (1 - leak_u)``; ``v_leak`` carries the bias.

    Args:
        network: the one that the population is of. version: of the file.
    """
    dt_s, shape = network.dt_s, population.shape
    shift = ARITHMETICS[getattr(network, "arithmetic", "lava")].weight_shift
    neuron = _float_neuron(population.neuron, *((1.0, 6) if version == 1 else (dt_s, shift)))

    def spread(x: Array | float | None) -> Array:
        return np.broadcast_to(np.asarray(0.0 if x is None else x, np.float64), (population.n,)).reshape(shape).copy()

    tau, gain = _tau_and_gain(np.asarray(neuron.tau_mem_s), neuron, dt_s, version)
    node: Tree = {"r": spread(gain), "v_leak": spread(neuron.bias) * spread(gain)}
    if neuron.v_threshold is not None:
        node |= {"v_threshold": spread(neuron.v_threshold), "v_reset": spread(0.0)}
    ending = "I" if neuron.v_threshold is None else "IF"
    if neuron.tau_syn_s is not None:
        tau_syn, w_in = _tau_and_gain(np.asarray(neuron.tau_syn_s), neuron, dt_s, version)
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


def public_weights(e: Any, version: int = VERSION) -> Connection:
    """The connection of a projection with the weights that add to a membrane: those of integers times
    ``2^weight_exp``."""
    exponent = getattr(e, "weight_exp", 0) if version > 1 else 0
    return with_weight(e.connection, np.asarray(e.connection.weight) * 2.0**exponent) if exponent else e.connection


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


def _tau_and_gain(tau_s: Array, neuron: LIF, dt_s: float, version: int) -> tuple[Array, Array]:
    """The time constant of an Euler step that keeps what a time step keeps, and what makes it add a weight once."""
    tau = np.clip(np.where(tau_s == 0, dt_s, tau_s), None, LONGEST_TAU_S)
    euler = neuron.discretization == "euler"
    lost = dt_s / tau if euler else -np.expm1(-dt_s / tau)
    if euler or version == 1:
        return tau, 1 / np.maximum(lost, 1e-300)
    lost = np.where(tau_s == 0, 1.0, np.maximum(lost, dt_s / LONGEST_TAU_S))
    return dt_s / lost, 1 / lost


def _float_neuron(neuron: LIF | FixedLIF, dt_s: float, shift: int) -> LIF:
    """An integer neuron as float, in weight units, for Euler steps of ``dt_s``."""
    if isinstance(neuron, LIF):
        return neuron
    bias = neuron.register_bias()
    with np.errstate(divide="ignore"):
        tau_v, tau_u = (dt_s * DECAY_ALL / np.asarray(d, np.float64) for d in (neuron.decay_v, neuron.decay_u))
    return LIF(
        tau_v,
        neuron.v_threshold,
        tau_u if neuron.has_current else None,
        None if bias is None else bias / (1 << shift),
        neuron.reset,
        discretization="euler",
    )


def flatten_node(shape: tuple[int, ...]) -> Tree:
    """Flattens all axes."""
    return {"type": "Flatten", "start_dim": np.array(0), "end_dim": np.array(-1), "input_type": np.array(shape)}
