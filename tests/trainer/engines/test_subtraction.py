"""Resets by subtraction and late ones in the engines: gradients as layered ones, and who computes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.check import SlowerWarning
from ir.mapped import one_large_core
from ir.neurons import RESETS
from ir.schedule import Schedule
from tests.strategies import Draw, networks, stimuli
from tests.trainer.engines.test_engines_agree import backward, dyadic, learned, trained
from trainer import LIF, SpikingNetwork
from trainer.engines import reference
from trainer.engines.call import Call
from trainer.engines.plan import plan_of


@pytest.mark.parametrize("reset", ["subtract", "subtract_late", "zero_late", "none", "mixed"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_chains_have_the_same_gradient_without_a_group_size_as_layered(reset: str, data: st.DataObject) -> None:
    drawn = data.draw(networks(Draw(chain=True, resets=False, late=reset != "subtract")))
    waiting = [name for name, own in RESETS.items() if own.waits]
    resets = [data.draw(st.sampled_from(waiting)) if reset == "mixed" else reset for _ in drawn.populations]
    populations = tuple(
        replace(p, neuron=replace(p.neuron, reset=own, refractory=True)) for p, own in zip(drawn.populations, resets)
    )
    network = replace(drawn, populations=populations)
    stimulus, params = data.draw(stimuli(network)), trained(dyadic(one_large_core(network)))
    frames, ids = torch.as_tensor(stimulus.frames.copy()), torch.as_tensor(np.array(stimulus.sample_ids))
    queue, barrier = (
        reference.run(Call(plan_of(network), params, frames, ids, schedule))
        for schedule in (Schedule(F=None), Schedule("layered", None))
    )
    assert torch.equal(queue.counts, barrier.counts) and torch.equal(queue.v, barrier.v)
    for x, a, b in zip(learned(params), backward(queue, params), backward(barrier, params)):
        if x is params.lif.leak_u:  # layered, a share of 0 has a slope; asynchronously such a neuron keeps no current
            a, b = a * (x != 0), b * (x != 0)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))


def test_the_gradient_of_a_subtraction_is_left_to_the_plain_engine_with_one_sentence() -> None:
    network = SpikingNetwork.sequential((3,), torch.nn.Linear(3, 2), LIF(1e-3, 0.3, reset="subtract"))
    frames, schedule = torch.ones(2, 1, 3), Schedule(F=1)
    with pytest.warns(SlowerWarning, match="engine 'cpu' does not know the gradient of a reset by subtraction"):
        network(frames, schedule).counts.sum().backward()
    with pytest.raises(ValueError, match="use engine 'reference'"):
        network(frames, schedule, engine="cpu")
    with torch.no_grad():
        fast = network(frames, schedule, engine="cpu")
    slow = network(frames, schedule, engine="reference")
    assert torch.equal(fast.counts, slow.counts) and torch.equal(fast.v, slow.v)
