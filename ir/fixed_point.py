"""The one rule that turns trained floats into a chip's integers, given a scale for each population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

import numpy as np

from ir.arrays import Array
from ir.check import require, within
from ir.chip import IntFormat
from ir.coding import delivered
from ir.connection import Connection, Conv2d, Dense, with_weight
from ir.formats import Formats, to_grid
from ir.network import Network, Population, Projection
from ir.neurons import FixedNeuron
from ir.pooling import pooling
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork

Scales = Mapping[str, Union[Array, float]]
"""For each population, weight mantissa units a trained unit: one for all its neurons, or one a neuron."""


def to_fixed(network: Network, scales: Scales, formats: Formats) -> QuantizedNetwork:
    """Round every number of ``network``.

    Args:
        scales: for each population, weight mantissa units a trained unit, one for all its neurons or one a neuron;
            weights into it, its threshold and its bias share it. Neurons of a convolution share that of their channel.

    Returns:
        The integers; each population remembers its scale.
    """
    scales = {**scales, **{name: 1.0 for name in pooling(network)}}
    populations = tuple(
        FixedPopulation(p.name, p.shape, _neuron_to_fixed(p, scales[p.name], network.dt_s, formats), scales[p.name])
        for p in network.populations
    )
    payload_bits = {p.name: p.neuron.payload_bits for p in populations}
    projections = tuple(
        FixedProjection(
            e.pre,
            e.post,
            with_weight(e.connection, _weight_to_fixed(network, e, scales[e.post], formats)),
            -payload_bits.get(e.pre, 0),
            e.delay_steps,
        )
        for e in network.projections
    )
    return QuantizedNetwork(
        network.inputs,
        populations,
        projections,
        network.output,
        network.dt_s,
        formats.arithmetic,
        network.schedule,
        network.metadata,
        network.encoder,
    )


def _weight_to_fixed(network: Network, e: Projection, scale: Array | float, formats: Formats) -> Array:
    """Rounded, but for the weights of a max pooling: they stay 1, whatever the step of the format."""
    if e.post in pooling(network):
        return np.asarray(e.connection.weight).astype(np.int32)
    return to_grid(delivered(network, e), of_weights(e.connection, scale), formats.weight)


def of_weights(c: Connection, scale: Array | float) -> Array | float:
    """A number of each target in the shape of the weights; of a convolution that of each channel's first neuron."""
    each = np.asarray(scale)
    if each.ndim == 0:
        return float(each)
    if isinstance(c, Dense):
        return each[:, None]
    if isinstance(c, Conv2d):
        return each.reshape(c.out_shape)[:, 0, 0][:, None, None, None]
    return np.repeat(each, np.diff(c.indptr))


def _neuron_to_fixed(p: Population, scale: Array | float, dt_s: float, formats: Formats) -> FixedNeuron:
    with within(f"population {p.name!r}"):
        return p.neuron.to_fixed(scale, dt_s, formats)


def largest_scale(network: Network, population: str, formats: Formats) -> float:
    """The largest scale at which no weight, threshold or bias of a population leaves its format.

    Raises:
        ValueError: a format lacks a sign that the population needs.
    """
    if population in pooling(network):
        return 1.0
    limits = _limits(network, population, formats)
    best = min(limits, default=float("inf"))
    require(
        best > 0,
        f"population {population!r} has numbers of a sign that the chip's formats lack (weights "
        f"{formats.weight.lo}..{formats.weight.hi}, biases {formats.bias.lo}..{formats.bias.hi}); "
        "train it without them, or map to another chip",
    )
    return 1.0 if best == float("inf") else best


def _limits(network: Network, population: str, formats: Formats) -> list[float]:
    """Scales at which a weight, threshold or bias of a population reaches an end of its format."""
    weights = [delivered(network, e) for e in network.projections if e.post == population]
    return [x for w in weights for x in _ends(w, formats.weight)] + neuron_limits(network, population, formats)


def neuron_limits(network: Network, population: str, formats: Formats) -> list[float]:
    """The same for thresholds and biases alone."""
    neuron = next(p.neuron for p in network.populations if p.name == population)
    return [x for values, form in neuron.scaled_numbers(formats) for x in _ends(values, form)]


def _ends(values: Array, form: IntFormat) -> list[float]:
    """Factors that carry the largest and the least of ``values`` to the ends of a format."""
    top, bottom = float(values.max(initial=0)), float(values.min(initial=0))
    return ([form.hi / top] if top > 0 else []) + ([form.lo / bottom] if bottom < 0 else [])


def weight_error(network: Network, population: str, scale: float, formats: Formats) -> float:
    """Mean squared rounding and clipping error of a population's weights, relative to their mean square."""
    error = power = 0.0
    for e in network.projections:
        if e.post == population:
            w = np.asarray(delivered(network, e), np.float64)
            error += float(((to_grid(w, scale, formats.weight) / scale - w) ** 2).sum())
            power += float((w**2).sum())
    return error / power if power else 0.0


def best_scale(network: Network, population: str, formats: Formats, n_tries: int = 40) -> float:
    """The scale with the smallest weight error: few bits gain from clipping outliers."""
    largest = largest_scale(network, population, formats)
    if population in pooling(network):
        return largest
    ceiling = min(neuron_limits(network, population, formats), default=float("inf"))
    tries = [min(largest * 2 ** (3 * i / n_tries), ceiling) for i in range(n_tries)]
    return min(tries, key=lambda s: weight_error(network, population, s, formats))
