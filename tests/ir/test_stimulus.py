"""Frames are counts as they came: none is wrapped into a smaller type in silence."""

from __future__ import annotations

import numpy as np
import pytest

from ir.stimulus import Stimulus

EDGES = np.array([-(2**31), 2**31 - 1])


@pytest.mark.parametrize(
    ("values", "kind"),
    [(np.array([-128, 127]), np.int8), (np.array([0, 255]), np.uint8), (EDGES, np.int64), (EDGES[1:], np.uint32)],
    ids=str,
)
def test_counts_of_every_integer_type_keep_their_values(values: np.ndarray, kind: type):
    assert (Stimulus(values.astype(kind).reshape(1, 1, -1)).frames[0, 0] == values).all()


@pytest.mark.parametrize(
    "values", [np.array([2**31]), np.array([-(2**31) - 1]), np.array([2**32 - 1], np.uint32)], ids=str
)
def test_counts_beyond_32_bits_are_refused(values: np.ndarray):
    with pytest.raises(ValueError, match="leave 32 bits; give smaller counts"):
        Stimulus(values.reshape(1, 1, 1))
