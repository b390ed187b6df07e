"""A neuron is updated in full in the ticks in which it gets charge: counted against every synapse of every round."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from ir.connection import synapses
from ir.graph import layered_order, slices
from ir.mapped import MappedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from mapper.cost.active import charged
from sim_reference import simulate
from tests.strategies import WIDE, cases, each

N_DRAWS = 60


def by_hand(mapped: MappedNetwork, stimulus: Stimulus, trace: Trace) -> np.ndarray:
    """The same, synapse by synapse."""
    network, layered = mapped.network, trace.schedule.kind == "layered"
    at, inputs = slices(network.populations), slices(network.inputs)
    targets: dict[int, set[int]] = defaultdict(set)
    next_step: dict[int, set[int]] = defaultdict(set)
    """Of edges that look back, layered."""
    for e, back in zip(network.projections, layered_order(network).recurrent):
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        for pre, post, _ in zip(*synapses(e.connection)):
            (next_step if back and layered else targets)[low + int(pre)].add(at[e.post].start + int(post))
    reached: set[tuple[int, int, int, int]] = set()
    for t, b, i in zip(*np.nonzero(stimulus.frames)):
        reached |= {(int(b), int(t), 0, x) for x in targets[network.n_neurons + int(i)]}
    s = trace.spikes
    assert s is not None
    for sample, t, neuron, served in zip(s.sample.tolist(), s.t.tolist(), s.neuron.tolist(), s.k_served.tolist()):
        b = trace.sample_ids.tolist().index(sample)
        if layered or 0 <= served < trace.forward_steps[t, b] - 1:
            reached |= {(b, t, 0 if layered else served + 1, x) for x in targets[neuron]}
            reached |= {(b, t + 1, 0, x) for x in next_step[neuron] if t + 1 < len(trace.forward_steps)}
    found = np.bincount([x[3] for x in reached], minlength=network.n_neurons)
    biased = [np.broadcast_to(p.neuron.biased(), (p.n,)) for p in network.populations]
    return found + np.concatenate(biased) * trace.forward_steps.size


@pytest.mark.parametrize("layered", [False, True], ids=["asynchronous", "layered"])
def test_active_updates_are_those_that_charge_brings(layered: bool):
    options = replace(WIDE, asynchronous=True, max_populations=4, max_side=6)

    def check(case: tuple[MappedNetwork, Stimulus, Schedule]) -> int:
        mapped, stimulus, schedule = case
        schedule = replace(schedule, input="first", kind="layered" if layered else "asynchronous")
        try:
            trace = simulate.run(mapped, stimulus, schedule)
        except ValueError:
            return 0
        found = charged(mapped.network, trace, stimulus)
        assert found is not None
        np.testing.assert_array_equal(found, by_hand(mapped, stimulus, trace))
        return int(found.sum())

    assert sum(each(cases(options), N_DRAWS, 0, check)) > 100 * N_DRAWS / 10


def test_a_run_that_serves_input_one_by_one_does_not_say_when_its_neurons_are_charged(
    mapped: MappedNetwork, stimulus: Stimulus
):
    trace = simulate.run(mapped, stimulus, Schedule(F=1, input="queued", order="fifo"))
    assert charged(mapped.network, trace, stimulus) is None
