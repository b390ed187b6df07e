"""Shapes after layers that move no value."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ir import layers

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)


@given(shapes, st.integers(-5, 5), st.integers(-5, 5))
def test_flatten_is_torchs_or_touches_the_batch(shape: tuple[int, ...], start: int, end: int) -> None:
    try:
        theirs = nn.Flatten(start, end)(torch.zeros(7, *shape)).shape
    except (RuntimeError, IndexError):
        with pytest.raises(ValueError, match="flattens"):
            layers.flatten("Flatten", shape, start, end)
        return
    if theirs[0] != 7:
        with pytest.raises(ValueError, match="flattens the batch"):
            layers.flatten("Flatten", shape, start, end)
    elif (start + len(shape) + 1 if start < 0 else start) > 0 or len(theirs) == len(shape) + 1:
        assert layers.flatten("Flatten", shape, start, end) == theirs[1:]


@given(shapes, st.lists(st.integers(-1, 6), min_size=1, max_size=3))
def test_reshape_is_torchs(shape: tuple[int, ...], sizes: list[int]) -> None:
    kept = [shape[i] if x == 0 and i < len(shape) else x for i, x in enumerate(sizes)]
    try:
        theirs = torch.zeros(shape).reshape(kept).shape
    except RuntimeError:
        with pytest.raises(ValueError, match="Reshape makes"):
            layers.reshape("Reshape", shape, sizes)
        return
    assert layers.reshape("Reshape", shape, sizes) == theirs
    for batch in (0, -1, 7):
        if batch != -1 or -1 not in kept:
            assert layers.reshape("Reshape", shape, [batch, *kept], batch=True) == theirs


def test_one_axis_becomes_several() -> None:
    assert layers.unflatten("Unflatten", (12, 5), 1, (2, -1)) == (2, 6, 5)
    assert layers.unflatten("Unflatten", (12, 5), -1, (5, 1)) == (12, 5, 1)


def test_a_matrix_keeps_the_batch_apart() -> None:
    assert layers.matrix("Flatten", (2, 3)) == layers.matrix("Flatten", (2, 3), -2) == (6,)
    assert layers.matrix("Flatten", (1, 3), 2) == (3,)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no such axis": (lambda: layers.flatten("F", (2, 3), 1, 3), "flattens axes 1..3, values of shape .2, 3. have 3"),
    "batch": (lambda: layers.matrix("F", (2, 3), 0), "flattens at axis 0, which mixes the batch"),
    "behind": (lambda: layers.matrix("F", (2, 3), 2), "mixes the batch"),
    "sides": (lambda: layers.reshape("R", (2, 3), [4, -1]), "one sample must multiply to 6"),
    "two unknown": (lambda: layers.reshape("R", (2, 3), [-1, -1]), "R makes .-1, -1. of values of shape .2, 3."),
    "no such side": (lambda: layers.reshape("R", (2,), [2, 0]), "0 names no side"),
    "only the batch": (lambda: layers.reshape("R", (2,), [-1], batch=True), "the batch kept apart"),
    "unflatten": (lambda: layers.unflatten("U", (6,), 0, (2, 3)), "splits axis 0"),
    "sources": (lambda: layers.linear("Linear", (2, 3), 3), "needs 3 sources, it gets 6 .* the last axis alone"),
    "normalization": (lambda: layers.normalization("BatchNorm1d", (3, 2, 2), 3, (0, 1)), "use BatchNorm2d"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_one_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        make()
