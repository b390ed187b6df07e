"""The neuron's numbers are looked at where they are given."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainer import LIF


@pytest.mark.parametrize("name", ["v_threshold", "tau_mem_s", "tau_syn_s"])
@pytest.mark.parametrize("value", [-1, float("nan"), "1", True, torch.ones(2)])
def test_a_value_is_one_number_of_at_least_0(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"LIF {name} is .*must be one number, at least 0"):
        LIF(**{name: value})


@pytest.mark.parametrize("value", [1e39, 10**400, float("inf")])
def test_a_threshold_beyond_float32_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"LIF v_threshold is .* at most 3.403e.38"):
        LIF(v_threshold=value)
    assert float(LIF(v_threshold=3.4e38).threshold()) == pytest.approx(3.4e38)


@pytest.mark.parametrize("name", ["refractory", "train_threshold", "train_tau"])
def test_a_flag_is_true_or_false(name: str) -> None:
    with pytest.raises(ValueError, match=f"LIF {name} is 'no'; give True or False"):
        LIF(1e-3, **{name: "no"})
