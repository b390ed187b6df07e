"""Drawn runs of networks whose populations are of two models: some LIF, some tired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from ir.mapped import MappedNetwork
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.strategies import LAYERED, Draw, networks, partitions, runs, schedules, stimuli
from tests.strategies.options import ORDINARY
from tests.toys.tired import MOST, FixedTired


@st.composite
def mixed_networks(draw: st.DrawFn, options: Draw) -> QuantizedNetwork:
    """A drawn network of LIF with some of its populations tired; ``MODELS`` must hold the toy."""
    network = draw(networks(options))
    return replace(network, populations=tuple(_maybe_tired(draw, p) for p in network.populations))


def _maybe_tired(draw: st.DrawFn, population: FixedPopulation) -> FixedPopulation:
    if draw(st.booleans()):
        return population
    assert isinstance(population.neuron, FixedLIF)
    given = population.neuron.v_threshold
    threshold = np.minimum(64 if given is None else given, MOST)
    tiring = threshold * draw(st.integers(0, 8)) // 4
    return replace(population, neuron=FixedTired(threshold, np.minimum(tiring, MOST)))


@st.composite
def mixed_cases(
    draw: st.DrawFn, options: Draw = ORDINARY, order: str | None = None, layered: bool = False
) -> tuple[MappedNetwork, Stimulus, Schedule]:
    """A mixed network on drawn cores, a stimulus, a schedule; under an order rule if one is given."""
    mapped = draw(partitions(draw(mixed_networks(options))))
    schedule = LAYERED if layered else draw(schedules(scope=draw(st.sampled_from(["network", "network", "core"]))))
    if order is not None:
        schedule = replace(schedule, order=order)
    stimulus = draw(stimuli(mapped.network).filter(lambda stimulus: runs((mapped, stimulus, schedule))))
    return mapped, stimulus, schedule
