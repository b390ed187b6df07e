"""Energy and time of a sample on a chip: counted events x the chip's constants, as a range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot

from ir.check import require
from ir.chip import Chip, Range
from mapper.cost.events import KINDS, Events

FAMILIES = {
    "synapses": tuple(f"synop_{kind}" for kind in KINDS),
    "neurons": ("neuron_active", "neuron_inactive"),
    "spikes": ("spike_out",),
    "packets": ("packet_out", "packet_in"),
    "hops": ("hop_x", "hop_y"),
    "links": ("chip_link",),
    "barrier": ("barrier",),
}
"""Constants of one circuit: if one of them is too low, so are the others."""


@dataclass(frozen=True)
class Cost:
    """Of one sample: energy that its events take (dynamic, no static power) and time, each with its uncertainty.

    Attributes:
        energy_pj: total. time_ns: total, the busiest core and the barrier of every time step.
        parts_pj: energy by name of event.
        left_out: what is not in the energy because nobody has published its cost; "" = nothing.
    """

    energy_pj: Range
    time_ns: Range
    parts_pj: dict[str, Range]
    left_out: str = ""


def estimate(events: Events, chip: Chip) -> Cost:
    """Energy = sum of events x constants; time = the busiest core's work plus a barrier a time step.

    A packet of an input costs what one of a neuron does.

    Uncertainty: constants of one circuit (``FAMILIES``) err together, so within a family ends add up; different
    circuits err independently, so families add up as root sum of squares, upwards and downwards apart:
    ``high = value + sqrt(sum of (high - value)^2)``. A core is taken to do one thing after the other; hops delay no
    core and are left out of the time. Links between chips are priced where the chip's file does; else the cost says
    that they are left out.

    Raises:
        ValueError: the chip's data lack a constant.
    """
    active = min(max(events.active, events.spikes), events.updates)
    energy = {
        **{f"synop_{kind}": getattr(events, f"synops_{kind}") for kind in KINDS},
        "neuron_active": active,
        "neuron_inactive": events.updates - active,
        "spike_out": events.spikes,
        "packet_out": events.packets + events.input_packets,
        "hop_x": events.hops_x,
        "hop_y": events.hops_y,
    }
    time = {**work_of_busiest(events), "barrier": events.time_steps}
    left_out = ""
    if events.chip_links and "chip_link_pj" in chip.costs:
        energy["chip_link"] = events.chip_links
    elif events.chip_links:
        left_out = f"{events.chip_links:,.6g} packets over links between chips, whose cost nobody has published"
    parts = {name: _times(_constant(chip, f"{name}_pj"), amount) for name, amount in energy.items()}
    work = {name: _times(_constant(chip, f"{name}_ns"), amount) for name, amount in time.items()}
    return Cost(combined(parts), combined(work), parts, left_out)


def work_of_busiest(events: Events) -> dict[str, float]:
    """What the busiest core does, by name of the constant that times it."""
    return {
        **{f"synop_{kind}": getattr(events, f"busiest_{kind}") for kind in KINDS},
        "neuron_active": events.busiest_active,
        "neuron_inactive": events.busiest_updates - events.busiest_active,
        "spike_out": events.busiest_spikes,
        "packet_in": events.busiest_packets,
    }


def combined(parts: dict[str, Range]) -> Range:
    """Add ranges: within a family low to low and high to high; between families errors add as root sum of squares."""
    families = [_sum(parts[name] for name in names if name in parts) for names in FAMILIES.values()]
    value = sum(f.value for f in families)
    low, high = hypot(*(f.value - f.low for f in families)), hypot(*(f.high - f.value for f in families))
    return Range(value, min(value - low, value), max(value + high, value))


def _constant(chip: Chip, name: str) -> Range:
    """One of the chip's cost constants."""
    require(name in chip.costs, f"chip {chip.name!r} has no cost {name!r}; add it to [costs] with its source")
    return chip.costs[name]


def _times(unit: Range, amount: float) -> Range:
    """A constant times a count."""
    return Range(unit.value * amount, unit.low * amount, unit.high * amount)


def _sum(parts: Iterable[Range]) -> Range:
    """Add ranges end by end."""
    listed = list(parts)
    return Range(sum(p.value for p in listed), sum(p.low for p in listed), sum(p.high for p in listed))
