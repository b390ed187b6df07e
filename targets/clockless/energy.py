"""What a timed run costs: counted operations x the chip's constants, and the standing power of its cores, as ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot

from ir.chip import Chip, Range
from ir.timing import OPERATIONS, Timing

PRICES = dict(
    zip(
        OPERATIONS,
        (
            *("controller_pj", "npe_pj", "memory_read_pj_bit", "memory_write_pj_bit"),
            *("queue_read_pj_bit", "queue_write_pj_bit", "hop_pj_bit"),
        ),
    )
)
"""The constant of each operation."""

CIRCUITS = {
    "controller": ("controller",),
    "processing elements": ("npe",),
    "data memory": ("memory_read_bits", "memory_write_bits"),
    "event queues": ("queue_read_bits", "queue_write_bits"),
    "links": ("hop_bits",),
}
"""Operations of one circuit: if one of their constants is too low, so are the others."""

STATIC = "standing power"

PJ_OF_UW_PS = 1e-6


@dataclass(frozen=True)
class Price:
    """Of a mean sample, in pJ: the total, and each circuit's part of it."""

    energy_pj: Range
    parts_pj: dict[str, Range]


def priced(timing: Timing, chip: Chip) -> Price:
    """Energy of the mean sample.

    Within a circuit ends add up, circuits err apart: ``high = value + sqrt(sum of (high - value)^2)``, low likewise. A
    slower run pays for the standing power of its cores for longer.

    Raises:
        ValueError: a constant is unknown, or the chip's file holds none.
    """
    chip.need("energy", "costs")
    if not chip.costs:
        raise ValueError(f"chip {chip.name!r} has no [costs]; add them with their sources")
    n = max(timing.n_samples, 1)
    amounts = dict(zip(OPERATIONS, (timing.operations.sum(0) / n).tolist()))
    parts = {
        circuit: _sum(_times(chip.costs[PRICES[name]], amounts[name]) for name in names)
        for circuit, names in CIRCUITS.items()
    }
    core_ps = timing.cores.shape[2] * float(timing.end_ps.sum()) / n
    parts[STATIC] = _times(chip.costs["static_uw_core"], core_ps * PJ_OF_UW_PS)
    return Price(_apart(parts.values()), parts)


def _times(unit: Range, amount: float) -> Range:
    return Range(unit.value * amount, unit.low * amount, unit.high * amount)


def _sum(parts: Iterable[Range]) -> Range:
    """Ranges that err together."""
    listed = list(parts)
    return Range(sum(p.value for p in listed), sum(p.low for p in listed), sum(p.high for p in listed))


def _apart(parts: Iterable[Range]) -> Range:
    """Ranges that err each for itself."""
    listed = list(parts)
    value = sum(p.value for p in listed)
    low, high = hypot(*(p.value - p.low for p in listed)), hypot(*(p.high - p.value for p in listed))
    return Range(value, min(value - low, value), max(value + high, value))
