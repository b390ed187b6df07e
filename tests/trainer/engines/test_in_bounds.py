"""No kernel of the compiled engine reads or writes outside of an array, or counts from an array's end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ir import ARITHMETICS, Schedule
from tests.in_python import Watched, run_by_python
from tests.strategies import Draw, cases
from tests.trainer.engines.agreement import HARD, OPTIONS, Case, backward, both, dyadic, trained
from trainer import LIF, SpikingNetwork
from trainer.engines.compiled import flat, keys, lanes, links
from trainer.engines.numbers import FixedNumbers, FloatNumbers
from trainer.engines.options import TrainingOptions
from trainer.engines.plan import fixed_params

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "25"))


def _lanes(array: Any, at: int) -> Any:
    return array[int(at) : int(at) + lanes.LANES]


def _bits(flags: Any) -> np.uint64:
    return np.packbits(np.asarray(flags), bitorder="little").view(np.uint64)[0]


def _few(array: Any, at: int) -> Any:
    return array[int(at) : int(at) + lanes.FEW]


def _add_few(target: Any, to: int, source: Any, at: int, value: Any) -> None:
    target[int(to) : int(to) + lanes.FEW] += target.dtype.type(value) * _few(source, at)


def _fetch(*_: Any) -> None:
    """Whatever is brought near, nothing is read."""


BY_HAND: dict[str, Callable[..., Any]] = {
    "span": lambda array, first, stop: array[first:stop],
    "fetch": _fetch,
    "nonzero": lambda array, at: _bits(_lanes(array, at) != 0),
    "add_few": _add_few,
    "dot_few": lambda a, at, b, to: a.dtype.type((_few(a, at) * _few(b, to)).sum()),
    "above_few": lambda array, limits, at: np.uint64(
        np.packbits(np.asarray(_few(array, at) > _few(limits, at)), bitorder="little")[0]
    ),
    "above": lambda array, limits, at: _bits(_lanes(array, at) > _lanes(limits, at)),
    "at_most": lambda array, limit, at: _bits(_lanes(array, at) <= limit),
    "lowest": lambda mask: (int(mask) & -int(mask)).bit_length() - 1,
    "place_of_smallest": lambda h, neurons, n: int(np.argmin([keys.mix(h + np.uint64(int(j))) for j in neurons[:n]])),
    "extend": lambda h, part: keys.mix(h + np.uint64(int(part) % (1 << 64))),
}
"""``lanes``, where it is written for the compiler, in Python; whose own whole numbers have no two's complement."""


def kernels_by_python(patch: pytest.MonkeyPatch) -> dict[str, int]:
    # numpy 1 adds a whole number of Python's to one without a sign as floats
    patch.setattr(links, "np", SimpleNamespace(uint64=int, int64=int))
    return run_by_python(patch, "trainer.engines", ("run_samples", "back_through_samples", "add_up"), BY_HAND)


def check(case: Case, options: TrainingOptions, fixed: bool, wide: bool) -> None:
    """Both passes, every index looked at, give the reference's spikes."""
    params = trained(fixed_params(case[0].network) if fixed else dyadic(case[0]))
    numbers = FixedNumbers(ARITHMETICS[case[0].network.arithmetic]) if fixed else FloatNumbers()
    with pytest.MonkeyPatch.context() as patch:
        if wide:
            patch.setattr(flat, "WIDE_FROM", 1)
            patch.setattr(flat, "WIDE_ROW", 1)
        called = kernels_by_python(patch)
        slow, fast = both(case, options, params, numbers)
        backward(fast, params)
    assert torch.equal(slow.counts, fast.counts) and torch.equal(slow.v, fast.v)
    assert called["run_samples"] and called["back_through_samples"]


@settings(max_examples=DRAWS, deadline=None)
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
        called = kernels_by_python(patch)
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
