"""Post-training quantization: for each population search scale, threshold and decay that keep its spikes; round.

With calibration data weights are not rounded to the nearest but so that the sums of real spikes change least
(``mapper.rounding``), and each neuron has a scale and a threshold of its own where chip and schedule allow it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.arithmetic import DECAY_ALL
from ir.arrays import Array, Floats
from ir.check import require
from ir.chip import Chip
from ir.fixed_point import best_scale, largest_scale
from ir.formats import Formats
from ir.graph import layered_order
from ir.network import Network
from ir.neurons import Neuron
from ir.pooling import pooling
from ir.quantized import QuantizedNetwork
from ir.safe_scales import safe_scales
from ir.trace import Trace
from mapper.rounding.candidate import Candidate, inside, population
from mapper.rounding.neurons import (
    LOST,
    kernels_of,
    largest_scales,
    neuron_scales,
    own_scale,
    own_threshold,
    row_errors,
)
from mapper.rounding.population import Rows, has_rows, rows_of

SCALE_STEPS = (1.0, 0.94, 0.87, 1.12, 1.25, 1.4, 1.6, 1.85, 2.2, 2.6)
"""Tried scales, as shares of the one at which no weight is clipped: above 1 outliers are clipped, the rest gains."""

THRESHOLD_STEPS = (1.0, 0.98, 1.02, 0.95, 1.05, 0.9, 1.1, 0.8, 1.2)
"""Tried thresholds, as shares of the trained one: coarse weights shift a neuron's mean drive."""

DECAY_STEPS = (1.0, 0.9, 1.1, 0.8, 1.25)
"""Tried membrane time constants, as shares of the trained one, where a population remembers at all."""

FEW = 128
"""Weights that take as many values or fewer gain from a scale that clips outliers."""

ORDERS = 12
"""Drawn orders in which weights are rounded beside the loudest first, at the scale that was found."""

CLIPPED_STEPS = 48
"""Scales, each a quarter more than the one before, that are tried where one scale would lose neurons."""


@dataclass(frozen=True)
class Calibration:
    """Real activity that the integers should reproduce.

    Attributes:
        target: a run of the trained network (E0) on some samples.
        measure: runs a candidate on the same samples, e.g. on the reference simulator.
        frames: (T, B, N_in) of the samples: the sums they can bring about stay inside the registers, and rounding keeps
            them; None = sums of any input whose counts are 0 or 1 stay inside, and weights round to the nearest.
        record: the same as ``measure``, with every spike; None = ``measure`` keeps them.
    """

    target: Trace
    measure: Callable[[QuantizedNetwork], Trace]
    frames: NDArray[Any] | None = None
    record: Callable[[QuantizedNetwork], Trace] | None = None


def quantize(
    network: Network, chip: Chip, weight_bits: int = 8, calibration: Calibration | None = None
) -> QuantizedNetwork:
    """Round a trained network to a chip's formats.

    Without calibration every population uses the whole range of its weights (8 bits) or the scale with
    the smallest weight error (fewer bits); where that would lose neurons beside one with far larger numbers, each
    neuron has its own scale, or the large numbers are clipped. With it, population by population in layered order,
    first the scale, then the threshold, then the decay is chosen whose spikes differ least from the trained
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
    frames = None if calibration is None else calibration.frames
    most = safe_scales(network, Formats.of(chip), frames)
    found = Candidate(
        network, {p.name: _first_scale(network, p.name, chip, formats, most) for p in network.populations}
    )
    for p in network.populations:
        found = inside(found, p.name, formats, frames)
    if calibration is None:
        return found.fixed(formats)
    for name in (name for name in layered_order(network).order if name not in pooling(network)):
        search = _Search(name, chip, formats, calibration, most[name])
        found = search.decay(search.threshold(search.scale(found)))
    return found.fixed(formats)


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


def _first_scale(network: Network, name: str, chip: Chip, formats: Formats, most: dict[str, float]) -> Array | float:
    """The scale without a run: one for all, unless that loses neurons."""
    guess = largest_scale if formats.weight.n_values > FEW else best_scale
    scale = min(float(guess(network, name, formats)), most[name])
    p = population(network, name)
    if name in pooling(network) or p.neuron.FEED_FORWARD or not (row_errors(network, p, scale, formats) > LOST).any():
        return scale
    if own_scale(network, p, chip):
        return largest_scales(network, p, formats)
    tries = [min(scale * 1.25**i, float(neuron_scales(network, p, formats).min())) for i in range(CLIPPED_STEPS)]
    return min(tries, key=lambda s: float(row_errors(network, p, s, formats).mean()))


def mismatch(target: Trace, candidate: Trace, population: str) -> float:
    """Differing spikes of a population, as a share of the target's: sum |counts - counts| / sum counts."""
    wanted = int(np.sum(target.counts[:, target.population_slice(population)], dtype=np.int64))
    return float(_differing(target, candidate, population).sum()) / max(1, wanted)


def _differing(target: Trace, candidate: Trace, population: str) -> Floats:
    """(n,) sum |counts - counts| of each neuron."""
    at = target.population_slice(population)
    return np.abs(np.asarray(candidate.counts[:, at], np.int64) - target.counts[:, at]).sum(0)


