"""Drawn cases in which some populations are LIF and others tire (``tests.toys.tired``)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from ir.mapped import MappedNetwork
from ir.neurons import FixedLIF
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.strategies import Draw, cases
from tests.toys.tired import MOST, FixedTired

STATES = ("v", "u", "fatigue")
"""What there is to record of such a network."""

Case = tuple[MappedNetwork, Stimulus, Schedule]


@st.composite
def mixed_cases(draw: st.DrawFn, options: Draw, layered: bool = False) -> Case:
    """A case of ``tests.strategies.cases`` with populations of both models; ``ir.neurons.MODELS`` must have the toy."""
    several = cases(options, layered).filter(lambda case: len(case[0].network.populations) > 1)
    mapped, stimulus, schedule = draw(several)
    return replace(mapped, network=draw(some_tired(mapped.network))), stimulus, schedule


@st.composite
def some_tired(draw: st.DrawFn, network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with at least one population tired and one as it was."""
    n = len(network.populations)
    tires = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    first, *_, last = draw(st.permutations(range(n)))
    tires[first], tires[last] = True, False
    populations = (
        replace(p, neuron=draw(tired_like(p.neuron, p.n))) if t else p for p, t in zip(network.populations, tires)
    )
    return replace(network, populations=tuple(populations))


@st.composite
def tired_like(draw: st.DrawFn, lif: FixedLIF, n: int) -> FixedTired:
    """Neurons that fire about as easily as the given, and tire by nothing, or up to twice their threshold."""
    threshold = np.minimum(64 if lif.v_threshold is None else lif.v_threshold, MOST)
    tiring = threshold * draw(st.integers(0, 4)) // 2
    if draw(st.booleans()):
        tiring = np.random.default_rng(draw(st.integers(0, 1 << 32))).integers(0, 2 * int(threshold.max()) + 1, n)
    return FixedTired(threshold, np.minimum(tiring, MOST), lif.refractory)
