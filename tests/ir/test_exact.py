"""Runs that not every executor computes exactly are refused; no others are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.exact import check_exact
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.worst_case import drive_bounds

TOP = (1 << 31) - 1
LAYERED = Schedule(kind="layered", F=None)


def into_one(connection: Connection, weight_exp: int = 0, delay: Any = 0, **neuron: Any) -> QuantizedNetwork:
    """Inputs onto population a."""
    return QuantizedNetwork(
        (Input("in", (connection.n_pre,)),),
        (FixedPopulation("a", (connection.n_post,), FixedLIF(**neuron)),),
        (FixedProjection("in", "a", connection, weight_exp, delay),),
        "a",
    )


def frames(*rows: list[int]) -> Stimulus:
    """One sample."""
    return Stimulus(np.array(rows, np.int64)[:, None])


@pytest.mark.parametrize("schedule", [Schedule(), LAYERED, Schedule(input="queued")], ids=lambda s: s.kind)
def test_the_largest_weight_and_count_together_are_refused_in_one_sentence(schedule: Schedule) -> None:
    network = into_one(Dense(np.array([[TOP]])))
    with pytest.raises(ValueError) as refused:
        check_exact(network, frames([TOP]), schedule)
    assert str(refused.value) == (
        "projection in -> a: its sum could come to 2^62.0 on this stimulus, and not every executor is exact beyond "
        "2^53; use smaller weights, counts or weight_exp"
    )


@pytest.mark.parametrize(("count", "exact"), [(1 << 30, True), ((1 << 30) + 1, False), (-(1 << 30), True)])
def test_two_to_the_53_itself_is_exact(count: int, exact: bool) -> None:
    network = into_one(Dense(np.array([[1 << 22, 1 << 22]])))
    if exact:
        return check_exact(network, frames([count, count]), Schedule())
    with pytest.raises(ValueError, match=r"2\^53\.0"):
        check_exact(network, frames([count, count]), Schedule())


def test_a_left_shift_counts_and_a_right_shift_does_not() -> None:
    check_exact(into_one(Dense(np.array([[1 << 22]])), 31), frames([1]), Schedule())
    with pytest.raises(ValueError, match=r"2\^54"):
        check_exact(into_one(Dense(np.array([[1 << 23]])), 31), frames([1]), Schedule())
    with pytest.raises(ValueError, match=r"2\^61"):
        check_exact(into_one(Dense(np.array([[1 << 30]])), -31), frames([TOP]), Schedule())


@pytest.mark.parametrize(
    ("weight", "count"), [(127, 1 << 20), (1 << 18, 1 << 20), (TOP, 1 << 15), (1, TOP), (127, -(1 << 20))]
)
def test_ordinary_networks_are_not_refused(weight: int, count: int) -> None:
    network = into_one(Dense(np.full((4, 100), weight)))
    check_exact(network, frames([count] * 100), LAYERED)


def test_what_excites_and_what_inhibits_are_never_added() -> None:
    both = into_one(Dense(np.array([[1 << 23, -(1 << 23)]])))
    check_exact(both, frames([1 << 30, 1 << 30]), Schedule())
    with pytest.raises(ValueError, match=r"2\^54"):
        check_exact(both, frames([1 << 30, -(1 << 30)]), Schedule())


def test_only_frames_that_come_together_count() -> None:
    network = into_one(Dense(np.full((1, 2), 1 << 23)))
    check_exact(network, frames([1 << 30, 0], [0, 1 << 30]), LAYERED)
    check_exact(into_one(Dense(np.full((1, 2), 1 << 23)), delay=1), frames([1 << 30, 0], [0, 1 << 30]), LAYERED)
    late = into_one(Dense(np.full((1, 2), 1 << 23)), delay=[1, 0])
    with pytest.raises(ValueError, match=r"2\^54"):
        check_exact(late, frames([1 << 30, 0], [0, 1 << 30]), LAYERED)


@pytest.mark.parametrize(("stop_after", "exact"), [(2, True), (4096, False)])
def test_neurons_that_fire_again_count_as_often_as_they_may(stop_after: int, exact: bool) -> None:
    again = FixedLIF(refractory=False)
    network = QuantizedNetwork(
        (Input("in", (1,)),),
        (FixedPopulation("a", (1,), again), FixedPopulation("b", (1,), again)),
        (
            FixedProjection("in", "a", Dense(np.array([[1]]))),
            FixedProjection("a", "a", Dense(np.array([[1]]))),
            FixedProjection("a", "b", Dense(np.array([[1 << 30]])), 12),
        ),
        "b",
    )
    check_exact(network, frames([1]), LAYERED)
    if exact:
        return check_exact(network, frames([1]), Schedule(stop_after=stop_after))
    with pytest.raises(ValueError, match="projection a -> b"):
        check_exact(network, frames([1]), Schedule(stop_after=stop_after))


def test_an_empty_stimulus_and_no_projections_are_exact() -> None:
    network = into_one(Dense(np.array([[TOP]])))
    check_exact(network, Stimulus(np.zeros((0, 2, 1), np.int32)), Schedule())
    check_exact(network, Stimulus(np.zeros((2, 0, 1), np.int32)), LAYERED)
    alone = QuantizedNetwork(network.inputs, network.populations, (), "a")
    check_exact(alone, frames([TOP]), Schedule())


def wide(draw: st.DrawFn) -> Connection:
    """A connection whose weights are large."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top = 1 << draw(st.integers(8, 31))
    kind = draw(st.sampled_from(["dense", "sparse", "conv"]))
    if kind == "conv":
        weight = rng.integers(1 - top, top, (2, 1, 2, 2))
        return Conv2d(weight, (2, 3, 3), padding=(1, 0), groups=2)
    weight = rng.integers(1 - top, top, (3, 18))
    if kind == "dense":
        return Dense(weight)
    return Sparse(np.array([0, 20, 20, 25]), rng.integers(0, 18, 25).astype(np.int32), weight.reshape(-1)[:25], 18)


