"""What a run depends on, and the settings in which two such may differ; each can be switched to the other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np

from ir.arrays import Int32s
from ir.fixed_point import Scales
from ir.mapped import Core, MappedNetwork, one_large_core
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule

AnyPlain = Union[Network, QuantizedNetwork]

KINDS = {
    "weights": "weights rounded or changed",
    "synapses": "synapses dropped or added",
    "saturation": "values clipped at the end of their format",
    "threshold": "thresholds",
    "decay": "decays",
    "bias": "biases",
    "reset": "how a neuron resets, and for how long it rests",
    "delay": "when spikes arrive",
    "neuron": "other parameters of the neurons",
    "accumulator": "the registers' width and what happens at their edges",
    "registers": "registers hold whole numbers: leaks round toward zero",
    "schedule": "layered or asynchronous",
    "F": "how many entries a forward step serves",
    "order": "which entries are served first",
    "input": "how a frame enters",
    "stop": "when a time step is stopped",
    "scope": "one queue, or one a core that sends or receives",
    "partition": "which core holds which neuron, with a queue a core",
    "seed": "the seed of the order",
}
"""What a cause can be; the order is that in which they are switched back one after the other."""


@dataclass(frozen=True, eq=False)
class Setup:
    """What runs.

    Attributes:
        cores: (N,) where each neuron lies; None = on one core.
        units: for each population, by what its numbers are divided just before a run of floats, so that a queue
            compares membranes in trained units; None = they stay.
    """

    network: AnyPlain
    schedule: Schedule
    cores: Int32s | None = None
    units: Scales | None = None

    def mapped(self) -> MappedNetwork:
        """Integers with the address of every neuron."""
        assert isinstance(self.network, QuantizedNetwork)
        if self.cores is None:
            return one_large_core(self.network)
        cores = tuple(Core(i, slot=i) for i in range(int(self.cores.max()) + 1))
        return MappedNetwork(self.network, None, self.cores, cores)


def setup_of(network: AnyPlain | MappedNetwork, schedule: Schedule | None = None) -> Setup:
    """A network under a schedule; None = its own."""
    cores = network.core_of_neuron if isinstance(network, MappedNetwork) else None
    plain = network.network if isinstance(network, MappedNetwork) else network
    return Setup(plain, plain.schedule if schedule is None else schedule, cores)


@dataclass(frozen=True, eq=False)
class Setting:
    """Something in which two set-ups differ.

    Attributes:
        kind: a name of ``KINDS``.
        population: whose; None = the whole network's.
        what: in words and numbers, from a to b.
        switch: (into, out_of) -> ``into`` with this setting as ``out_of`` has it.
    """

    kind: str
    population: str | None
    what: str
    switch: Callable[[Setup, Setup], Setup]


def all_of(kind: str, settings: Sequence[Setting]) -> Setting:
    """Settings of one kind as one: that kind in every population."""

    def switch(into: Setup, out_of: Setup) -> Setup:
        for one in settings:
            into = one.switch(into, out_of)
        return into

    return Setting(kind, None, f"{KINDS[kind]}, in all {len(settings)} populations that differ", switch)


def with_population(setup: Setup, name: str, **changes: Any) -> Setup:
    """The same with another neuron, scale, ... of one population."""
    populations = tuple(replace(p, **changes) if p.name == name else p for p in setup.network.populations)
    return replace(setup, network=replace(setup.network, populations=populations))


def with_projections(setup: Setup, projections: Sequence[Any]) -> Setup:
    """The same with other projections."""
    return replace(setup, network=replace(setup.network, projections=tuple(projections)))


def population(setup: Setup, name: str) -> Any:
    """A population by name."""
    return next(p for p in setup.network.populations if p.name == name)


def keyed(projections: Sequence[Any]) -> dict[tuple[str, str, int], Any]:
    """Projections by (source, target, which of those between the two)."""
    found: dict[tuple[str, str, int], Any] = {}
    for e in projections:
        n = sum(key[:2] == (e.pre, e.post) for key in found)
        found[e.pre, e.post, n] = e
    return found


def same(a: Any, b: Any) -> bool:
    """Whether two parameters are alike, arrays by their values."""
    if a is None or b is None or isinstance(a, (str, bool)) or isinstance(b, (str, bool)):
        return type(a) is type(b) and a == b
    x, y = np.asarray(a), np.asarray(b)
    return bool((x == y).all()) if x.shape == y.shape or x.ndim == 0 or y.ndim == 0 else False
