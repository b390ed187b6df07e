"""Linear maps one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.compose import compose, dense_weight, diagonal, pooling, scale_rows, summed
from ir.connection import Conv2d, Dense, apply, with_weight


def integers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-5, 6, shape)


@st.composite
def convolutions(draw: st.DrawFn, in_shape: tuple[int, int, int], rng: np.random.Generator) -> Conv2d:
    kernel = (draw(st.integers(1, min(3, in_shape[1]))), draw(st.integers(1, min(3, in_shape[2]))))
    groups = draw(st.sampled_from([g for g in (1, 2, in_shape[0]) if in_shape[0] % g == 0]))
    weight = integers(rng, (groups * draw(st.integers(1, 2)), in_shape[0] // groups, *kernel))
    stride, padding = (draw(st.integers(1, 3)), draw(st.integers(1, 3))), draw(st.tuples(*[st.integers(0, 2)] * 2))
    dilation = [draw(st.integers(1, 2)) if 2 * (k - 1) < n else 1 for k, n in zip(kernel, in_shape[1:])]
    return Conv2d(weight, in_shape, stride, padding, (dilation[0], dilation[1]), groups)


@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_product_of_convolutions_does_what_they_do_one_after_the_other(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = data.draw(
        convolutions((data.draw(st.integers(1, 4)), *data.draw(st.tuples(*[st.integers(2, 7)] * 2))), rng)
    )
    second = data.draw(convolutions(first.out_shape, rng))
    s = integers(rng, (3, first.n_pre))
    product = compose(first, second)
    assert np.array_equal(apply(product, s), apply(second, apply(first, s)))
    assert isinstance(product, Conv2d) or second.padding != (0, 0)


@pytest.mark.parametrize(("groups", "c_out"), [(1, 1), (1, 3), (2, 2), (3, 3), (6, 6)])
def test_groups_of_both_need_not_agree(groups: int, c_out: int) -> None:
    rng = np.random.default_rng(0)
    first = Conv2d(integers(rng, (12, 1, 2, 2)), (6, 3, 3), groups=6)
    second = Conv2d(integers(rng, (c_out, 12 // groups, 1, 2)), (12, 2, 2), groups=groups)
    product, s = compose(first, second), integers(rng, (2, 54))
    assert isinstance(product, Conv2d) and np.array_equal(apply(product, s), apply(second, apply(first, s)))


def test_pooling_before_a_padded_convolution_stays_a_convolution() -> None:
    pool = pooling((4, 8, 8), (2, 2), (2, 2), (0, 0), 1.0)
    conv = Conv2d(np.ones((3, 4, 3, 3)), (4, 4, 4), padding=(1, 1))
    assert isinstance(compose(pool, conv), Conv2d)


def test_a_convolution_of_the_same_values_in_another_shape_is_not_merged() -> None:
    rng = np.random.default_rng(2)
    first, second = (Conv2d(integers(rng, (2, 2, 1, 2)), shape) for shape in ((2, 3, 5), (2, 4, 3)))
    s = integers(rng, (3, 30))
    assert np.array_equal(apply(compose(first, second), s), apply(second, apply(first, s)))


def test_padding_before_a_convolution_is_its_padding() -> None:
    pad = Conv2d(np.ones((4, 1, 1, 1)), (4, 8, 8), padding=(2, 1), groups=4)
    conv = Conv2d(np.ones((6, 2, 3, 3)), (4, 12, 10), padding=(1, 1), dilation=(2, 2), groups=2)
    merged = compose(pad, conv)
    assert isinstance(merged, Conv2d) and merged.padding == (3, 2) and merged.groups == 2


@given(st.data(), st.integers(0, 2**32 - 1))
def test_a_sum_of_maps_gives_the_sum_of_what_they_give(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = data.draw(convolutions((2, 3, 4), rng))
    maps = [conv, with_weight(conv, integers(rng, conv.weight.shape)), Dense(integers(rng, (conv.n_post, 24)))]
    maps += [compose(conv, diagonal(integers(rng, (conv.n_post,))))]
    first, second = data.draw(st.sampled_from(maps)), data.draw(st.sampled_from(maps))
    s = integers(rng, (3, 24))
    assert np.array_equal(apply(summed(first, second), s), apply(first, s) + apply(second, s))


def test_a_dense_map_after_a_convolution_is_dense() -> None:
    rng = np.random.default_rng(0)
    conv = Conv2d(integers(rng, (2, 1, 3, 3)), (1, 5, 5))
    dense = Dense(integers(rng, (4, conv.n_post)))
    s = integers(rng, (2, 25))
    assert np.array_equal(apply(compose(conv, dense), s), apply(dense, apply(conv, s)))


@pytest.mark.parametrize("factor", [np.array(3), np.arange(8), np.repeat([1, 2], 4)])
def test_scaled_rows_scale_the_result(factor: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    s = integers(rng, (2, 9))
    for c in (Dense(integers(rng, (8, 9))), Conv2d(integers(rng, (2, 1, 2, 2)), (1, 3, 3))):
        assert np.array_equal(apply(scale_rows(c, factor), s), apply(c, s) * factor)


def test_a_diagonal_connects_twins() -> None:
    assert np.array_equal(dense_weight(diagonal(np.array([1.0, 2.0]))), np.diag([1.0, 2.0]))


def test_a_product_too_large_is_refused() -> None:
    wide = Dense(np.ones((6000, 1)))
    with pytest.raises(ValueError, match="too large"):
        compose(Dense(np.ones((1, 6000))), wide)


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="cannot be followed"):
        compose(Dense(np.ones((2, 3))), Dense(np.ones((2, 3))))
