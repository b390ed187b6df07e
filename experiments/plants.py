"""Causes to plant: each changes one thing, in one place that is drawn, of a set-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ir import QuantizedNetwork, Schedule
from ir.connection import with_weight
from unlayered.causes.setup import Setup

LAYERED = Schedule("layered")


@dataclass(frozen=True, eq=False)
class Planted:
    """A cause and where it was put.

    Attributes:
        population: None = the whole network's.
        before, after: set-ups without and with it.
    """

    kind: str
    population: str | None
    what: str
    before: Setup
    after: Setup


Plant = Callable[[Setup, np.random.Generator], Planted]


def _at(setup: Setup, rng: np.random.Generator) -> tuple[int, Any, np.ndarray, tuple[int, ...]]:
    """A projection, its weights and the place of one that is not 0."""
    i = int(rng.integers(len(setup.network.projections)))
    e = setup.network.projections[i]
    weight = np.array(e.connection.weight)
    places = np.argwhere(weight != 0)
    return i, e, weight, tuple(int(x) for x in places[rng.integers(len(places))])


def _with_weight(setup: Setup, i: int, weight: np.ndarray) -> Setup:
    projections = list(setup.network.projections)
    projections[i] = replace(projections[i], connection=with_weight(projections[i].connection, weight))
    return replace(setup, network=replace(setup.network, projections=tuple(projections)))


def _with_neuron(setup: Setup, name: str, **changes: Any) -> Setup:
    def changed(neuron: Any) -> Any:
        return replace(neuron, **changes)

    populations = tuple(
        replace(p, neuron=changed(p.neuron)) if p.name == name else p for p in setup.network.populations
    )
    return replace(setup, network=replace(setup.network, populations=populations))


def _population(setup: Setup, rng: np.random.Generator) -> Any:
    return setup.network.populations[int(rng.integers(len(setup.network.populations)))]


def plant_weight(setup: Setup, rng: np.random.Generator) -> Planted:
    """One weight, two more; not one that becomes 0, which would be a dropped synapse."""
    i, e, weight, place = _at(setup, rng)
    while weight[place] == -2:
        i, e, weight, place = _at(setup, rng)
    weight[place] += 2
    return Planted("weights", e.post, f"{e.pre} -> {e.post} {place} +2", setup, _with_weight(setup, i, weight))


def plant_synapse(setup: Setup, rng: np.random.Generator) -> Planted:
    """One synapse dropped."""
    i, e, weight, place = _at(setup, rng)
    weight[place] = 0
    return Planted("synapses", e.post, f"{e.pre} -> {e.post} {place} gone", setup, _with_weight(setup, i, weight))


def plant_threshold(setup: Setup, rng: np.random.Generator) -> Planted:
    """A population's thresholds rounded down by one."""
    p = _population(setup, rng)
    after = _with_neuron(setup, p.name, v_threshold=np.maximum(np.asarray(p.neuron.v_threshold) - 1, 0))
    return Planted("threshold", p.name, "-1", setup, after)


def plant_decay(setup: Setup, rng: np.random.Generator) -> Planted:
    """A population's decay off by one."""
    p = _population(setup, rng)
    decay = np.asarray(p.neuron.decay_v)
    step = int(rng.choice([-1, 1]))
    after = _with_neuron(setup, p.name, decay_v=np.clip(decay + step, 0, 4096))
    return Planted("decay", p.name, f"{step:+d}", setup, after)


def plant_reset(setup: Setup, rng: np.random.Generator) -> Planted:
    """A population that resets by subtraction."""
    p = _population(setup, rng)
    return Planted("reset", p.name, "subtract", setup, _with_neuron(setup, p.name, reset="subtract"))


def plant_accumulator(setup: Setup, rng: np.random.Generator) -> Planted:
    """A narrower accumulator under numbers that are large enough to fill it: shifted by as much as a draw says."""
    exponent = int(rng.integers(4, 7))
    assert isinstance(setup.network, QuantizedNetwork)
    before = replace(setup, network=replace(raised(setup.network, exponent), arithmetic="loihi2"))
    after = replace(before, network=replace(before.network, arithmetic="loihi1"))
    return Planted("accumulator", None, f"21 bits, numbers << {exponent}", before, after)


def raised(network: QuantizedNetwork, exponent: int) -> QuantizedNetwork:
    """The same network with all its numbers shifted to the left: it computes the same, nearer the registers' edges."""
    populations = []
    for p in network.populations:
        neuron: Any = p.neuron
        threshold = np.asarray(neuron.v_threshold) << exponent
        bias_exp = neuron.bias_exp + (exponent if neuron.bias is not None else 0)
        populations.append(replace(p, neuron=replace(neuron, v_threshold=threshold, bias_exp=bias_exp)))
    projections = tuple(replace(e, weight_exp=e.weight_exp + exponent) for e in network.projections)
    return replace(network, populations=tuple(populations), projections=projections)


def plant_order(setup: Setup, rng: np.random.Generator) -> Planted:
    """Another order rule."""
    order = str(rng.choice([x for x in ("random", "momentum", "fifo") if x != setup.schedule.order]))
    return Planted("order", None, order, setup, replace(setup, schedule=replace(setup.schedule, order=order)))


def plant_group(setup: Setup, rng: np.random.Generator) -> Planted:
    """Another group size."""
    f = [1, 2, 4, 16, None][int(rng.integers(5))]
    return Planted("F", None, str(f), setup, replace(setup, schedule=replace(setup.schedule, F=f)))


def plant_delay(setup: Setup, rng: np.random.Generator) -> Planted:
    """Spikes of one projection one time step late; under the layered schedule, for the other defines no delays."""
    before = replace(setup, schedule=LAYERED)
    i = int(rng.integers(len(setup.network.projections)))
    projections = list(setup.network.projections)
    e = projections[i]
    projections[i] = replace(e, delay_steps=1)
    after = replace(before, network=replace(before.network, projections=tuple(projections)))
    return Planted("delay", e.post, f"{e.pre} -> {e.post}", before, after)


PLANTS: dict[str, Plant] = {
    "weights": plant_weight,
    "threshold": plant_threshold,
    "decay": plant_decay,
    "accumulator": plant_accumulator,
    "order": plant_order,
    "synapses": plant_synapse,
    "F": plant_group,
    "reset": plant_reset,
    "delay": plant_delay,
}
"""Every kind of cause that is planted."""
