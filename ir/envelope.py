"""The safe envelope: integers that Lava, nengo-loihi's emulator and the chip compute alike, whatever the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic
from ir.arrays import magnitudes
from ir.chip import Chip
from ir.quantized import FixedLIF, FixedProjection, QuantizedNetwork
from ir.worst_case import drive_bounds, worst_sums

__all__ = ["Finding", "check_envelope", "worst_sums"]

Array = NDArray[Any]

MIXED, EXCITATORY, INHIBITORY = (-256, 254), (0, 255), (-255, 0)
"""Weights of 8 bits by sign mode; mixed ones are even (lava-nc 0.10.0, ``Dense``; 8 bits with sign on Loihi)."""

WEIGHT_EXP_MAX = 7
THRESHOLD_MAX = (1 << 17) - 1
BIAS_MAX = (1 << 12) - 1
BIAS_EXP_MAX = 7
"""Register formats of Loihi 1 (Davies et al. 2018; nengo-loihi 1.1.0's validation)."""


@dataclass(frozen=True)
class Finding:
    """Something outside the envelope.

    Attributes:
        layer: a population, or a projection as ``pre -> post``.
        what: what is outside.
        number: how far.
        remedy: the way out.
    """

    layer: str
    what: str
    number: int
    remedy: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.what} ({self.number}); {self.remedy}"


def check_envelope(
    network: QuantizedNetwork, target: Chip | str | None = None, largest_count: int = 1, frames: Array | None = None
) -> tuple[Finding, ...]:
    """Find everything that chips and their emulators do not compute alike.

    Outside: odd weights of mixed sign or more than 8 bits, negative exponents that lose bits, numbers that their
    registers do not hold, and sums that the worst-case input (every excitatory source at once, or every inhibitory
    one) carries over the edge of the accumulator or the current. Saturating membranes are inside: all clip alike.

    Args:
        target: the chip, or the name of an arithmetic for what all with it hold; None = the network's own.
        largest_count: how often an input arrives in one time step at most.
        frames: (T, B, N_in) all the input there will be; then it, not any input, is the worst case, and
            ``largest_count`` does not count.
    """
    name = target.arithmetic if isinstance(target, Chip) else target or network.arithmetic
    arithmetic = ARITHMETICS[name]
    most = target.decay.hi if isinstance(target, Chip) else DECAY_ALL - 1
    found: list[Finding] = []
    for projection in network.projections:
        found += _check_projection(projection)
    for p in network.populations:
        found += _check_registers(p.name, p.neuron) + ([] if name == "lava" else _check_decays(p.name, p.neuron, most))
        found += _check_sums(p.name, worst_case(network, p.name, arithmetic, largest_count, frames))
    return tuple(found)


@dataclass(frozen=True)
class WorstCase:
    """The largest register values that any order of any input brings about, and the edges they must not reach."""

    accumulator: float
    accumulator_edge: int
    current: float
    current_edge: int

    @property
    def headroom(self) -> float:
        """By what factor everything that drives the population could grow; below 1 it must shrink."""
        pairs = (self.accumulator_edge, self.accumulator), (self.current_edge, self.current)
        return min(edge / reached if reached else float("inf") for edge, reached in pairs)


def worst_case(
    network: QuantizedNetwork,
    population: str,
    arithmetic: Arithmetic,
    largest_count: float = 1,
    frames: Array | None = None,
) -> WorstCase:
    """The worst case of one forward step in the accumulator, and of all time steps in the current.

    Args:
        frames: (T, B, N_in) all the input there will be; looked at one by one only where all of it at once, which is
            quickly seen, would be too much.
    """
    if frames is None:
        return _worst_case(network, population, arithmetic, largest_count, None, float("inf"))
    count, n_steps = float(magnitudes(frames).max(initial=0)), float(frames.shape[0])
    rough = _worst_case(network, population, arithmetic, count, None, n_steps)
    if rough.headroom > 1:
        return rough
    return _worst_case(network, population, arithmetic, count, frames, n_steps)


