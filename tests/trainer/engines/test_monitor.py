"""Monitors say what the trace of the same run says, and what a hand can count."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ir import Schedule, Stimulus
from ir.check import SlowerWarning
from trainer.execute import run
from trainer.network import SpikingNetwork
from trainer.neuron import LIF

SCHEDULES = [
    Schedule(F=1, order="momentum"),
    Schedule(F=3, order="random", stop_after=4),
    Schedule(F=None),
    Schedule(F=2, order="fifo", stop_after_output=1),
    Schedule(F=2, order="random", input="paced", R=2),
]


def network() -> SpikingNetwork:
    """Recurrent, all neurons refractory."""
    torch.manual_seed(3)
    ends = [("in", "a", nn.Linear(5, 8)), ("a", "b", nn.Linear(8, 6)), ("b", "a", nn.Linear(6, 8))]
    return SpikingNetwork({"in": (5,)}, {"a": LIF(20e-3, 0.2), "b": LIF(20e-3, 0.2)}, ends, "b").eval()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_queue_and_served_are_what_the_trace_says(schedule: Schedule) -> None:
    net, rng = network(), np.random.default_rng(0)
    frames = (rng.random((4, 3, 5)) < 0.6).astype(np.int32)
    result = net(torch.tensor(frames).float(), schedule, engine="reference", monitor=("queue", "served"))
    trace = run(net.export(), Stimulus(frames), schedule, engine="reference")
    spikes, (n_steps, n_samples) = trace.spikes, trace.forward_steps.shape
    assert spikes is not None and len(spikes) > 20
    queue, served = result.monitors["queue"].numpy(), result.monitors["served"].numpy()
    assert queue.shape == served.shape == (n_steps, n_samples, trace.forward_steps.max())
    for t in range(n_steps):
        for b in range(n_samples):
            mine = (spikes.t == t) & (spikes.sample == b)
            fired, left = spikes.k[mine], spikes.k_served[mine]
            for k in range(queue.shape[2]):
                there = k < trace.forward_steps[t, b]
                waits = int(((fired <= k) & ((left >= k) | (left < 0))).sum())
                assert queue[t, b, k] == (waits if there else -1)
                assert served[t, b, k] == (int((left == k).sum()) if there else -1)


def test_events_that_compete_are_entries_too() -> None:
    net = SpikingNetwork.sequential((5,), nn.Linear(5, 2, bias=False), LIF(20e-3, 1e6)).eval()
    frames = torch.tensor([[[2.0, 0, 1, 0, 1]]])
    result = net(frames, Schedule(F=1, input="queued"), engine="reference", monitor=("queue", "served"))
    assert result.monitors["queue"].tolist() == [[[3, 2, 1, 0]]]  # the first of four was served before k = 0
    assert result.monitors["served"].tolist() == [[[1, 1, 1, 0]]]


def test_currents_are_counted_up_to_the_first_spike() -> None:
    """Three sources fire at k = 0 and are served one by one."""
    net = SpikingNetwork.sequential(
        (3,), nn.Linear(3, 3, bias=False), LIF(0.0, 0.5), nn.Linear(3, 4, bias=False), LIF(0.0, 1.0)
    ).eval()
    with torch.no_grad():
        net.layers[0][0].weight.copy_(torch.eye(3))
        net.layers[1][0].weight.copy_(torch.tensor([[2.0, 2, 2], [0.75, 0.75, 0.75], [0.1, 0.1, 0.1], [0, 0, 0]]))
    result = net(torch.ones(1, 1, 3), Schedule(F=1), engine="reference", monitor=["currents"])
    assert result.monitors["currents"].tolist() == [[[1, 1, 1, 1, 2, 3, 0]]]
    assert set(result.monitors) == {"currents"}


def test_monitors_run_on_the_plain_engine_which_is_said_and_need_a_queue() -> None:
    net, x = network(), torch.ones(2, 1, 5)
    with pytest.warns(SlowerWarning, match="engine 'cpu' does not know monitors; the plain engine runs it, slower"):
        found = net(x, Schedule(F=2), monitor=["queue"]).monitors["queue"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = net(x, Schedule(F=2), engine="reference", monitor=["queue"])
    assert torch.equal(found, again.monitors["queue"]) and not found.requires_grad
    with pytest.raises(ValueError, match="monitors watch the spike queue, which the layered schedule has not"):
        net(x, Schedule(kind="layered"), monitor=["queue"])
    with pytest.raises(ValueError, match="monitor is 'spikes'; use one of 'queue', 'served', 'currents'"):
        net(x, monitor=["spikes"])
    assert net(x, Schedule(F=2), engine="reference").monitors == {}


def test_populations_are_found_by_their_names() -> None:
    net = network()
    result = net(torch.ones(2, 1, 5), Schedule(F=2), engine="reference")
    counts, v = result.of("a")
    assert counts.shape == v.shape == (2, 1, 8) and torch.equal(result.of("b")[0], result.output)
    with pytest.raises(ValueError, match="population is 'c'; use one of 'a', 'b'"):
        result.of("c")
    readout = SpikingNetwork.sequential((5,), nn.Linear(5, 2), LIF(20e-3, None))
    result = readout(torch.ones(2, 1, 5), Schedule(F=2), engine="reference")
    assert torch.equal(result.output, result.v)
