"""Floats and integers side by side: a chip's integers as floats of the same units, so that either can lend the other a
part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.arrays import Array
from ir.check import require
from ir.connection import Connection, with_weight
from ir.fixed_point import Scales, of_weights
from ir.network import Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.pooling import pools
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from unlayered.causes.compare_weights import Grid, Key
from unlayered.causes.setup import Setup, keyed

CONVERTED = ("v_threshold", "bias", "bias_u", "v_min", "tau_mem_s", "tau_syn_s")
"""Numbers that have other units in integers; what else both neurons have is taken as it is."""


def lifted(fixed: QuantizedNetwork) -> Network:
    """The integers as a network of floats in weight units: the same numbers, without edges and without the leak's
    rounding.

    Raises:
        ValueError: floats have no such neuron.
    """
    shift = 1 << ARITHMETICS[fixed.arithmetic].weight_shift
    populations = tuple(Population(p.name, p.shape, _neuron(p, fixed.dt_s, shift)) for p in fixed.populations)
    projections = tuple(_projection(e) for e in fixed.projections)
    rest = fixed.output, fixed.dt_s, fixed.schedule
    return Network(fixed.inputs, populations, projections, *rest)


def _projection(e: FixedProjection) -> Projection:
    weight = np.asarray(e.connection.weight, np.float64) * 2.0**e.weight_exp
    return Projection(e.pre, e.post, with_weight(e.connection, weight), e.delay_steps)


def _neuron(p: FixedPopulation, dt_s: float, shift: int) -> LIF:
    n = p.neuron
    who = f"population {p.name!r}"
    require(isinstance(n, FixedLIF), f"{who} is of model {n.MODEL!r}, of which integers have no counterpart in floats")
    assert isinstance(n, FixedLIF)
    require(not n.reset_interval, f"{who} resets every {n.reset_interval} time steps, which floats do not know")
    bias = n.register_bias()
    has_current = bool((np.asarray(n.decay_u) < DECAY_ALL).any())
    names = {f.name for f in fields(LIF)} & {f.name for f in fields(FixedLIF)}
    shared: dict[str, Any] = {name: getattr(n, name) for name in names if name not in CONVERTED}
    return LIF(
        tau_mem_s=tau_of(n.decay_v, dt_s),
        v_threshold=None if n.v_threshold is None else np.asarray(n.v_threshold, np.float64),
        tau_syn_s=tau_of(n.decay_u, dt_s) if has_current else None,
        bias=None if bias is None else np.asarray(bias, np.float64) / shift,
        bias_u=None if n.bias_u is None else np.asarray(n.bias_u, np.float64),
        v_min=None if n.v_min is None else n.v_min / shift,
        **shared,
    )


def tau_of(decay: Array | int, dt_s: float) -> Array:
    """The time constant that loses ``decay`` of 4096 in a time step.

    >>> [float(tau_of(d, 1.0)) for d in (0, 4096)]
    [inf, 0.0]
    """
    kept = (DECAY_ALL - np.asarray(decay, np.float64)) / DECAY_ALL
    with np.errstate(divide="ignore"):
        return np.where(kept >= 1, np.inf, np.where(kept <= 0, 0.0, -dt_s / np.log(kept)))


def scales_of(fixed: QuantizedNetwork) -> Scales:
    """Weight units a trained unit, for each population or each of its neurons."""
    return {p.name: 1.0 if pools(p.neuron) else p.scale for p in fixed.populations}


def scaled(network: Network, scales: Mapping[str, Array | float]) -> Network:
    """A network of floats in other units, population by population; it computes the same, up to float rounding."""
    populations = tuple(replace(p, neuron=_scaled_neuron(p, scales[p.name])) for p in network.populations)
    projections = tuple(
        replace(e, connection=_scaled_connection(e.connection, scales[e.post])) for e in network.projections
    )
    return replace(network, populations=populations, projections=projections)


def _scaled_connection(c: Connection, scale: Array | float) -> Connection:
    return with_weight(c, np.asarray(c.weight, np.float64) * of_weights(c, scale))


def _scaled_neuron(p: Population, scale: Array | float) -> Any:
    changes: dict[str, Any] = {}
    neuron: Any = p.neuron
    for name in ("v_threshold", "bias", "bias_u", "v_min"):
        value = getattr(neuron, name, None)
        if value is not None:
            changes[name] = float(value * np.max(scale)) if name == "v_min" else np.asarray(value, np.float64) * scale
    return replace(neuron, **changes)


def as_exponential(network: Network) -> Network:
    """The same leaks, each as a time constant of ``exp(-dt / tau)``, so that decays can be lent one by one."""
    populations: list[Population] = []
    for p in network.populations:
        if not isinstance(p.neuron, LIF):
            populations.append(p)
            continue
        leak_u = p.neuron.leak_u(network.dt_s)
        tau_syn = None if leak_u is None else tau_of(DECAY_ALL * (1 - leak_u), network.dt_s)
        tau_mem = tau_of(DECAY_ALL * (1 - p.neuron.leak_v(network.dt_s)), network.dt_s)
        neuron = replace(p.neuron, tau_mem_s=tau_mem, tau_syn_s=tau_syn, discretization="exponential")
        populations.append(replace(p, neuron=neuron))
    return replace(network, populations=tuple(populations))


def bridged(a: Setup, b: Setup) -> tuple[Setup, Setup, dict[Key, Grid]]:
    """A float set-up and the integers made of it, both as floats in b's units; and what b's weights were rounded to.

    Raises:
        ValueError: floats have no such neurons.
    """
    assert isinstance(a.network, Network) and isinstance(b.network, QuantizedNetwork)
    scales = scales_of(b.network)
    theirs = lifted(b.network)
    ours = as_exponential(scaled(a.network, scales))
    units = scales if len({x for s in scales.values() for x in np.unique(s).tolist()}) > 1 else None
    grids = {key: grid_of(e) for key, e in keyed(b.network.projections).items()}
    return replace(a, network=ours, units=units), replace(b, network=theirs), grids


def grid_of(e: FixedProjection) -> Grid:
    """The coarsest grid that holds all weights of a projection."""
    weight = np.asarray(e.connection.weight, np.int64)
    step = int(np.gcd.reduce(weight, axis=None)) if weight.size else 0
    unit = 2.0**e.weight_exp
    return Grid(max(step, 1) * unit, float(weight.min(initial=0)) * unit, float(weight.max(initial=0)) * unit)
