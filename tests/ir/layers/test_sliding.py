"""A layer of the table is the layer that torch runs, whatever its settings are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ir import layers
from ir.connection import apply
from ir.layers import Window

small = st.integers(1, 3)


def values(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(-3, 4, (2, *shape), generator=torch.Generator().manual_seed(0)).double()


def same(window: Window, layer: nn.Module, shape: tuple[int, ...], weight: Any = None) -> None:
    """Integers in, so that only a true difference shows."""
    x = values(shape)
    theirs = layer.double().eval()(x).detach().numpy()
    connection = window.connection(weight)
    assert window.out_shape == theirs.shape[1:]
    assert np.prod(connection.out_shape) == np.prod(window.out_shape)
    np.testing.assert_allclose(apply(connection, x.flatten(1).numpy()), theirs.reshape(2, -1), atol=1e-12)


@st.composite
def convolutions(draw: Any) -> tuple[nn.Module, tuple[int, ...]]:
    n_axes = draw(st.integers(1, 2))
    kernel, stride, dilation = (tuple(draw(small) for _ in range(n_axes)) for _ in range(3))
    groups = draw(st.integers(1, 3))
    padding = draw(
        st.one_of(st.just("same"), st.just("valid"), st.tuples(*[st.integers(0, 3)] * n_axes), st.integers(0, 2))
    )
    stride = (1,) * n_axes if padding == "same" else stride
    shape = (groups * draw(st.integers(1, 2)), *(draw(st.integers(1, 7)) for _ in range(n_axes)))
    kind = nn.Conv1d if n_axes == 1 else nn.Conv2d
    layer = kind(shape[0], groups * draw(st.integers(1, 2)), kernel, stride, padding, dilation, groups, bias=False)
    layer.weight.data = torch.randint(-4, 5, layer.weight.shape).float()
    return layer, shape


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@settings(max_examples=300, deadline=None)
@given(convolutions())
def test_a_convolution_is_torchs(drawn: tuple[nn.Module, tuple[int, ...]]) -> None:
    layer, shape = drawn
    assert isinstance(layer, (nn.Conv1d, nn.Conv2d))
    try:
        layer(values(shape).float())
    except RuntimeError as error:
        assert "Kernel size can't be greater" in str(error) or "Output size is too small" in str(error), error
        with pytest.raises(ValueError, match="larger than its input"):
            converted(layer, shape)
        return
    same(converted(layer, shape), layer, shape, layer.weight.detach().numpy())


def converted(layer: Any, shape: tuple[int, ...]) -> Window:
    return layers.conv(
        "Conv", shape, tuple(layer.weight.shape), layer.stride, layer.padding, layer.dilation, layer.groups
    )


@st.composite
def average_pools(draw: Any) -> tuple[dict[str, Any], tuple[int, ...]]:
    kernel, stride = (draw(small), draw(small)), (draw(small), draw(small))
    padding = (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2)))
    shape = (2, draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    return {
        "kernel_size": kernel,
        "stride": draw(st.sampled_from([stride, None])),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
        "count_include_pad": draw(st.booleans()),
        "divisor_override": draw(st.sampled_from([None, None, 1, 3, -2])),
    }, shape


@settings(max_examples=300, deadline=None)
@given(average_pools())
def test_a_pooling_is_torchs_or_divides_unevenly(drawn: tuple[dict[str, Any], tuple[int, ...]]) -> None:
    how, shape = drawn
    layer = nn.AvgPool2d(**how)
    try:
        theirs = layer(torch.ones(1, *shape).double())
    except RuntimeError:
        with pytest.raises(ValueError, match="larger than its input"):
            averaged(how, shape)
        return
    try:
        window = averaged(how, shape)
    except ValueError as error:
        assert "values an axis on shape" in str(error)
        sums = nn.AvgPool2d(**{**how, "divisor_override": 1})(torch.ones(1, *shape).double())
        n = sums / theirs
        assert len(n.unique()) > 1, f"{how} on {shape} divides by {n.unique()} everywhere"
        return
    same(window, layer, shape)


def averaged(how: dict[str, Any], shape: tuple[int, ...]) -> Window:
    return layers.average_pool("Pool", shape, *how.values())


@settings(max_examples=100, deadline=None)
@given(st.tuples(small, small), st.tuples(small, small), st.booleans(), st.tuples(*[st.integers(1, 6)] * 2))
def test_a_largest_value_is_linear_only_where_a_window_sees_one(
    kernel: tuple[int, int], stride: tuple[int, int], ceil_mode: bool, sides: tuple[int, int]
) -> None:
    layer, shape = nn.MaxPool2d(kernel, stride, (kernel[0] // 2, kernel[1] // 2), ceil_mode=ceil_mode), (2, *sides)
    try:
        layer(values(shape))
    except RuntimeError:
        return
    try:
        window = layers.max_pool("MaxPool", shape, kernel, stride, (kernel[0] // 2, kernel[1] // 2), ceil_mode)
    except ValueError as error:
        assert "no asynchronous meaning" in str(error)
        how = (kernel, stride, (kernel[0] // 2, kernel[1] // 2), ceil_mode)
        assert nn.AvgPool2d(*how, divisor_override=1)(torch.ones(1, *shape)).max() > 1
        return
    same(window, layer, shape)


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.integers(1, 8)] * 2), st.one_of(small, st.tuples(*[st.one_of(small, st.none())] * 2)))
def test_an_adaptive_pooling_is_torchs_where_its_windows_are_equal(
    sides: tuple[int, int], output: int | tuple[int | None, int | None]
) -> None:
    shape, layer = (2, *sides), nn.AdaptiveAvgPool2d(output)
    wanted = output if isinstance(output, tuple) else (output, output)
    divides = all(o is None or s % o == 0 for s, o in zip(sides, wanted))
    try:
        window = layers.adaptive_average_pool("Adaptive", shape, output, 2)
    except ValueError as error:
        assert not divides and "choose sizes that divide" in str(error)
        return
    same(window, layer, shape)


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.integers(-2, 3)] * 4), st.tuples(*[st.integers(1, 6)] * 2))
def test_padding_and_cropping_are_torchs(pads: tuple[int, int, int, int], sides: tuple[int, int]) -> None:
    left, right, top, bottom = pads
    if sides[0] + top + bottom < 1 or sides[1] + left + right < 1 or min(pads[:2]) <= -sides[1]:
        return
    if min(pads[2:]) <= -sides[0]:
        return
    window = layers.zero_pad("ZeroPad2d", (2, *sides), [(top, bottom), (left, right)])
    same(window, nn.ZeroPad2d(pads), (2, *sides))


@pytest.mark.parametrize(("word", "kernel", "sides"), [("same_upper", 2, (0, 1)), ("same_lower", 2, (1, 0))])
def test_uneven_padding_writes_zeros_into_a_kernel_that_stays_shared(
    word: str, kernel: int, sides: tuple[int, int]
) -> None:
    x, weight = values((1, 4, 4)), np.arange(4.0).reshape(1, 1, 2, 2) + 1
    window = layers.conv("Conv", (1, 4, 4), (1, 1, kernel, kernel), padding=word)
    assert window.kernel == (3, 3) and window.own_kernel == (2, 2)
    padded = nn.functional.pad(x, (*sides, *sides))
    theirs = nn.functional.conv2d(padded, torch.tensor(weight))
    assert np.array_equal(apply(window.connection(weight), x.flatten(1).numpy()), theirs.flatten(1).numpy())


def test_uneven_padding_that_no_window_reaches_writes_nothing() -> None:
    window = layers.conv("Conv", (1, 5, 5), (1, 1, 2, 2), stride=2, padding=[(0, 0), (0, 0)])
    uneven = layers.conv("Conv", (1, 4, 4), (1, 1, 2, 2), stride=2, padding=[(0, 1), (0, 1)])
    assert window.kernel == uneven.kernel == (2, 2) and uneven.padding == (0, 0) and uneven.out_shape == (1, 2, 2)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "channels": (lambda: layers.conv("Conv2d 'a'", (3, 5, 5), (4, 2, 3, 3)), "Conv2d 'a' needs 2 channels, it gets 3"),
    "flat": (lambda: layers.conv("Conv2d", (75,), (4, 3, 3, 3)), "it gets .75,.; remove the Flatten before it"),
    "groups": (lambda: layers.conv("Conv2d", (2, 5, 5), (3, 1, 3, 3), groups=2), "3 channels in 2 groups"),
    "kernel": (lambda: layers.conv("Conv2d", (1, 2, 2), (1, 1, 3, 3)), "larger than its input"),
    "three axes": (lambda: layers.conv("Conv3d", (1, 2, 2, 2), (1, 1, 1, 1, 1)), "along one or two axes"),
    "word": (lambda: layers.conv("Conv2d", (1, 2, 2), (1, 1, 1, 1), padding="some"), "padding 'some'"),
    "same with a stride": (lambda: layers.conv("C", (1, 4), (1, 1, 2), 2, "same"), "which torch does not define"),
    "stride": (lambda: layers.conv("Conv2d", (1, 2, 2), (1, 1, 1, 1), stride=0), "stride 0; give 2 whole numbers"),
    "negative": (
        lambda: layers.conv("C", (1, 4), (1, 1, 2), 1, -1),
        "padding -1; give 1 whole numbers, each at least 0",
    ),
    "huge zeros": (lambda: layers.zero_pad("P", (1, 2, 2), [(0, 1 << 13), (0, 1 << 13)]), "at most 16777216"),
    "ceil_mode": (lambda: layers.average_pool("A", (1, 5, 5), 2, ceil_mode=True), "ceil_mode averages over 1 or 2"),
    "padding": (
        lambda: layers.average_pool("A", (1, 4, 4), 3, 2, 1, False, False),
        "count_include_pad=False averages over 2 or 3",
    ),
    "adaptive": (lambda: layers.adaptive_average_pool("A", (1, 5, 5), 3, 2), "unequal size .* divide .5, 5."),
    "adaptive up": (lambda: layers.adaptive_average_pool("A", (1, 1, 1), 3, 2), "more than there are"),
    "maximum": (
        lambda: layers.max_pool("MaxPool2d", (1, 4, 4), 2),
        "MaxPool2d has no asynchronous .*several values .shape .1, 4, 4..",
    ),
    "ones around": (lambda: layers.zero_pad("P", (1, 2, 2), [(0, 1), (0, 0)], 1.0), "writes 1.0 around"),
    "nothing left": (lambda: layers.zero_pad("P", (1, 2, 2), [(-1, -1), (0, 0)]), "crops all values of shape"),
    "pool of a flat input": (lambda: layers.average_pool("AvgPool2d", (4,), 2), "remove the Flatten"),
    "divisor": (lambda: layers.average_pool("A", (1, 4, 4), 2, divisor=0), "divides by 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_one_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        make()
