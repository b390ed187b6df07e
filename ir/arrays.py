"""Read-only arrays, so that a frozen value is frozen all the way down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Ints = NDArray[np.int64]
Int32s = NDArray[np.int32]
Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


def frozen_array(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Copy ``values`` into a contiguous array that refuses to be written."""
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def magnitudes(values: NDArray[Any]) -> NDArray[Any]:
    """``|values|`` without overflow: the lowest integer of a type has no positive twin there.

    >>> magnitudes(np.array([-128, 3], np.int8)).tolist()
    [128, 3]
    """
    found = np.abs(values)
    return found.view(f"u{found.itemsize}") if found.dtype.kind == "i" else found


def set_field(value: object, name: str, content: Any) -> None:
    """Set a field of a frozen dataclass from its own ``__post_init__``."""
    object.__setattr__(value, name, content)
