"""Rounding that hands errors on keeps sums better than the nearest integers, and stays on the grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.chip import IntFormat
from ir.connection import Conv2d, apply
from mapper.rounding.compensate import Hessian, compensated
from mapper.rounding.features import leaked, rows_of_kernel


def correlated(rng: np.random.Generator, n_rows: int, n_sources: int) -> np.ndarray:
    """Spikes of sources that fire together."""
    return np.asarray(rng.random((n_rows, 3)) @ rng.random((3, n_sources)) > 0.8, np.float32)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 5), st.sampled_from([1, 2, 64]))
def test_sums_err_no_more_than_with_the_nearest_integers(seed: int, n: int, n_rows: int, step: int) -> None:
    rng, grid = np.random.default_rng(seed), IntFormat(-2 * step, step, step)
    hessian = Hessian.of(correlated(rng, 50, n))
    weight = rng.normal(0, step, (n_rows, n))
    found = compensated(weight, hessian, grid)
    nearest = np.clip(np.rint(weight / step), -2, 1) * step
    error, plain = (np.einsum("rk,kl,rl->r", d, hessian.matrix, d) for d in (found - weight, nearest - weight))
    assert found.dtype == np.int32 and set(np.unique(found)) <= {-2 * step, -step, 0, step}
    assert error.sum() <= plain.sum() * (1 + 1e-9)


def test_errors_of_sources_that_fire_together_cancel() -> None:
    """Two weights of 0.5 on sources that always fire together: nearest gives 0 + 0, together they are 1."""
    spikes = np.repeat(np.eye(2, dtype=np.float32), 2, axis=1)
    found = compensated(np.full((1, 4), 0.45), Hessian.of(spikes), IntFormat(-2, 1))
    assert found.reshape(2, 2).sum(1).tolist() == [1, 1]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_another_order_of_sources_is_another_rounding_of_the_same_error(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    hessian = Hessian.of(correlated(rng, 50, n))
    drawn = hessian.drawn(seed)
    assert sorted(drawn.order) == list(range(n)) and drawn.matrix is hessian.matrix
    inverse = np.linalg.inv(hessian.matrix[np.ix_(drawn.order, drawn.order)])
    np.testing.assert_allclose(drawn.factor.T @ drawn.factor, inverse, rtol=1e-6, atol=1e-9)


def test_weights_make_up_for_spikes_that_arrive_no_longer() -> None:
    """A source whose twin has fallen silent takes its part over."""
    trained = np.ones((64, 2), np.float32) * (np.arange(64) % 2 == 0)[:, None]
    now = trained * [1.0, 0.0]
    hessian = Hessian.of(now, trained)
    wanted = hessian.wanted(np.array([[2.0, 3.0]]))
    assert abs(wanted[0, 0] - 5.0) < 0.2


def test_rows_under_a_kernel_times_its_weights_are_the_convolution() -> None:
    rng = np.random.default_rng(0)
    c = Conv2d(rng.normal(size=(4, 1, 3, 2)), (2, 5, 6), (2, 1), (1, 0), (1, 2), 2)
    counts = np.asarray(rng.integers(0, 3, (2, 3, c.n_pre)), np.float32)
    wanted = apply(c, counts).reshape(-1, *c.out_shape)
    for g in (0, 1):
        rows = rows_of_kernel(counts, c, g)
        kernels = c.weight[2 * g : 2 * g + 2].reshape(2, -1)
        np.testing.assert_allclose((rows @ kernels.T).T, wanted[:, 2 * g : 2 * g + 2].swapaxes(0, 1).reshape(2, -1))


def test_leaks_are_those_of_the_membrane_and_the_current() -> None:
    counts = np.array([1.0, 0, 0, 2], np.float32).reshape(4, 1, 1)
    assert leaked(counts, [np.array(0.5)]).reshape(-1).tolist() == [1, 0.5, 0.25, 2.125]
    both = leaked(counts, [np.array(0.5), np.array(0.5)]).reshape(-1)
    assert both.tolist() == [1, 1, 0.75, 2.5]
    assert leaked(counts, [np.array(1.0)]) is counts
