"""One run that is followed by hand, and the small networks that such runs are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir.connection import Dense
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace

LAYERED = Schedule(kind="layered", F=None)
ALL = Schedule(F=None)
FLAT = FixedLIF(decay_v=0, v_threshold=10)
SILENT = FixedLIF(decay_v=0, v_threshold=None)
KEEPS = FixedLIF(decay_v=0, v_threshold=None, decay_u=2048)


@dataclass(frozen=True, eq=False)
class Case:
    """A run of one sample and what it must leave behind.

    Attributes:
        spikes: (t, k, neuron, k_served) of each.
        steps: forward steps of each time step.
        v, u: (T, N) at the end of each time step; None = not looked at.
        limits: edges that are reached.
    """

    name: str
    mapped: MappedNetwork
    frames: Sequence[Sequence[int]]
    schedule: Schedule
    spikes: Sequence[tuple[int, int, int, int]] = ()
    steps: Sequence[int] = ()
    v: Sequence[Sequence[int]] | None = None
    u: Sequence[Sequence[int]] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def stimulus(self) -> Stimulus:
        return Stimulus(np.array(self.frames, np.int64)[:, None])

    def check(self, trace: Trace) -> None:
        """Hold a trace to the case."""
        s = trace.spikes
        assert s is not None
        assert list(zip(s.t.tolist(), s.k.tolist(), s.neuron.tolist(), s.k_served.tolist())) == list(self.spikes)
        assert trace.forward_steps[:, 0].tolist() == list(self.steps)
        for ours, right in ((trace.v, self.v), (trace.u, self.u)):
            assert right is None or (ours is not None and ours[:, 0].tolist() == [list(row) for row in right])
        assert {name: n for name, n in trace.limits_reached.items() if n} == dict(self.limits)


def network(
    inputs: Mapping[str, int],
    neurons: Mapping[str, tuple[int, FixedLIF]],
    edges: Sequence[tuple[Any, ...]],
    arithmetic: str = "lava",
) -> QuantizedNetwork:
    """Edges are (pre, post, weight) or (pre, post, weight, weight_exp); the last population is the output."""
    return QuantizedNetwork(
        tuple(Input(name, (n,)) for name, n in inputs.items()),
        tuple(FixedPopulation(name, (n,), lif) for name, (n, lif) in neurons.items()),
        tuple(FixedProjection(pre, post, Dense(np.array(w, np.int64)), *rest) for pre, post, w, *rest in edges),
        list(neurons)[-1],
        arithmetic=arithmetic,
    )


def on_cores(net: QuantizedNetwork, cores: Sequence[int]) -> MappedNetwork:
    """Neurons where ``cores`` says."""
    return MappedNetwork(net, None, np.array(cores), tuple(Core(i, x=i) for i in range(max(cores) + 1)))
