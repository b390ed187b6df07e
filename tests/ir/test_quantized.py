"""What an integer neuron may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.neurons import FixedLIF


@pytest.mark.parametrize(
    ("bias", "bias_exp", "register"),
    [
        (1, 31, 1 << 31),
        ([0, 1 << 20], 12, 1 << 32),
        ([0, -(1 << 20) - 1], 11, -(1 << 31) - (1 << 11)),
        ((1 << 31) - 1, 31, (1 << 62) - (1 << 31)),
        ((1 << 31) - 1, 0, None),
        (-1, 31, None),
        (-(1 << 31), 0, None),
        (-(1 << 31), -32, None),
    ],
)
def test_a_bias_fits_its_register_or_is_refused(bias: Any, bias_exp: int, register: int | None) -> None:
    if register is None:
        held = FixedLIF(bias=bias, bias_exp=bias_exp).register_bias()
        assert held is not None
        return
    with pytest.raises(
        ValueError, match=f"with bias_exp {bias_exp} is {register} in the register, which holds 32 bits"
    ):
        FixedLIF(bias=bias, bias_exp=bias_exp)


@given(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1, max_size=4), st.integers(-32, 31))
def test_the_register_holds_what_python_computes(bias: list[int], bias_exp: int) -> None:
    right = [b << bias_exp if bias_exp >= 0 else b >> -bias_exp for b in bias]
    if not all(-(1 << 31) <= x < 1 << 31 for x in right):
        with pytest.raises(ValueError, match="32 bits"):
            FixedLIF(bias=bias, bias_exp=bias_exp)
        return
    held = FixedLIF(bias=bias, bias_exp=bias_exp).register_bias()
    assert (None if held is None else held.tolist()) == (right if any(right) else None)


def test_a_bias_of_which_nothing_is_left_is_none() -> None:
    assert FixedLIF(bias=np.array([1, 0, 3]), bias_exp=-2).register_bias() is None
    assert FixedLIF(bias=0).register_bias() is None
    assert FixedLIF(bias=-1, bias_exp=-32).register_bias() == -1
