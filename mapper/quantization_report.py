"""What quantization did to each population, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.chip import IntFormat
from ir.coding import delivered
from ir.fixed_point import of_weights
from ir.network import Network
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.trace import Trace


@dataclass(frozen=True)
class PopulationReport:
    """One population before and after rounding.

    Attributes:
        scale: weight mantissa units a trained unit; the mean where each neuron has its own.
        weight_error: root mean square of the weight error over that of the weights.
        clipped_share: share of weights beyond the format.
        membrane_used: largest membrane met, as a share of the register; None without a run.
        rate_trained, rate_fixed: spikes a neuron and time step; None without runs.
        warnings: what is wrong, each with its remedy.
    """

    population: str
    scale: float
    weight_error: float
    clipped_share: float
    membrane_used: float | None
    rate_trained: float | None
    rate_fixed: float | None
    warnings: tuple[str, ...]


def report(
    trained: Network,
    fixed: QuantizedNetwork,
    weight: IntFormat,
    before: Trace | None = None,
    after: Trace | None = None,
) -> tuple[PopulationReport, ...]:
    """Compare a trained network with its integers, and their runs on the same samples where given.

    Args:
        weight: the format its weights were rounded to.
    """
    return tuple(_one(trained, fixed, p, weight, before, after) for p in fixed.populations)


def _one(
    trained: Network,
    fixed: QuantizedNetwork,
    p: FixedPopulation,
    weight: IntFormat,
    before: Trace | None,
    after: Trace | None,
) -> PopulationReport:
    error, clipped = _weight_error(trained, fixed, p, weight)
    rates = [None if trace is None else _rate(trace, p.name) for trace in (before, after)]
    used = None
    if after is not None and after.v is not None:
        peak = float(np.abs(after.v[:, :, after.population_slice(p.name)]).max(initial=0))
        used = peak / ARITHMETICS[fixed.arithmetic].v_max
    found = PopulationReport(p.name, float(np.mean(p.scale)), error, clipped, used, rates[0], rates[1], ())
    return replace(found, warnings=_warnings(trained, fixed, p, found))


def _weight_error(
    trained: Network, fixed: QuantizedNetwork, p: FixedPopulation, form: IntFormat
) -> tuple[float, float]:
    """Root mean square of the rounding over that of the weights; share of weights beyond the ends of the format."""
    error = power = clipped = n = 0.0
    bits = {q.name: q.neuron.payload_bits for q in fixed.populations}
    for before, after in zip(trained.projections, fixed.projections):
        if after.post == p.name:
            wanted = np.asarray(delivered(trained, before), np.float64) * of_weights(before.connection, p.scale)
            got = np.asarray(after.connection.weight, np.float64) * 2.0 ** (after.weight_exp + bits.get(after.pre, 0))
            error += float(((got - wanted) ** 2).sum())
            power += float((wanted**2).sum())
            clipped += float(((wanted > form.hi + form.step / 2) | (wanted < form.lo - form.step / 2)).sum())
            n += wanted.size
    return (error / power) ** 0.5 if power else 0.0, clipped / n if n else 0.0


def _rate(trace: Trace, name: str) -> float:
    counts = trace.counts[:, trace.population_slice(name)]
    return float(counts.mean()) / max(1, trace.forward_steps.shape[0])


def _warnings(
    trained: Network, fixed: QuantizedNetwork, p: FixedPopulation, found: PopulationReport
) -> tuple[str, ...]:
    wanted = next(q.neuron for q in trained.populations if q.name == p.name)
    said = wanted.lost_in(p.neuron)
    said += _silent(wanted.fires, found, _vanished(trained, fixed, p.name))
    return (*said, *_saturated(found))


def _vanished(trained: Network, fixed: QuantizedNetwork, name: str) -> bool:
    """Whether a population had weights and all of them round to 0."""
    pairs = [pair for pair in zip(trained.projections, fixed.projections) if pair[1].post == name]
    had, has = (any(bool(np.any(pair[i].connection.weight)) for pair in pairs) for i in (0, 1))
    return had and not has


def _silent(fires: bool, found: PopulationReport, vanished: bool) -> list[str]:
    """What is said of a population that does not spike."""
    if vanished:
        return ["no activity: every weight rounds to 0; use more bits, or retrain with a smaller threshold or bias"]
    if not fires or found.rate_fixed != 0:
        return []
    if found.rate_trained:
        return [
            "no activity: the trained population spikes, the integer one does not; calibrate with more samples, use "
            "more bits, or train on the chip's integers"
        ]
    return [
        "no activity: neither the trained nor the integer population spikes on these samples; calibrate with samples "
        "that drive it, or retrain with a smaller threshold"
    ]


def _saturated(found: PopulationReport) -> list[str]:
    """What is said of weights at the ends of their format, full registers, and neurons that fire nearly always."""
    if found.membrane_used is not None and found.membrane_used >= 1:
        return [
            "saturated: its membrane reaches the end of the register; retrain with a shorter time constant, smaller "
            "weights or a smaller bias"
        ]
    if found.rate_trained is not None and found.rate_fixed is not None:
        if found.rate_fixed > 0.5 + found.rate_trained / 2:
            return [
                "saturated: nearly all neurons fire where the trained ones do not; calibrate with more samples, or use "
                "more bits"
            ]
    elif found.clipped_share > 0.01:  # a calibrated search clips where spikes gain from it: the run judges
        clipped = f"{100 * found.clipped_share:.0f} % of its weights are clipped"
        return [f"saturated: {clipped}; calibrate, which chooses the scale by spikes, or use more bits"]
    return []
