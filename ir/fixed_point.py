"""The one rule that turns trained floats into a chip's integers, given a scale for each population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import DECAY_ALL
from ir.check import require
from ir.chip import Chip, IntFormat
from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.network import LIF, Network
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork

Array = NDArray[Any]


@dataclass(frozen=True)
class Formats:
    """The number formats a network is quantized to."""

    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    arithmetic: str

    @staticmethod
    def of(chip: Chip, weight_bits: int = 8) -> Formats:
        """Formats of a chip with ``weight_bits`` wide weights: fewer bits keep the range and coarsen the step."""
        step = chip.weight.step << (8 - weight_bits)
        top = chip.weight.lo + (chip.weight.hi - chip.weight.lo) // step * step
        return Formats(IntFormat(chip.weight.lo, top, step), chip.threshold, chip.decay, chip.bias, chip.arithmetic)


def to_grid(values: Array, scale: float, grid: IntFormat) -> Array:
    """``round(values * scale / step) * step``, half to even, clipped into ``grid``; int32."""
    steps = np.rint(np.asarray(values, np.float64) * (scale / grid.step)) * grid.step
    return np.clip(steps, grid.lo, grid.hi).astype(np.int32)


def to_fixed(network: Network, scales: dict[str, float], formats: Formats) -> QuantizedNetwork:
    """Round every number of ``network``.

    Args:
        scales: for each population, weight mantissa units a trained unit; weights into it, its
            threshold and its bias share it.

    Returns:
        The integers; each population remembers its scale.
    """
    for p in network.populations:
        require(
            not p.neuron.multi_spike,
            f"population {p.name!r} fires several times in one time step, which no chip here does; "
            "read the file with --as a framework that fires once, or retrain it so",
        )
    populations = tuple(
        FixedPopulation(p.name, p.shape, _fixed_lif(p.neuron, scales[p.name], network.dt_s, formats), scales[p.name])
        for p in network.populations
    )
    projections = tuple(
        FixedProjection(
            e.pre,
            e.post,
            with_weight(e.connection, to_grid(e.connection.weight, scales[e.post], formats.weight)),
            delay_steps=e.delay_steps,
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
    )


def _fixed_lif(n: LIF, scale: float, dt_s: float, formats: Formats) -> FixedLIF:
    def whole(values: Array, low: int, high: int) -> Array:
        return np.clip(np.rint(values), low, high).astype(np.int64)

    leak_u = n.leak_u(dt_s)
    return FixedLIF(
        decay_v=whole(DECAY_ALL * (1 - n.leak_v(dt_s)), formats.decay.lo, formats.decay.hi),
        v_threshold=None
        if n.v_threshold is None
        else whole(np.asarray(n.v_threshold) * scale, formats.threshold.lo, formats.threshold.hi),
        decay_u=DECAY_ALL
        if leak_u is None
        else whole(DECAY_ALL * (1 - leak_u), formats.decay.lo + 1, formats.decay.hi + 1),
        bias=None
        if n.bias is None or not np.any(n.bias)
        else whole(np.asarray(n.bias) * scale, formats.bias.lo, formats.bias.hi),
        bias_exp=6,
        reset=n.reset,
        refractory=n.refractory,
        v_min=None if n.v_min is None else int(np.rint(n.v_min * scale * 64)),
    )


def with_weight(connection: Connection, weight: Array) -> Connection:
    """The same connection with other weights of the same shape."""
    if isinstance(connection, Dense):
        return Dense(weight)
    if isinstance(connection, Sparse):
        return Sparse(connection.indptr, connection.indices, weight, connection.n_pre)
    return Conv2d(
        weight, connection.in_shape, connection.stride, connection.padding, connection.dilation, connection.groups
    )


def largest_scale(network: Network, population: str, formats: Formats) -> float:
    """The largest scale at which no weight, threshold or bias of a population leaves its format."""
    limits = [float("inf")]
    for e in network.projections:
        if e.post == population:
            top, bottom = float(e.connection.weight.max(initial=0)), float(e.connection.weight.min(initial=0))
            limits += [formats.weight.hi / top] if top > 0 else []
            limits += [formats.weight.lo / bottom] if bottom < 0 else []
    neuron = next(p.neuron for p in network.populations if p.name == population)
    for value, top in ((neuron.v_threshold, formats.threshold.hi), (neuron.bias, formats.bias.hi)):
        peak = 0.0 if value is None else float(np.abs(value).max())
        limits += [top / peak] if peak > 0 else []
    best = min(limits)
    return 1.0 if best == float("inf") else best


def weight_error(network: Network, population: str, scale: float, formats: Formats) -> float:
    """Mean squared rounding and clipping error of a population's weights, relative to their mean square."""
    error = power = 0.0
    for e in network.projections:
        if e.post == population:
            w = np.asarray(e.connection.weight, np.float64)
            error += float(((to_grid(w, scale, formats.weight) / scale - w) ** 2).sum())
            power += float((w**2).sum())
    return error / power if power else 0.0


def best_scale(network: Network, population: str, formats: Formats, n_tries: int = 40) -> float:
    """The scale with the smallest weight error: few bits gain from clipping outliers."""
    largest = largest_scale(network, population, formats)
    neuron = next(p.neuron for p in network.populations if p.name == population)
    peak = 0.0 if neuron.v_threshold is None else float(np.abs(neuron.v_threshold).max())
    ceiling = formats.threshold.hi / peak if peak else float("inf")
    tries = [min(largest * 2 ** (3 * i / n_tries), ceiling) for i in range(n_tries)]
    return min(tries, key=lambda s: weight_error(network, population, s, formats))
