"""Tuples that compiled code reads through one pointer."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit

from ir.held import Held


class Inner(NamedTuple):
    """All kinds of numbers, arrays of one to three axes."""

    count: int
    share: float
    yes: bool
    key: np.uint64
    row: Any
    table: Any
    cube: Any


class Outer(NamedTuple):
    inner: Held
    shift: float


def inner(**change: Any) -> Inner:
    table, cube = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    return Inner(-5, -2.5, True, np.uint64(2**64 - 1), np.zeros(4), table, cube)._replace(**change)


@njit
def read(outer):
    x = outer.inner
    x.row[1] = x.share
    x.table[1, 2] += 1
    rows = x.table[1]
    return x.count, x.yes, x.key, x.cube[1, 2, 3], rows[2], x.table.shape[1], outer.shift, x.cube[1, 1].sum()


def test_a_kernel_reads_and_writes_what_the_tuple_refers_to() -> None:
    given = inner()
    found = read(Held(Outer(Held(given), 0.5)))
    assert found == (-5, True, 2**64 - 1, 23, 6.0, 3, 0.5, 70)
    assert given.row[1] == -2.5 and given.table[1, 2] == 6
    assert read(Held(Outer(Held(inner(yes=False)), 0.5)))[1] is False


def test_types_are_equal_where_fields_are_and_survive_the_disk() -> None:
    one, other = Held(inner()), Held(inner(count=7, row=np.ones(9)))
    assert one.type == other.type == pickle.loads(pickle.dumps(one.type))
    assert one.type != Held(inner(row=np.ones(9, np.float32))).type


@pytest.mark.parametrize("array", [np.zeros((4, 4)).T[:2], np.array([None])])
def test_arrays_that_kernels_would_misread_are_refused(array: Any) -> None:
    with pytest.raises(TypeError, match="numbers in C order"):
        Held(inner(row=array))