def _worst_case(
    network: QuantizedNetwork,
    population: str,
    arithmetic: Arithmetic,
    count: float,
    frames: Array | None,
    n_steps: float,
) -> WorstCase:
    neuron = next(p.neuron for p in network.populations if p.name == population)
    at_once = drive_bounds(network, population, count, frames, one_round=True).max(0) * (1 << arithmetic.weight_shift)
    kept, bias = at_once, neuron.register_bias()
    if neuron.has_current:
        in_all = drive_bounds(network, population, count, frames).max(0) * (1 << arithmetic.weight_shift)
        kept = in_all * np.minimum(DECAY_ALL / np.maximum(np.asarray(neuron.decay_u, np.float64), 0.5), n_steps)
    if bias is not None and arithmetic.bias_in_u:
        kept = kept + np.abs(bias)
    edges = 1 << (arithmetic.accumulator_bits or 31), 1 << arithmetic.u_bits
    return WorstCase(float(np.max(at_once)), edges[0], float(np.max(kept)), edges[1])


def _check_projection(projection: FixedProjection) -> list[Finding]:
    who = f"{projection.pre} -> {projection.post}"
    weight, exponent = projection.connection.weight.astype(np.int64), projection.weight_exp
    found: list[Finding] = []
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    mixed = low < 0 < high
    least, most = MIXED if mixed else INHIBITORY if low < 0 else EXCITATORY
    if low < least or high > most:
        number = low if low < least else high
        found.append(Finding(who, f"a weight lies outside {least}..{most}", number, "quantize to 8 bits"))
    n_odd = int((weight % 2 != 0).sum()) if mixed else 0
    if n_odd:
        remedy = "quantize mixed signs to even weights, whose last bit the chip does not store"
        found.append(Finding(who, "odd weights of mixed sign", n_odd, remedy))
    if exponent > WEIGHT_EXP_MAX:
        found.append(Finding(who, f"weight exponent above {WEIGHT_EXP_MAX}", exponent, "scale the weights instead"))
    if exponent < 0 and bool((weight & ((1 << -exponent) - 1)).any()):
        n_lossy = int(((weight & ((1 << -exponent) - 1)) != 0).sum())
        remedy = f"use weights that {1 << -exponent} divides, or an exponent of at least 0"
        found.append(Finding(who, f"weights lose bits to exponent {exponent}", n_lossy, remedy))
    return found


def _check_registers(who: str, neuron: FixedLIF) -> list[Finding]:
    found: list[Finding] = []
    threshold = 0 if neuron.v_threshold is None else int(np.max(neuron.v_threshold))
    if threshold > THRESHOLD_MAX:
        found.append(Finding(who, f"threshold above {THRESHOLD_MAX}", threshold, "scale weights and threshold down"))
    if neuron.bias is not None and bool(np.any(neuron.bias)):
        largest = int(np.abs(np.asarray(neuron.bias)).max())
        if largest > BIAS_MAX:
            found.append(Finding(who, f"bias mantissa above {BIAS_MAX}", largest, "raise bias_exp instead"))
        if not 0 <= neuron.bias_exp <= BIAS_EXP_MAX:
            found.append(Finding(who, f"bias_exp outside 0..{BIAS_EXP_MAX}", neuron.bias_exp, "scale the bias"))
    return found


def _check_decays(who: str, neuron: FixedLIF, most: int) -> list[Finding]:
    """Decays that the chip's registers do not hold; Lava's own processes hold all from 0 to 4096."""
    found: list[Finding] = []
    n = int((np.asarray(neuron.decay_v) > most).sum())
    if n:
        what = f"decay_v above {most} does not fit the register"
        found.append(Finding(who, what, n, f"use {most}"))
    n = int((np.asarray(neuron.decay_u) == 0).sum())
    if n:
        found.append(Finding(who, "decay_u of 0 does not exist on the chip, which adds 1", n, "use at least 1"))
    return found


def _check_sums(who: str, worst: WorstCase) -> list[Finding]:
    found: list[Finding] = []
    if worst.accumulator >= worst.accumulator_edge:
        what = f"the summed drive may reach the accumulator's edge {worst.accumulator_edge}"
        remedy = "use smaller weights, a smaller exponent or fewer synapses"
        found.append(Finding(who, what, _whole(worst.accumulator), remedy))
    if worst.current >= worst.current_edge:
        what = f"the current may reach its edge {worst.current_edge}"
        found.append(Finding(who, what, _whole(worst.current), "use smaller weights or a faster decay_u"))
    return found


def _whole(reached: float) -> int:
    return int(min(reached, 2.0**62))
