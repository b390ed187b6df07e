"""A timed run in words and numbers: how long, what it costs, which core and link were busiest, what came late."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.chip import Chip
from ir.timing import COUNTS, Timing
from ir.trace import Trace
from targets.clockless.energy import Price, priced
from unlayered.costs import in_units

__all__ = ["PJ", "in_time", "in_units", "price_of", "timed_facts", "timed_numbers"]

PS = (("ps", 1.0), ("ns", 1e3), ("us", 1e6), ("ms", 1e9), ("s", 1e12))
PJ = (("pJ", 1.0), ("nJ", 1e3), ("uJ", 1e6), ("mJ", 1e9))

NOTE = "cores work when events come, no barrier; ranges are what the chip's constants leave open (unlayered chips)"


def timed_numbers(trace: Trace, chip: Chip) -> dict[str, Any]:
    """The numbers of a timed run, for ``--json``: means over samples, in ps and pJ.

    Times to a spike are over the samples that have one, None without any; ``to_quiescence_ps`` is a frame's.
    """
    t = trace.timing
    assert t is not None
    price = price_of(t, chip)
    done = t.quiescent_ps >= 0
    return {
        "first_output_ps": _mean(t.first_output_ps[t.first_output_ps >= 0]),
        "first_correct_ps": _mean(t.first_correct_ps[t.first_correct_ps >= 0]),
        "to_quiescence_ps": _mean((t.quiescent_ps - t.frame_ps)[done]),
        "frames_cut_short": int((~done).sum()),
        "sample_ps": _mean(t.end_ps),
        "energy_pj": None if price is None else vars(price.energy_pj),
        "energy_by_circuit_pj": None if price is None else {name: vars(x) for name, x in price.parts_pj.items()},
        "counts": {name: _mean(t.counted(name)) for name in COUNTS},
        "busiest_core": _busiest_core(t),
        "busiest_link": _busiest_link(t),
        "queue_peak": int(t.of_cores("queue_peak").max(initial=0)),
        "held_ps": _mean(t.of_cores("held_ps").sum(1)),
        "copies": {name: int(t.of_cores(name).sum()) for name in ("sent", "taken", "dropped", "left")},
        "kept": dict(t.said),
    }


def price_of(timing: Timing, chip: Chip) -> Price | None:
    """What the mean sample costs; None where the chip's file holds no costs."""
    return priced(timing, chip) if chip.costs else None


def _mean(values: Array) -> float | None:
    return float(values.mean()) if values.size else None


def _busiest_core(t: Timing) -> dict[str, Any] | None:
    busy = t.of_cores("busy_ps").sum(0)
    if not busy.any():
        return None
    core = int(np.argmax(busy))
    return {"core": core, "share": float(busy[core] / max(int(t.end_ps.sum()), 1))}


def _busiest_link(t: Timing) -> dict[str, Any] | None:
    flits = t.link_flits.sum(0)
    if not flits.size or not flits.any():
        return None
    link = int(np.argmax(flits))
    x, y, to_x, to_y = t.links[link].tolist()
    return {"from": [x, y], "to": [to_x, to_y], "flits": float(flits[link] / max(t.n_samples, 1))}


def timed_facts(numbers: dict[str, Any], price: Price | None) -> Iterable[tuple[str, Any]]:
    """The same for a person, a line each."""
    for name in ("first_output_ps", "first_correct_ps", "to_quiescence_ps", "sample_ps"):
        yield WORDS[name], in_time(numbers[name])
    if price is not None:
        yield "energy", in_units(price.energy_pj, PJ)
        yield from ((f"  {name}", in_units(part, PJ)) for name, part in price.parts_pj.items())
    core, link, copies = numbers["busiest_core"], numbers["busiest_link"], numbers["copies"]
    if core is not None:
        yield "busiest core", f"{core['core']}, at work {core['share']:.1%} of the time"
    if link is not None:
        (x, y), (to_x, to_y) = link["from"], link["to"]
        yield "busiest link", f"({x}, {y}) to ({to_x}, {to_y}), {link['flits']:.1f} flits"
    yield "longest queue", f"{numbers['queue_peak']} events"
    yield "copies of events", f"{copies['sent']} sent, {copies['taken']} taken, {copies['dropped']} dropped"
    yield "late events", f"{numbers['counts']['late']:.1f}"
    if numbers["counts"]["missed_bias"]:
        yield "biases that their frame left behind", f"{numbers['counts']['missed_bias']:.1f}"
    if numbers["held_ps"]:
        yield "packets waited", in_time(numbers["held_ps"])
    yield from numbers["kept"].items()
    yield "note", NOTE


WORDS = {
    "first_output_ps": "to the first output spike",
    "first_correct_ps": "to the first of the right class",
    "to_quiescence_ps": "a frame, to quiescence",
    "sample_ps": "a sample",
}


def in_time(ps: float | None) -> str:
    """Picoseconds in the largest unit that keeps them at 1 or more.

    >>> in_time(1_234_000.0), in_time(None)
    ('1.23 us', 'none')
    """
    if ps is None:
        return "none"
    unit, size = next((u for u in reversed(PS) if ps >= u[1]), PS[0])
    return f"{ps / size:.2f} {unit}"
