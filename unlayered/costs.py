"""What a sample costs on the chip, as a range a person can read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ir.arrays import Ints
from ir.chip import Range
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.stimulus import Stimulus
from ir.trace import Trace
from mapper.cost import UNKNOWN, Cost, Delivered, count_events, delivered, estimate
from unlayered.sources import input_counts

NOTE = "dynamic energy, no static power; the range is what the chip's constants leave open (unlayered chips --json)"


def cost_of_run(mapped: MappedNetwork, trace: Trace, stimulus: Stimulus) -> Cost | None:
    """Energy and time of a run's mean sample; None where the chip's file holds no costs.

    The chip's tick, in which every neuron is updated and all cores meet at the barrier, is a time step of the layered
    schedule and a forward step of the asynchronous one.
    """
    return cost_of_counts(mapped, trace, input_counts(stimulus), delivered_in(mapped, trace, stimulus))


def delivered_in(network: Network | MappedNetwork, trace: Trace, stimulus: Stimulus) -> Delivered:
    """What reached its targets; nothing is known of it where nothing is priced by it."""
    if not isinstance(network, MappedNetwork) or not has_costs(network):
        return UNKNOWN
    return delivered(network.network, trace, stimulus)


def has_costs(mapped: MappedNetwork) -> bool:
    """Whether a network lies on a chip with a barrier whose file holds costs."""
    return mapped.chip is not None and mapped.chip.kind == "barrier" and bool(mapped.chip.costs)


def cost_of_counts(mapped: MappedNetwork, trace: Trace, inputs: Ints, reached: Delivered = UNKNOWN) -> Cost | None:
    """The same from (inputs,) events of each input, and what reached its targets, all samples together.

    A chip without a barrier is not priced by counts: it is timed (``--on clockless``).
    """
    n_steps, n = trace.forward_steps.shape
    if mapped.chip is None or not has_costs(mapped) or n == 0:
        return None
    layered = trace.schedule.kind == "layered"
    ticks = n_steps * n if layered else int(trace.forward_steps.sum())
    counts = np.concatenate([trace.counts.sum(0, dtype=np.int64), inputs])
    events = count_events(mapped, counts, ticks, reached)
    mean = replace(events, **{name: value / n for name, value in vars(events).items()})
    return estimate(mean, mapped.chip)


def source_counts(trace: Trace, stimulus: Stimulus) -> Ints:
    """(N + inputs,) spikes of each neuron, then events of each input, all samples together."""
    return np.concatenate([trace.counts.sum(0, dtype=np.int64), input_counts(stimulus)])


def cost_facts(cost: Cost) -> dict[str, Any]:
    """Energy and time, each as value, low and high."""
    return {
        "energy": in_units(cost.energy_pj, (("pJ", 1.0), ("nJ", 1e3), ("uJ", 1e6), ("mJ", 1e9))),
        "time": in_units(cost.time_ns, (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9))),
        "note": f"{NOTE}; without {cost.left_out}" if cost.left_out else NOTE,
    }


def in_units(amount: Range, units: tuple[tuple[str, float], ...]) -> str:
    """A range in the largest unit that keeps its value at 1 or more.

    >>> in_units(Range(1500.0, 800.0, 2000.0), (("pJ", 1.0), ("nJ", 1e3)))
    '1.50 nJ (0.80 to 2.00)'
    """
    unit, size = next((u for u in reversed(units) if amount.value >= u[1]), units[0])
    return f"{amount.value / size:.2f} {unit} ({amount.low / size:.2f} to {amount.high / size:.2f})"
