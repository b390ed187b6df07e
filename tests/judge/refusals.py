"""What the page says is refused before a run begins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from tests.judge.graph import wiring, write_out
from tests.judge.numbers import EXACT, into, shift

MOST_EVENTS = 1 << 24
"""Of one time step, where they are taken one by one."""


class Refused(Exception):
    """A run that no executor may begin; says the rule."""


def refuse(network: QuantizedNetwork, stimulus: Stimulus, schedule: Schedule) -> None:
    """Raise ``Refused`` with the rule that forbids the run, if there is one."""
    if schedule.kind == "asynchronous":
        if any(p.neuron.reset != "zero" and not p.neuron.refractory for p in network.populations):
            raise Refused("reset")
        if any(np.asarray(p.delay_steps).any() for p in network.projections):
            raise Refused("delay")
        if schedule.input != "first" and (stimulus.frames < 0).any():
            raise Refused("negative counts")
        if schedule.input != "first" and stimulus.frames.sum(2, dtype=np.int64).max(initial=0) > MOST_EVENTS:
            raise Refused("events")
        again = any(not p.neuron.refractory for p in network.populations)
        if again and schedule.stop_after is None and wiring(network).has_cycle:
            raise Refused("endless")
    if any(_bias_beyond_int32(p.neuron, p.n) for p in network.populations):
        raise Refused("bias")
    for projection in network.projections:
        if any(could_leave(projection, counts) for counts in _meeting(network, projection, stimulus, schedule)):
            raise Refused("inexact")


def _bias_beyond_int32(lif: FixedLIF, n: int) -> bool:
    if lif.bias is None:
        return False
    register = [shift(x, lif.bias_exp) for x in np.broadcast_to(np.asarray(lif.bias), (n,)).tolist()]
    return any(x != into(x, 31) for x in register)


def _meeting(
    network: QuantizedNetwork, projection: FixedProjection, stimulus: Stimulus, schedule: Schedule
) -> Iterator[list[int]]:
    """What the sources of a projection send in one time step: each frame that arrives, or all that a neuron can."""
    at = 0
    delays = np.broadcast_to(np.asarray(projection.delay_steps), (projection.connection.n_pre,)).tolist()
    for block in network.inputs:
        if block.name == projection.pre:
            for b in range(stimulus.n_samples):
                frames = stimulus.frames[:, b, at : at + block.n].tolist()
                for t in range(stimulus.n_steps):
                    yield [frames[t - d][i] if t >= d else 0 for i, d in enumerate(delays)]
        at += block.n
    for p in network.populations:
        if p.name == projection.pre:
            yield [_times(network, p, stimulus, schedule)] * p.n


def _times(network: QuantizedNetwork, p: FixedPopulation, stimulus: Stimulus, schedule: Schedule) -> int:
    """How often a neuron can spike in a time step."""
    if p.neuron.refractory or schedule.kind == "layered":
        return 1
    limits: list[int] = [] if schedule.stop_after is None else [schedule.stop_after]
    if not wiring(network).has_cycle:
        sources = {e.pre for e in network.projections if e.post == p.name}
        total, at = 1, 0
        for block in network.inputs:
            if block.name in sources:
                events = stimulus.frames[:, :, at : at + block.n].sum(2, dtype=np.int64).max(initial=0)
                total += 1 if schedule.input == "first" else int(events)
            at += block.n
        for other in network.populations:
            if other.name in sources:
                total += other.n * _times(network, other, stimulus, schedule)
        limits.append(total)
    return min(limits)


def could_leave(projection: FixedProjection, counts: list[int]) -> bool:
    """Whether all that excites a target, or all that inhibits it, could leave +-2^53, shifted left or not."""
    more, less = [0] * projection.connection.n_post, [0] * projection.connection.n_post
    for targets, count in zip(write_out(projection.connection), counts):
        for post, weight in targets:
            more[post] += max(weight * count, 0)
            less[post] += max(-weight * count, 0)
    return any(shift(x, max(projection.weight_exp, 0)) > EXACT for x in more + less)
