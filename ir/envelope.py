"""The safe envelope: integers that Lava, nengo-loihi's emulator and the chip compute alike, whatever the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.arithmetic import ARITHMETICS, Arithmetic
from ir.arrays import Array, magnitudes
from ir.chip import Chip
from ir.formats import LOIHI, Excess, RegisterFormats
from ir.quantized import FixedProjection, QuantizedNetwork
from ir.worst_case import drive_bounds, worst_sums

__all__ = ["Excess", "check_envelope", "worst_sums"]


def check_envelope(
    network: QuantizedNetwork,
    target: Chip | str | None = None,
    largest_count: int = 1,
    frames: Array | None = None,
    t0: int = 0,
) -> tuple[Excess, ...]:
    """Find everything that chips and their emulators do not compute alike.

    Outside: odd weights of mixed sign or more than 8 bits, negative exponents that lose bits (but the bits behind the
    point of payloads, where the receiver itself rounds them: ``FixedNeuron.rounds_payloads``), numbers that their
    registers do not hold, and sums that the worst-case input (every excitatory source at once, or every inhibitory
    one) carries over the edge of the accumulator or the current. Saturating registers are inside: all clip alike. Sums
    of changes (``FixedNeuron.adds_changes``) have no worst case; a run counts where they wrap.

    Args:
        target: the chip, whose edges count beside those of the network's own arithmetic, which the run keeps; or the
            name of an arithmetic for what all with it hold; None = the network's own.
        largest_count: how often an input arrives in one time step at most.
        frames: (T, B, N_in) all the input there will be; then it, not any input, is the worst case, and
            ``largest_count`` does not count.
        t0: time steps before these frames, in which no more came at once; currents may have added up since.
    """
    name = target.arithmetic if isinstance(target, Chip) else target or network.arithmetic
    formats = RegisterFormats.of(target) if isinstance(target, Chip) else LOIHI
    both = dict.fromkeys((name, network.arithmetic) if isinstance(target, Chip) else (name,))
    found: list[Excess] = []
    neurons = {p.name: p.neuron for p in network.populations}
    for e in network.projections:
        behind_point = neurons[e.pre].payload_bits if e.pre in neurons and neurons[e.post].rounds_payloads else 0
        found += _check_projection(e, formats, behind_point)
    for p in network.populations:
        found += p.neuron.excesses(p.name, formats, name)
        if p.neuron.adds_changes:
            continue
        sums = (
            _check_sums(
                p.name,
                worst_case(network, p.name, ARITHMETICS[x], largest_count, frames, t0),
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
    t0: int = 0,
) -> WorstCase:
    """The worst case of one forward step in the accumulator, and of all time steps in the current.

    Args:
        frames: (T, B, N_in) all the input there will be; looked at one by one only where all of it at once, which is
            quickly seen, would be too much.
        t0: time steps before these frames.
    """
    if frames is None:
        return _worst_case(network, population, arithmetic, largest_count, None, float("inf"))
    count, n_steps = float(magnitudes(frames).max(initial=0)), float(frames.shape[0] + t0)
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
    unit = 1 << neuron.drive_shift(arithmetic)
    at_once = drive_bounds(network, population, count, frames, one_round=True).max(0) * unit
    in_all = drive_bounds(network, population, count, frames).max(0) * unit
    kept = neuron.worst_current(at_once, in_all, n_steps, arithmetic)
    held = arithmetic.u_wrap == "saturate"
    edges = 1 << (arithmetic.accumulator_bits or 31), 1 << (31 if held else arithmetic.u_bits)
    return WorstCase(float(np.max(at_once)), edges[0], float(np.max(kept)), edges[1])


def _check_projection(projection: FixedProjection, formats: RegisterFormats, behind_point: int) -> list[Excess]:
    """What is outside of a projection whose receivers shift its sum by so many bits themselves."""
    who = f"{projection.pre} -> {projection.post}"
    weight, exponent = projection.connection.weight.astype(np.int64), projection.weight_exp
    found: list[Excess] = []
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    form = formats.weights(low, high)
    if low < form.lo or high > form.hi:
        number = low if low < form.lo else high
        bits = (formats.weight.n_values - 1).bit_length()
        found.append(Excess(who, f"a weight lies outside {form.lo}..{form.hi}", number, f"quantize to {bits} bits"))
    n_odd = int((weight % form.step != 0).sum())
    if n_odd:
        mixed = form.step == 2 and low < 0 < high
        what = "odd weights of mixed sign" if mixed else f"weights that {form.step} does not divide"
        remedy = "quantize mixed signs to even weights, whose last bit the chip does not store"
        found.append(Excess(who, what, n_odd, remedy if mixed else "quantize to the chip's own weights"))
    if exponent > formats.weight_exp_max:
        what = f"weight exponent above {formats.weight_exp_max}"
        found.append(Excess(who, what, exponent, "scale the weights instead"))
    shift = max(-exponent - behind_point, 0)
    n_lossy = int(((weight & ((1 << shift) - 1)) != 0).sum())
    if n_lossy:
        remedy = f"use weights that {1 << shift} divides, or an exponent of at least {-behind_point}"
        found.append(Excess(who, f"weights lose bits to exponent {exponent}", n_lossy, remedy))
    return found


def _check_sums(who: str, worst: WorstCase, whose: str) -> list[Excess]:
    found: list[Excess] = []
    if worst.accumulator >= worst.accumulator_edge:
        what = f"the summed drive may reach the accumulator's edge {worst.accumulator_edge}{whose}"
        remedy = "use smaller weights, a smaller exponent or fewer synapses"
        found.append(Excess(who, what, _whole(worst.accumulator), remedy))
    if worst.current >= worst.current_edge:
        what = f"the current may reach its edge {worst.current_edge}{whose}"
        found.append(Excess(who, what, _whole(worst.current), "use smaller weights or a faster decay_u"))
    return found


def _whole(reached: float) -> int:
    return int(min(reached, 2.0**62))
