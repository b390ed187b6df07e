"""Windows along one axis: even padding by zeros around the kernel, and two windows as one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from ir.layers.window import Axis


def matrix(axis: Axis, kernel: np.ndarray) -> np.ndarray:
    """(out, size): what each window takes, from the definition."""
    taken = np.zeros((axis.out, axis.size), int)
    for y in range(axis.out):
        for i, weight in enumerate(kernel):
            at = y * axis.stride - axis.before + axis.step * i
            if 0 <= at < axis.size:
                taken[y, at] += weight
    return taken


@st.composite
def axes(draw: Any, size: int | None = None, even: bool = False) -> Axis:
    n = draw(st.integers(1, 9)) if size is None else size
    before, taps = draw(st.integers(0, 3)), draw(st.integers(1, 4))
    after = before if even else draw(st.integers(0, 4))
    axis = Axis(n, taps, draw(st.integers(1, 3)), before, after, draw(st.integers(1, 3)))
    assume(axis.out > 0)
    return axis


@given(axes())
def test_zeros_around_the_kernel_make_padding_even(axis: Axis) -> None:
    padding, step, length, taps = axis.even()
    written = np.zeros(length, int)
    written[taps] = np.arange(axis.taps) + 1
    plain = Axis(axis.size, length, axis.stride, padding, padding, step)
    assert np.array_equal(matrix(plain, written), matrix(axis, np.arange(axis.taps) + 1))


@given(st.data())
def test_two_windows_are_one_where_no_zeros_come_between(data: st.DataObject) -> None:
    first = data.draw(axes(even=True))
    second = data.draw(axes(first.out, even=True))
    one, other = np.arange(first.taps) + 2, np.arange(second.taps) * 3 + 1
    merged = first.then(second)
    if merged is None:
        assert second.before > 0
        return
    kernel = np.zeros(merged.taps, int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            kernel[(i * first.step + j * second.step * first.stride) // merged.step] += a * b
    assert merged.out == second.out
    assert np.array_equal(matrix(merged, kernel), matrix(second, other) @ matrix(first, one))


@given(axes(), st.integers(-2, 3), st.integers(0, 12))
def test_counts_of_taps_are_those_of_the_definition(axis: Axis, low: int, length: int) -> None:
    inside = {
        sum(low <= y * axis.stride - axis.before + axis.step * i < low + length for i in range(axis.taps))
        for y in range(axis.out)
    }
    assert axis.seen(low, low + length) == inside
