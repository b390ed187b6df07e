"""No kernel of the compiled engine reads or writes outside of an array, or counts from an array's end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ir import ARITHMETICS, Schedule
from tests.strategies import Draw, cases
from tests.trainer.engines.in_python import Watched, run_by_python
from tests.trainer.engines.test_engines_agree import HARD, OPTIONS, Case, backward, both, dyadic, trained
from trainer import LIF, SpikingNetwork
from trainer.engines.compiled import flat
from trainer.engines.numbers import FixedNumbers, FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import fixed_params


def check(case: Case, options: TrainingOptions, fixed: bool, wide: bool) -> None:
    """Both passes, every index looked at, give the reference's spikes."""
    params = trained(fixed_params(case[0].network) if fixed else dyadic(case[0]))
    numbers = FixedNumbers(ARITHMETICS[case[0].network.arithmetic]) if fixed else FloatNumbers()
    with pytest.MonkeyPatch.context() as patch:
        if wide:
            patch.setattr(flat, "WIDE_FROM", 1)
            patch.setattr(flat, "WIDE_ROW", 1)
        called = run_by_python(patch)
        slow, fast = both(case, options, params, numbers)
        backward(fast, params)
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    assert called["run_samples"] and called["back_through_samples"]


@settings(max_examples=25, deadline=None)
@given(
    cases(HARD) | cases(Draw(extremes=True)),
    OPTIONS,
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {}, {"stop_after": 2}, {"stop_after_output": 1}]),
)
def test_indices_of_drawn_networks_lie_inside(
    case: Case, options: TrainingOptions, fixed: bool, wide: bool, stop: dict[str, Any]
) -> None:
    check((case[0], case[1], replace(case[2], **stop)), options, fixed, wide)


@pytest.mark.parametrize("schedule", [Schedule(F=1), Schedule(F=5), Schedule(F=5, order="momentum"), Schedule(F=None)])
def test_indices_of_layers_wider_than_what_is_compared_at_once_lie_inside(schedule: Schedule) -> None:
    """More than 64 neurons, inputs and entries; a convolution, and rows that are noted."""
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 3, 3, 2, bias=False), LIF(1e-3, 0.1), nn.Flatten(), nn.Linear(147, 70), LIF(1e-3, 0.2)
    network = SpikingNetwork.sequential((2, 15, 15), *layers, nn.Linear(70, 5), LIF(1e-3, 0.3)).train()
    frames, counts = (torch.rand(2, 1, 450) < 0.1).float(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat, "WIDE_FROM", 400)
        patch.setattr(flat, "WIDE_ROW", 8)
        called = run_by_python(patch)
        for engine in ("reference", "cpu"):
            result = network(frames, schedule, options=TrainingOptions(refractory_dropout=0.5), engine=engine)
            result.counts.sum().backward()
            counts.append(result.counts.detach())
    assert counts[0].sum() > 64 and called["add_up"]
    assert torch.equal(*counts)


@pytest.mark.parametrize("index", [-1, (0, -1), slice(-1, 2), slice(0, 4)])
def test_an_index_that_is_not_inside_is_seen(index: Any) -> None:
    with pytest.raises(IndexError):
        np.zeros((3, 3)).view(Watched)[index]
