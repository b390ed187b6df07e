"""Post-training quantization: for each population search scale, threshold and decay that keep its spikes; round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.check import require
from ir.chip import Chip
from ir.fixed_point import best_scale, largest_scale, to_fixed
from ir.formats import Formats
from ir.graph import layered_order
from ir.network import Network
from ir.neurons import Neuron
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from ir.safe_scales import ROUNDING_ROOM, headroom, safe_scales
from ir.trace import Trace

SCALE_STEPS = (1.0, 0.94, 0.87, 1.12, 1.25, 1.4, 1.6, 1.85, 2.2, 2.6)
"""Tried scales, as shares of the one at which no weight is clipped: above 1 outliers are clipped, the rest gains."""

THRESHOLD_STEPS = (1.0, 0.98, 1.02, 0.95, 1.05, 0.9, 1.1, 0.8, 1.2)
"""Tried thresholds, as shares of the trained one: coarse weights shift a neuron's mean drive."""

DECAY_STEPS = (1.0, 0.9, 1.1, 0.8, 1.25)
"""Tried membrane time constants, as shares of the trained one, where a population remembers at all."""

FEW = 128
"""Weights that take as many values or fewer gain from a scale that clips outliers."""


@dataclass(frozen=True)
class Calibration:
    """Real activity that the integers should reproduce.

    Attributes:
        target: a run of the trained network (E0) on some samples.
        measure: runs a candidate on the same samples, e.g. on the reference simulator.
        frames: (T, B, N_in) of the samples: the sums they can bring about stay inside the registers; None = those of
            any input whose counts are 0 or 1.
    """

    target: Trace
    measure: Callable[[QuantizedNetwork], Trace]
    frames: NDArray[Any] | None = None


def quantize(
    network: Network, chip: Chip, weight_bits: int = 8, calibration: Calibration | None = None
) -> QuantizedNetwork:
    """Round a trained network to a chip's formats.

    Without calibration every population uses the whole range of its weights (8 bits) or the scale with
    the smallest weight error (fewer bits). With it, population by population in layered order, first the
    scale, then the threshold, then the decay is chosen whose spikes differ least from the trained
    network's. No scale is so large that the worst case carries a sum over a register's edge.

    Args:
        weight_bits: 8, 6, 4 or 2.

    Returns:
        The integers, each population with its scale.

    Raises:
        ValueError: the chip's formats have no number for a sign or a decay.
    """
    formats = Formats.of(chip, weight_bits)
    check_decays(network, chip)
    first_guess = largest_scale if formats.weight.n_values > FEW else best_scale
    frames = None if calibration is None else calibration.frames
    most = safe_scales(network, Formats.of(chip), frames)
    scales = {p.name: min(float(first_guess(network, p.name, formats)), most[p.name]) for p in network.populations}
    scales = {name: inside(network, name, scales, formats, frames) for name in scales}
    if calibration is None:
        return to_fixed(network, scales, formats)
    for name in (name for name in layered_order(network).order if name not in pooling(network)):
        scales = _search_scale(network, name, scales, formats, calibration, most[name])
        network = _search_threshold(network, name, scales, formats, calibration)
        network = _search_decay(network, name, scales, formats, calibration)
    return to_fixed(network, scales, formats)


def check_decays(network: Network, chip: Chip) -> None:
    """Raise where a population decays faster than the chip can.

    Raises:
        ValueError: which population, the decay it needs, the chip's largest.
    """
    for p in network.populations:
        for decay in p.neuron.decays(network.dt_s):
            need, most = int(np.rint(DECAY_ALL * decay).max()), chip.decay.hi
            require(
                need <= most + 1,
                f"population {p.name!r} loses {need}/{DECAY_ALL} a time step, {chip.title} at most {most}; "
                "use a longer time constant, a shorter time step, or another chip",
            )


def inside(
    network: Network, name: str, scales: dict[str, float], formats: Formats, frames: NDArray[Any] | None
) -> float:
    """The scale of a population, made smaller where weights that round up carry a sum over a register's edge."""
    scale, arithmetic = scales[name], ARITHMETICS[formats.arithmetic]
    if name in pooling(network):
        return scale  # its weights stay 1
    while True:
        fixed = to_fixed(network, {**scales, name: scale}, formats)
        room = headroom(fixed, name, arithmetic, frames)
        if room > 1:
            return scale
        scale *= room * ROUNDING_ROOM


def mismatch(target: Trace, candidate: Trace, population: str) -> float:
    """Differing spikes of a population, as a share of the target's: sum |counts - counts| / sum counts."""
    at = target.population_slice(population)
    wanted = np.asarray(target.counts[:, at], np.int64)
    difference = np.abs(np.asarray(candidate.counts[:, at], np.int64) - wanted).sum()
    return float(difference) / max(1, int(wanted.sum()))


def _search_scale(
    network: Network, name: str, scales: dict[str, float], formats: Formats, calibration: Calibration, most: float
) -> dict[str, float]:
    largest = min(largest_scale(network, name, formats), most)
    tries = [scales[name], *(min(largest * step, most) for step in SCALE_STEPS)]
    rough = ({**scales, name: float(np.float64(s))} for s in tries)
    candidates = [{**c, name: inside(network, name, c, formats, calibration.frames)} for c in rough]
    return min(candidates, key=lambda c: _score(network, name, c, formats, calibration))


def _search_threshold(
    network: Network, name: str, scales: dict[str, float], formats: Formats, calibration: Calibration
) -> Network:
    candidates = _with_neuron(network, name, lambda n: [n.with_threshold_times(x) for x in THRESHOLD_STEPS])
    return min(candidates, key=lambda n: _score(n, name, scales, formats, calibration), default=network)


def _search_decay(
    network: Network, name: str, scales: dict[str, float], formats: Formats, calibration: Calibration
) -> Network:
    dt_s = network.dt_s
    candidates = _with_neuron(network, name, lambda n: [n.with_memory_times(x, dt_s) for x in DECAY_STEPS])
    return min(candidates, key=lambda n: _score(n, name, scales, formats, calibration), default=network)


def _with_neuron(network: Network, name: str, variants: Callable[[Neuron], list[Neuron | None]]) -> list[Network]:
    """The network with each variant of a population's neuron; none where there is nothing to vary."""
    at = next(i for i, p in enumerate(network.populations) if p.name == name)
    before, p, after = network.populations[:at], network.populations[at], network.populations[at + 1 :]
    found = [neuron for neuron in variants(p.neuron) if neuron is not None]
    return [replace(network, populations=(*before, replace(p, neuron=n), *after)) for n in found]


def search_runs(network: Network) -> int:
    """How often a calibrated search runs the network."""
    scales = (len(network.populations) - len(pooling(network))) * (1 + len(SCALE_STEPS))
    thresholds = sum(p.neuron.with_threshold_times(1.0) is not None for p in network.populations)
    memories = sum(p.neuron.with_memory_times(1.0, network.dt_s) is not None for p in network.populations)
    return scales + thresholds * len(THRESHOLD_STEPS) + memories * len(DECAY_STEPS)


def _score(network: Network, name: str, scales: dict[str, float], formats: Formats, calibration: Calibration) -> float:
    return mismatch(calibration.target, calibration.measure(to_fixed(network, scales, formats)), name)
