"""What quantization did to each population, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import ARITHMETICS
from ir.network import Network
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.trace import Trace


@dataclass(frozen=True)
class PopulationReport:
    """One population before and after rounding.

    Attributes:
        scale: weight mantissa units a trained unit.
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
    trained: Network, fixed: QuantizedNetwork, before: Trace | None = None, after: Trace | None = None
) -> tuple[PopulationReport, ...]:
    """Compare a trained network with its integers, and their runs on the same samples where given."""
    return tuple(_one(trained, fixed, p, before, after) for p in fixed.populations)


def _one(
    trained: Network, fixed: QuantizedNetwork, p: FixedPopulation, before: Trace | None, after: Trace | None
) -> PopulationReport:
    error, clipped = _weight_error(trained, fixed, p)
    rates = [None if trace is None else _rate(trace, p.name) for trace in (before, after)]
    used = None
    if after is not None and after.v is not None:
        peak = float(np.abs(after.v[:, :, after.population_slice(p.name)]).max(initial=0))
        used = peak / ARITHMETICS[fixed.arithmetic].v_max
    warnings = _warnings(trained, p, clipped, used, *rates)
    return PopulationReport(p.name, p.scale, error, clipped, used, rates[0], rates[1], warnings)


def _weight_error(trained: Network, fixed: QuantizedNetwork, p: FixedPopulation) -> tuple[float, float]:
    error = power = clipped = n = 0.0
    for before, after in zip(trained.projections, fixed.projections):
        if after.post == p.name:
            wanted = np.asarray(before.connection.weight, np.float64) * p.scale
            got = np.asarray(after.connection.weight, np.float64) * 2.0**after.weight_exp
            error += float(((got - wanted) ** 2).sum())
            power += float((wanted**2).sum())
            far = np.abs(wanted) > np.abs(got).max(initial=0) + 1
            clipped += float(far.sum())
            n += wanted.size
    return (error / power) ** 0.5 if power else 0.0, clipped / n if n else 0.0


def _rate(trace: Trace, name: str) -> float:
    counts = trace.counts[:, trace.population_slice(name)]
    return float(counts.mean()) / max(1, trace.forward_steps.shape[0])


def _warnings(
    trained: Network,
    p: FixedPopulation,
    clipped: float,
    used: float | None,
    rate_trained: float | None,
    rate_fixed: float | None,
) -> tuple[str, ...]:
    found: list[str] = []
    wanted = next(q.neuron.v_threshold for q in trained.populations if q.name == p.name)
    if wanted is not None and bool(((np.asarray(wanted) > 0) & (np.asarray(p.neuron.v_threshold) == 0)).any()):
        found.append("threshold rounds to 0: raise the scale (smaller weights beside a larger threshold) or retrain")
    if rate_trained and rate_fixed == 0:
        found.append(
            "no activity: the trained population spikes, the integer one does not; calibrate, or use more bits"
        )
    grown = rate_trained is not None and rate_fixed is not None and rate_fixed > 0.5 + rate_trained / 2
    clips = clipped > 0.01 and rate_fixed is None  # a calibrated search clips where spikes gain from it: the run judges
    if clips or (used is not None and used >= 1) or grown:
        found.append("saturated: weights are clipped, the register is full or nearly all neurons fire; lower the scale")
    return tuple(found)
