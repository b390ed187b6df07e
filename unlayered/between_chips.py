"""What passes between the chips of a board, where a map takes several."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ir.arrays import Floats
from ir.mapped import MappedNetwork
from mapper.board.traffic import Traffic


def unit_of(rates: Floats | None) -> str:
    """What packets are counted by: (N + inputs,) spikes a time step of each source, or None."""
    return "a time step" if rates is not None else "one spike a neuron"


def chip_facts(mapped: MappedNetwork, traffic: Traffic, unit: str) -> dict[str, Any]:
    """Chips, the fullest of them, packets between chips, the hottest link between two; nothing where there is one."""
    held, chips = Counter(core.chip for core in mapped.cores), traffic.chips
    if len(held) == 1 or mapped.chip is None:
        return {}
    part = chips.packets / traffic.routes.packets if traffic.routes.packets else 0.0
    return {
        "chips": len(held),
        "cores of the fullest chip": f"{max(held.values())} of {mapped.chip.mesh.usable_cores}",
        f"packets between chips, {unit}": f"{chips.packets:.6g} ({100 * part:.1f} % of those between cores)",
        f"hottest link between two chips, {unit}": chips.hottest_link,
    }