@given(st.data())
def test_the_bound_is_the_largest_sum_of_one_sign(data: st.DataObject) -> None:
    connection = data.draw(st.composite(wide)())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    top = 1 << data.draw(st.integers(1, 31))
    counts = rng.integers(-top + 1, top, (3, 2, 18)) if data.draw(st.booleans()) else rng.integers(0, top, (3, 2, 18))
    exponent = data.draw(st.integers(-3, 8))
    network = into_one(connection, exponent)
    largest = max(
        max(sum(max(s * p, 0) for p in terms) for s in (1, -1))
        for row in counts.reshape(-1, 18)
        for terms in by_hand(connection, row)
    )
    if largest << max(exponent, 0) <= 1 << 53:
        return check_exact(network, Stimulus(counts), Schedule())
    with pytest.raises(ValueError, match="not every executor is exact"):
        check_exact(network, Stimulus(counts), Schedule())


def by_hand(connection: Connection, row: np.ndarray) -> list[list[int]]:
    """Every product of each target, in Python's own integers."""
    x = [int(v) for v in row]
    if isinstance(connection, Dense):
        return [[int(w) * c for w, c in zip(ws, x)] for ws in connection.weight]
    if isinstance(connection, Sparse):
        ends = connection.indptr.tolist()
        return [[int(connection.weight[s]) * x[connection.indices[s]] for s in range(a, z)] for a, z in pairwise(ends)]
    _, height, width = connection.out_shape
    return [
        [
            int(connection.weight[o, 0, a, b]) * x[(o * 3 + y + a - 1) * 3 + z + b]
            for a in range(2)
            for b in range(2)
            if 0 <= y + a - 1 < 3
        ]
        for o in range(2)
        for y in range(height)
        for z in range(width)
    ]


class Carrying(FixedLIF):
    """A LIF whose every spike delivers its weights three times."""

    carries = 3


@pytest.mark.parametrize("schedule", [Schedule(), LAYERED, Schedule(stop_after=5)], ids=["once", "layered", "repeated"])
@pytest.mark.parametrize("many", [1, 3])
def test_what_a_spike_carries_counts_in_every_bound(schedule: Schedule, many: int) -> None:
    """A weight of 2^23 at an exponent of 30 is the last that is exact."""
    refractory = schedule.stop_after is None
    neuron = (FixedLIF if many == 1 else Carrying)(refractory=refractory)
    into = Dense(np.array([[1 << 23]]))
    network = QuantizedNetwork(
        (Input("in", (1,)),),
        (FixedPopulation("a", (1,), neuron), FixedPopulation("b", (1,))),
        (FixedProjection("in", "a", Dense(np.array([[1]]))), FixedProjection("a", "b", into)),
        "b",
        schedule=schedule,
    )
    times = many if refractory else 2 * many  # a may fire once more than its input has events
    assert drive_bounds(network, "b", 1).max() == times << 23
    shift = 30 - (times - 1).bit_length()
    fits, too_much = (
        replace(network, projections=(network.projections[0], replace(network.projections[1], weight_exp=exponent)))
        for exponent in (shift, shift + 1)
    )
    check_exact(fits, frames([1]), schedule)
    with pytest.raises(ValueError, match="projection a -> b: its sum could come to"):
        check_exact(too_much, frames([1]), schedule)
