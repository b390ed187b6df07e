"""The safe envelope: integers that Lava, nengo-loihi's emulator and the chip compute alike, whatever the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import ARITHMETICS, DECAY_ALL, Arithmetic
from ir.arrays import Array, magnitudes
from ir.chip import Chip, IntFormat
from ir.quantized import FixedLIF, FixedProjection, QuantizedNetwork
from ir.worst_case import drive_bounds, worst_sums

__all__ = ["Finding", "check_envelope", "worst_sums"]


@dataclass(frozen=True)
class Registers:
    """What a chip's registers hold.

    Attributes:
        weight: of mixed sign. A step of 2 where there are two signs is the sign's bit: weights of one sign have it
            for themselves.
    """

    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    weight_exp_max: int
    bias_exp_max: int

    @staticmethod
    def of(chip: Chip) -> Registers:
        """Those of ``chip``."""
        formats = chip.weight, chip.threshold, chip.decay, chip.bias
        return Registers(*formats, chip.weight_exp[1], chip.bias_exp_max)

    def weights(self, low: int, high: int) -> IntFormat:
        """The format of weights that reach from ``low`` to ``high``."""
        own = self.weight
        sign = int(own.step == 2 and own.lo < 0 < own.hi)
        if low < 0 < high or not sign:
            return own
        return IntFormat(own.lo + sign, 0) if low < 0 else IntFormat(0, own.hi + sign)


LOIHI = Registers(
    IntFormat(-256, 254, 2),
    IntFormat(0, (1 << 17) - 1),
    IntFormat(0, DECAY_ALL - 1),
    IntFormat(-(1 << 12) + 1, (1 << 12) - 1),
    weight_exp_max=7,
    bias_exp_max=7,
)
"""Weights as lava-nc 0.10.0's ``Dense`` has them; the rest as Davies et al. 2018 and nengo-loihi 1.1.0 have it."""


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
        target: the chip, whose edges count beside those of the network's own arithmetic, which the run keeps; or the
            name of an arithmetic for what all with it hold; None = the network's own.
        largest_count: how often an input arrives in one time step at most.
        frames: (T, B, N_in) all the input there will be; then it, not any input, is the worst case, and
            ``largest_count`` does not count.
    """
    name = target.arithmetic if isinstance(target, Chip) else target or network.arithmetic
    registers = Registers.of(target) if isinstance(target, Chip) else LOIHI
    both = dict.fromkeys((name, network.arithmetic) if isinstance(target, Chip) else (name,))
    found: list[Finding] = []
    for projection in network.projections:
        found += _check_projection(projection, registers)
    for p in network.populations:
        found += _check_registers(p.name, p.neuron, registers)
        found += [] if name == "lava" else _check_decays(p.name, p.neuron, registers.decay)
        sums = (
            _check_sums(
                p.name,
                worst_case(network, p.name, ARITHMETICS[x], largest_count, frames),
                "" if x == name else f" in arithmetic {x!r}, which the integers keep",
            )
            for x in both
        )
        found += next((outside for outside in sums if outside), [])
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


def _check_projection(projection: FixedProjection, registers: Registers) -> list[Finding]:
    who = f"{projection.pre} -> {projection.post}"
    weight, exponent = projection.connection.weight.astype(np.int64), projection.weight_exp
    found: list[Finding] = []
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    form = registers.weights(low, high)
    if low < form.lo or high > form.hi:
        number = low if low < form.lo else high
        bits = (registers.weight.n_values - 1).bit_length()
        found.append(Finding(who, f"a weight lies outside {form.lo}..{form.hi}", number, f"quantize to {bits} bits"))
    n_odd = int((weight % form.step != 0).sum())
    if n_odd:
        mixed = form.step == 2 and low < 0 < high
        what = "odd weights of mixed sign" if mixed else f"weights that {form.step} does not divide"
        remedy = "quantize mixed signs to even weights, whose last bit the chip does not store"
        found.append(Finding(who, what, n_odd, remedy if mixed else "quantize to the chip's own weights"))
    if exponent > registers.weight_exp_max:
        what = f"weight exponent above {registers.weight_exp_max}"
        found.append(Finding(who, what, exponent, "scale the weights instead"))
    if exponent < 0 and bool((weight & ((1 << -exponent) - 1)).any()):
        n_lossy = int(((weight & ((1 << -exponent) - 1)) != 0).sum())
        remedy = f"use weights that {1 << -exponent} divides, or an exponent of at least 0"
        found.append(Finding(who, f"weights lose bits to exponent {exponent}", n_lossy, remedy))
    return found


def _check_registers(who: str, neuron: FixedLIF, registers: Registers) -> list[Finding]:
    found: list[Finding] = []
    if neuron.v_threshold is not None:
        threshold, form = np.asarray(neuron.v_threshold), registers.threshold
        if int(threshold.max()) > form.hi:
            remedy = "scale weights and threshold down"
            found.append(Finding(who, f"threshold above {form.hi}", int(threshold.max()), remedy))
        found += _check_steps(who, "thresholds", threshold, form)
    if neuron.register_bias() is not None:
        bias, form, most = np.asarray(neuron.bias), registers.bias, registers.bias_exp_max
        if int(bias.max()) > form.hi or int(bias.min()) < form.lo:
            largest = int(np.abs(bias).max())
            what = f"bias mantissa above {form.hi}" if form.lo == -form.hi else f"bias outside {form.lo}..{form.hi}"
            found.append(Finding(who, what, largest, "raise bias_exp instead"))
        found += _check_steps(who, "biases", bias, form)
        if not 0 <= neuron.bias_exp <= most:
            found.append(Finding(who, f"bias_exp outside 0..{most}", neuron.bias_exp, "scale the bias"))
    return found


def _check_steps(who: str, what: str, values: Array, form: IntFormat) -> list[Finding]:
    """Numbers between those that a register can hold."""
    n = int((values % form.step != 0).sum())
    remedy = "quantize the trained network for this chip"
    return [Finding(who, f"{what} that {form.step} does not divide", n, remedy)] if n else []


def _check_decays(who: str, neuron: FixedLIF, form: IntFormat) -> list[Finding]:
    """Decays that the chip's registers do not hold; Lava's own processes hold all from 0 to 4096."""
    decay_v, decay_u, most = np.asarray(neuron.decay_v), np.asarray(neuron.decay_u), form.hi
    found: list[Finding] = []
    n = int((decay_v > most).sum())
    if n:
        what = f"decay_v above {most} does not fit the register"
        found.append(Finding(who, what, n, f"use {most}"))
    n = int((decay_u == 0).sum())
    if n:
        found.append(Finding(who, "decay_u of 0 does not exist on the chip, which adds 1", n, "use at least 1"))
    n = int(((decay_u > most + 1) & (decay_u < DECAY_ALL)).sum())  # all of it: no current memory, no register
    if n:
        found.append(Finding(who, f"decay_u above {most + 1} does not fit the register", n, f"use {most + 1}"))
    return found + _check_steps(who, "decay_v", decay_v, form)


def _check_sums(who: str, worst: WorstCase, whose: str) -> list[Finding]:
    found: list[Finding] = []
    if worst.accumulator >= worst.accumulator_edge:
        what = f"the summed drive may reach the accumulator's edge {worst.accumulator_edge}{whose}"
        remedy = "use smaller weights, a smaller exponent or fewer synapses"
        found.append(Finding(who, what, _whole(worst.accumulator), remedy))
    if worst.current >= worst.current_edge:
        what = f"the current may reach its edge {worst.current_edge}{whose}"
        found.append(Finding(who, what, _whole(worst.current), "use smaller weights or a faster decay_u"))
    return found


def _whole(reached: float) -> int:
    return int(min(reached, 2.0**62))
