"""The one rule that turns trained floats into a chip's integers, given a scale for each population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import DECAY_ALL
from ir.arrays import Array
from ir.check import require
from ir.chip import Chip, IntFormat
from ir.connection import with_weight
from ir.network import LIF, Network
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork

WEIGHT_EXP = 6
"""A weight of 1 adds ``1 << 6`` to a register, in every arithmetic."""


@dataclass(frozen=True)
class Formats:
    """The number formats a network is quantized to.

    Attributes:
        bias_exp: exponent that biases are stored with; at 6 a bias counts like a weight.
    """

    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    arithmetic: str
    bias_exp: int = WEIGHT_EXP

    @staticmethod
    def of(chip: Chip, weight_bits: int = 8) -> Formats:
        """Formats of a chip with weights of at most ``weight_bits``: fewer bits keep the range and coarsen the step."""
        own = chip.weight
        step = own.step << max(0, (own.n_values - 1).bit_length() - weight_bits)
        weight = IntFormat(-(-own.lo // step) * step, own.hi // step * step, step)
        bias_exp = min(WEIGHT_EXP, chip.bias_exp_max)
        return Formats(weight, chip.threshold, chip.decay, chip.bias, chip.arithmetic, bias_exp)

    @property
    def bias_unit(self) -> int:
        """Bias mantissa units a weight mantissa unit."""
        return 1 << (WEIGHT_EXP - self.bias_exp)


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
            f"population {p.name!r} fires several times in one time step (sinabs' and rockpool's neurons do), which no "
            "chip here can; train it with one spike a time step, or read the file with --as norse, where it then fires "
            "once and the network computes something else",
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
    leak_u = n.leak_u(dt_s)
    return FixedLIF(
        decay_v=_whole(DECAY_ALL * (1 - n.leak_v(dt_s)), formats.decay),
        v_threshold=None if n.v_threshold is None else _whole(np.asarray(n.v_threshold) * scale, formats.threshold),
        decay_u=DECAY_ALL if leak_u is None else _whole(DECAY_ALL * (1 - leak_u), formats.decay, offset=1),
        bias=None
        if n.bias is None or not np.any(n.bias)
        else _whole(np.asarray(n.bias) * scale * formats.bias_unit, formats.bias),
        bias_exp=formats.bias_exp,
        reset=n.reset,
        refractory=n.refractory,
        v_min=None if n.v_min is None else _edge(n.v_min * scale * (1 << WEIGHT_EXP)),
    )


def _edge(v_min: float) -> int | None:
    """The lower edge as a register value; None where no register reaches so far."""
    return int(np.rint(v_min)) if v_min > -(1 << 31) else None


def _whole(values: Array, form: IntFormat, offset: int = 0) -> Array:
    """The nearest numbers of a format whose registers hold ``value - offset``."""
    held = np.rint((np.rint(values) - offset) / form.step) * form.step
    top = form.hi // form.step * form.step
    return np.clip(held, form.lo, top).astype(np.int64) + offset


def largest_scale(network: Network, population: str, formats: Formats) -> float:
    """The largest scale at which no weight, threshold or bias of a population leaves its format.

    Raises:
        ValueError: a format lacks a sign that the population needs.
    """
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
    weights = [np.asarray(e.connection.weight) for e in network.projections if e.post == population]
    return [x for w in weights for x in _ends(w, formats.weight)] + _neuron_limits(network, population, formats)


def _neuron_limits(network: Network, population: str, formats: Formats) -> list[float]:
    """The same for thresholds and biases alone."""
    neuron = next(p.neuron for p in network.populations if p.name == population)
    threshold = [] if neuron.v_threshold is None else _ends(np.asarray(neuron.v_threshold), formats.threshold)
    bias = [] if neuron.bias is None else _ends(np.asarray(neuron.bias) * formats.bias_unit, formats.bias)
    return threshold + bias


def _ends(values: Array, form: IntFormat) -> list[float]:
    """Factors that carry the largest and the least of ``values`` to the ends of a format."""
    top, bottom = float(values.max(initial=0)), float(values.min(initial=0))
    return ([form.hi / top] if top > 0 else []) + ([form.lo / bottom] if bottom < 0 else [])


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
    ceiling = min(_neuron_limits(network, population, formats), default=float("inf"))
    tries = [min(largest * 2 ** (3 * i / n_tries), ceiling) for i in range(n_tries)]
    return min(tries, key=lambda s: weight_error(network, population, s, formats))