@dataclass(frozen=True, eq=False)
class _Search:
    """What is tried for one population."""

    name: str
    chip: Chip
    formats: Formats
    calibration: Calibration
    most: float

    def scale(self, start: Candidate) -> Candidate:
        """The scale whose integers, rounded for it, bring the closest spikes; a neuron's own where it may be."""
        network, formats = start.network, self.formats
        p, rows = population(network, self.name), self._rows(start)
        own = own_scale(network, p, self.chip)
        ends = neuron_scales(network, p, formats) if own else np.inf
        largest = largest_scales(network, p, formats) if own else largest_scale(network, self.name, formats)
        steps = [np.minimum(largest * step, ends) if own else min(largest * step, self.most) for step in SCALE_STEPS]
        tries = [self._at(start, scale, rows) for scale in (start.scales[self.name], *steps)]
        if not own:
            return self._rounded(min(tries, key=lambda c: float(self._differing(c).sum())), rows)
        scales = np.array([np.broadcast_to(c.scales[self.name], (p.n,)) for c in tries])
        return self._rounded(self._best(tries, lambda best: self._at(start, scales[best, np.arange(p.n)], rows)), rows)

    def _rounded(self, start: Candidate, rows: Rows | None) -> Candidate:
        """Each neuron with the weights, of several roundings at its scale, that bring the closest spikes."""
        if rows is None:
            return start
        scale = start.scales[self.name]
        drawn = [self._at(start, scale, rows.drawn(seed)) for seed in range(ORDERS)]
        tries = [start, *(c for c in drawn if np.array_equal(c.scales[self.name], scale))]
        return self._best(tries, lambda best: start.with_rows_of(tries, best))

    def threshold(self, start: Candidate) -> Candidate:
        """The threshold that brings the closest spikes; a neuron's own where the chip has such."""
        p = population(start.network, self.name)
        tries = self._with_neuron(start, [p.neuron.with_threshold_times(x) for x in THRESHOLD_STEPS])
        if not tries or not own_threshold(p, self.chip):
            return min(tries, key=lambda c: float(self._differing(c).sum()), default=start)
        steps = np.array(THRESHOLD_STEPS)
        return self._best(tries, lambda best: self._with_neuron(start, [p.neuron.with_threshold_times(steps[best])])[0])

    def decay(self, start: Candidate) -> Candidate:
        """The memory that brings the closest spikes."""
        p, dt_s = population(start.network, self.name), start.network.dt_s
        tries = self._with_neuron(start, [p.neuron.with_memory_times(x, dt_s) for x in DECAY_STEPS])
        return min(tries, key=lambda c: float(self._differing(c).sum()), default=start)

    def _rows(self, start: Candidate) -> Rows | None:
        """The population's weights with what is known of their errors; None where nothing is."""
        c, p = self.calibration, population(start.network, self.name)
        if c.frames is None or c.target.spikes is None or not has_rows(start.network, p):
            return None
        now = (c.record or c.measure)(start.fixed(self.formats))
        return rows_of(start.network, p, c.frames, c.target, now if now.spikes is not None else None)

    def _at(self, start: Candidate, scale: Array | float, rows: Rows | None) -> Candidate:
        candidate = replace(start, scales={**start.scales, self.name: scale})
        return inside(candidate, self.name, self.formats, self.calibration.frames, rows)

    def _best(self, tries: list[Candidate], combined: Callable[[Array], Candidate]) -> Candidate:
        """Each neuron's best, unless all together do worse than one for all: neurons meet in a queue."""
        p = population(tries[0].network, self.name)
        kernels = kernels_of(tries[0].network, p)
        differing = np.array([self._differing(c) for c in tries])
        sums = np.array([np.bincount(kernels, d) for d in differing])
        made, shared = combined(sums.argmin(0)[kernels]), int(differing.sum(1).argmin())
        return made if self._differing(made).sum() <= differing[shared].sum() else tries[shared]

    def _with_neuron(self, start: Candidate, variants: list[Neuron | None]) -> list[Candidate]:
        """The candidate with each variant of the population's neuron; none where there is nothing to vary."""
        return [start.with_neuron(self.name, neuron) for neuron in variants if neuron is not None]

    def _differing(self, candidate: Candidate) -> Floats:
        c = self.calibration
        return _differing(c.target, c.measure(candidate.fixed(self.formats)), self.name)


def search_runs(network: Network, chip: Chip) -> int:
    """How often a search measures the network, calibrated on samples whose frames and spikes are known."""
    found = 0
    for p in network.populations:
        if p.name not in pooling(network):
            found += 1 + len(SCALE_STEPS) + own_scale(network, p, chip) + (2 + ORDERS) * has_rows(network, p)
        if p.neuron.with_threshold_times(1.0) is not None:
            found += len(THRESHOLD_STEPS) + own_threshold(p, chip)
        if p.neuron.with_memory_times(1.0, network.dt_s) is not None:
            found += len(DECAY_STEPS)
    return found
