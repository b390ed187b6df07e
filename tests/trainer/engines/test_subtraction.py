"""Resets by subtraction and late ones in the engines: gradients as layered ones, and who computes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ir.mapped import one_large_core
from ir.neurons import RESETS
from ir.schedule import Schedule
from tests.strategies import Draw, networks, stimuli
from tests.trainer.engines.agreement import backward, dyadic, learned, trained
from trainer import LIF, SpikingNetwork
from trainer.engines import reference
from trainer.engines.call import Call
from trainer.engines.options import TrainingOptions
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


POOLED = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**16),
        "reset": st.sampled_from(list(RESETS)),
        "kernel": st.sampled_from([2, 3, (1, 3)]),
        "stride": st.sampled_from([1, 2, None]),
        "F": st.sampled_from([1, 2, 5, None]),
        "order": st.sampled_from(["momentum", "random", "fifo"]),
        "silent": st.sampled_from(["slots", "all", "none"]),
        "drop": st.sampled_from([0.0, 0.25]),
    }
)


@settings(max_examples=40, deadline=None)
@given(POOLED)
def test_compiled_gradients_through_a_max_pooling_are_autograds(draw: dict[str, Any]) -> None:
    def gradients(engine: str) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(draw["seed"])
        modules = (
            nn.Conv2d(2, 3, 3), LIF(5e-3, 0.3, reset=draw["reset"], train_threshold=True),
            nn.MaxPool2d(draw["kernel"], draw["stride"]), nn.Conv2d(3, 2, 2), LIF(4e-3, 0.3, train_threshold=True),
            nn.Flatten(), nn.LazyLinear(4), LIF(4e-3, 0.2, reset=draw["reset"], train_tau=True),
        )  # fmt: skip
        plain = [m for m in modules if not isinstance(m, LIF)]
        torch.nn.Sequential(*plain)(torch.zeros(1, 2, 8, 8))
        network = SpikingNetwork.sequential((2, 8, 8), *modules).double()
        frames = (torch.rand(4, 3, 2, 8, 8) < 0.4).double()
        schedule = Schedule(F=draw["F"], order=draw["order"], seed=draw["seed"])
        options = TrainingOptions(silent_gradient=draw["silent"], spike_dropout=draw["drop"])
        result = network(frames, schedule, options=options, engine=engine)
        weight = torch.randn(result.counts.shape, dtype=torch.float64)
        ((result.counts + 0.1 * result.v) * weight).sum().backward()
        learnt = (p.grad for p in network.parameters() if p.requires_grad)
        return result.counts.detach(), result.v.detach(), *(torch.zeros(1) if g is None else g for g in learnt)

    slow, fast = gradients("reference"), gradients("cpu")
    assert torch.equal(slow[0], fast[0]) and torch.equal(slow[1], fast[1]) and slow[0].sum() > 0
    for a, b in zip(slow[2:], fast[2:]):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * (1 + float(a.abs().sum())))
