"""What docs/clockless.md works out by hand, to the picosecond; a deadlock, a queue that drops, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exchange.chip_toml import find_chip
from ir.check import DeadlockError
from ir.chip import Chip
from ir.connection import Dense
from ir.mapped import Core, MappedNetwork
from ir.network import Input
from ir.neurons import RESETS as MODEL_RESETS
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.stimulus import Stimulus
from ir.timing import COUNTS, OPERATIONS, EffectLog
from sim_reference.replay import check_law
from targets.clockless.run import run
from targets.clockless.wiring import RESETS

BOTH = pytest.mark.parametrize("plain", [True, False], ids=["plain", "compiled"])


def chip(**changes: Any) -> Chip:
    """SENECA with other numbers."""
    seneca = find_chip("seneca")
    assert seneca.clockless is not None
    return replace(seneca, clockless=replace(seneca.clockless, **changes))


def dense(pre: str, post: str, rows: list[list[int]]) -> FixedProjection:
    return FixedProjection(pre, post, Dense(np.array(rows, np.int32)))


def toy() -> MappedNetwork:
    """Layers a, b, c of two neurons, each on a core of its own; the input drives a, a drives b and c, b drives c."""
    lif = FixedLIF(v_threshold=5)
    projections = (
        dense("in", "a", [[9, 0], [0, 9]]),
        dense("a", "b", [[3, 3], [6, 0]]),
        dense("a", "c", [[4, 4], [2, 2]]),
        dense("b", "c", [[1, 1], [1, 1]]),
    )
    populations = tuple(FixedPopulation(name, (2,), lif) for name in "abc")
    network = QuantizedNetwork((Input("in", (2,)),), populations, projections, "c", arithmetic="seneca")
    cores = (Core(0, x=0, y=0), Core(1, x=1, y=0), Core(2, x=1, y=1))
    return MappedNetwork(network, find_chip("seneca"), np.array([0, 0, 1, 1, 2, 2]), cores)


TOY_SPIKES = [(40_000, 0), (40_000, 1), (80_000, 2), (80_000, 3), (90_000, 4), (120_000, 5)]
"""(ps, neuron), as docs/clockless.md works them out."""


@BOTH
def test_the_toy_of_the_page_is_right_to_the_picosecond(plain: bool):
    logs: list[EffectLog] = []
    mapped, stimulus = toy(), Stimulus(np.array([[[1, 1]]]), labels=np.array([1]))
    trace = run(mapped, stimulus, plain=plain, on_log=lambda _, log: logs.append(log))
    assert trace.spikes is not None and trace.spikes.ps is not None and trace.timing is not None
    assert sorted(zip(trace.spikes.ps.tolist(), trace.spikes.neuron.tolist())) == TOY_SPIKES
    timing = trace.timing
    assert timing.quiescent_ps.tolist() == [[120_000]] and timing.end_ps.tolist() == [120_000]
    assert (timing.first_output_ps.tolist(), timing.first_correct_ps.tolist()) == ([90_000], [120_000])
    assert timing.of_cores("busy_ps").tolist() == [[40_000, 40_000, 70_000]]
    assert timing.of_cores("sent").tolist() == [[2, 2, 4]] and timing.of_cores("services").tolist() == [[1, 1, 2]]
    assert timing.links.tolist() == [[0, 0, 1, 0], [1, 0, 1, 1]] and timing.link_flits.tolist() == [[2, 4]]
    counted = dict(zip(COUNTS, timing.counts[0].tolist()))
    assert counted == TOY_COUNTS
    operations = dict(zip(OPERATIONS, timing.operations[0].tolist()))
    assert operations == TOY_OPERATIONS
    check_law(mapped, stimulus, trace, 0, logs[0])


TOY_COUNTS = {
    **{"events": 8, "synapses": 16, "touched": 8, "leaked": 6, "biased": 0, "spikes": 6},
    **{"packets": 2, "flits": 4, "hops": 3, "late": 0, "missed_bias": 0},
}
TOY_OPERATIONS = {
    "controller": 8 * 10 + 8 * 2 + 3 * 2,  # pointers of 8 events, steps of 8 spikes, steps of 3 sweeps
    "npe": 16 * 2 + 6 * 2,  # of 16 synapses and 6 leaks
    "memory_read_bits": 16 * 4 + 8 * 16 + 6 * 16,  # weights; states of services and of sweeps
    "memory_write_bits": 8 * 16 + 6 * 16,
    "queue_read_bits": (2 * 2 + 2 * 2 + 2) * 32,  # 2 input events, a packet of 2 flits at two cores, one at one
    "queue_write_bits": (2 * 2 + 2 * 2 + 2) * 32,
    "hop_bits": 3 * 2 * 32,
}


def circle(spikes_a_flit: int = 1, **changes: Any) -> MappedNetwork:
    """Two layers of two neurons that drive each other, a core each; packets of one flit beside the header."""
    lif = FixedLIF(v_threshold=5)
    projections = (
        dense("in", "a", [[9, 0], [9, 0]]),
        dense("in", "b", [[0, 9], [0, 9]]),
        dense("a", "b", [[1, 1], [1, 1]]),
        dense("b", "a", [[1, 1], [1, 1]]),
    )
    populations = (FixedPopulation("a", (2,), lif), FixedPopulation("b", (2,), lif))
    network = QuantizedNetwork((Input("in", (2,)),), populations, projections, "b", arithmetic="seneca")
    small = chip(spikes_a_flit=spikes_a_flit, max_flits=2, **changes)
    return MappedNetwork(network, small, np.array([0, 0, 1, 1]), (Core(0), Core(1, x=1)))


@BOTH
def test_a_deadlock_is_named(plain: bool):
    """Core 0 holds a spike for core 1, whose queue is full of the one before; core 1 holds two for core 0, likewise."""
    sentence = "deadlock at 40.000 ns, time step 0: cores 0 > 1 > 0, queues of 1 events; enlarge the queue"
    with pytest.raises(DeadlockError, match=sentence):
        run(circle(queue_events=1), Stimulus(np.array([[[1, 1]]])), plain=plain)
    assert run(circle(queue_events=2), Stimulus(np.array([[[1, 1]]])), plain=plain).counts.tolist() == [[1, 1, 1, 1]]


@BOTH
def test_a_full_queue_that_drops_counts_what_it_drops(plain: bool):
    mapped = circle(spikes_a_flit=2, queue_events=1, full="drop")
    trace = run(mapped, Stimulus(np.array([[[1, 0]]])), plain=plain)
    assert trace.timing is not None
    cores = {name: trace.timing.of_cores(name).tolist()[0] for name in ("sent", "taken", "dropped", "left")}
    assert cores == {"sent": [1, 3], "taken": [1, 2], "dropped": [0, 1], "left": [0, 0]}


def test_every_reset_of_the_neuron_model_is_known_here():
    assert set(RESETS) == set(MODEL_RESETS)
