"""Nothing leaves the safe envelope unknowingly: refuse what chips and emulators compute differently, or say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ir.arithmetic import ARITHMETICS
from ir.chip import Chip
from ir.envelope import check_envelope
from ir.formats import Excess
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.words import counted

ANY_INPUT = "; --calibrate DATA judges by your input instead of the worst, --allow-unsafe goes on"
THIS_INPUT = "; --allow-unsafe runs it and counts each overflow"


def check_safe(
    network: QuantizedNetwork,
    chip: Chip | str,
    frames: NDArray[Any] | None,
    allow_unsafe: bool,
    way_out: str,
    t0: int = 0,
) -> tuple[Excess, ...]:
    """Raise where ``network`` leaves the safe envelope of ``chip``, unless that is allowed.

    Args:
        chip: or the name of an arithmetic.
        frames: (T, B, N_in) all the input there will be; None = any input whose counts are 0 or 1.
        t0: time steps before these frames.

    Returns:
        What is outside, where ``allow_unsafe``.

    Raises:
        ValueError: says the layer, the number, and how to go on.
    """
    found = check_envelope(network, chip, frames=frames, t0=t0)
    if found and not allow_unsafe:
        title = chip.title if isinstance(chip, Chip) else chip
        first, *others = found
        more = f" (and {len(others)} more)" if others else ""
        raise ValueError(f"outside the safe envelope of {title}: {first}{more}{way_out}")
    return found


def warnings(found: tuple[Excess, ...]) -> list[str]:
    """A line for each finding that was allowed."""
    return [f"outside the safe envelope: {finding}" for finding in found]


def overflows(reached: dict[str, int]) -> list[str]:
    """A line on the register limits a run reached, each counted; none where it reached none."""
    words = {"int32": "32-bit sums", "accumulator": "accumulators", "u": "currents", "v": "membranes"}
    parts = [f"{words.get(name, name)} {counted(n, 'time')}" for name, n in reached.items() if n]
    if not parts:
        return []
    return [f"register limits were reached: {', '.join(parts)}; calibrate with unlayered map --calibrate DATA"]


def other_edges(mapped: MappedNetwork, found: tuple[Excess, ...]) -> list[str]:
    """A line where overflows are counted at other edges than the chip's, for the integers came with their own."""
    chip, own = mapped.chip, mapped.network.arithmetic
    if chip is None or not found or same_edges(own, chip.arithmetic):
        return []
    return [f"overflows are counted at the edges of arithmetic {own!r}, as the integers came; {chip.title} has others"]


def same_edges(a: str, b: str) -> bool:
    """Whether two arithmetics differ in name only."""
    return replace(ARITHMETICS[a], name=b) == ARITHMETICS[b]


def unchanged(network: QuantizedNetwork, chip: Chip) -> str:
    """What is said of a network that came as integers."""
    said = "the network came as integers and passed through unchanged, bit for bit"
    if same_edges(network.arithmetic, chip.arithmetic):
        return said
    own = f"arithmetic {network.arithmetic!r}"
    return f"{said}; it keeps {own}, which inside the safe envelope computes what {chip.title} computes"
