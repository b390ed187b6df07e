"""Losses are lowest where the right class does what the loss rewards."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trainer.config import LOSSES
from trainer.engines.result import Result
from trainer.losses import LOSS_FUNCTIONS, count_loss, early_loss, rate_loss

PLAN: Any = SimpleNamespace(output=slice(1, 4))


def result(spikes: list[list[float]]) -> Result:
    """One sample; spikes (T, 3) of the output, behind one hidden neuron; membranes the same."""
    x = torch.tensor([[[1.0, *row]] for row in spikes])
    return Result(x, x, torch.ones(len(spikes), 1))


def test_every_loss_of_a_configuration_has_a_function() -> None:
    assert set(LOSSES) == set(LOSS_FUNCTIONS)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_lower_where_the_right_class_spikes(name: str) -> None:
    loss, label = LOSS_FUNCTIONS[name], torch.tensor([2])
    assert loss(result([[0, 0, 1]] * 4), PLAN, label) < loss(result([[1, 0, 0]] * 4), PLAN, label)


def test_the_count_loss_sees_the_whole_sample_and_the_rate_loss_each_time_step() -> None:
    spread, bunched = result([[0, 0, 1], [0, 0, 1], [0, 0, 0]]), result([[0, 0, 2], [0, 0, 0], [0, 0, 0]])
    label = torch.tensor([2])
    assert count_loss(spread, PLAN, label) == count_loss(bunched, PLAN, label)
    assert rate_loss(spread, PLAN, label) < rate_loss(bunched, PLAN, label)


def test_the_early_loss_counts_forward_steps_not_time_steps() -> None:
    spikes, label = result([[0, 0, 0], [0, 0, 1], [0, 0, 1]]), torch.tensor([2])
    slow = replace(spikes, forward_steps=torch.tensor([[9], [3], [3]]))
    quick = replace(spikes, forward_steps=torch.tensor([[2], [3], [3]]))
    late = replace(spikes, forward_steps=torch.tensor([[2], [3], [90]]))  # after the last spike
    assert early_loss(quick, PLAN, label) < early_loss(slow, PLAN, label)
    assert early_loss(quick, PLAN, label) == early_loss(late, PLAN, label)
    weighed = 0.97**2 + 0.97**5
    assert float(early_loss(quick, PLAN, label)) == pytest.approx(math.log(1 + 2 * math.exp(-weighed)))
