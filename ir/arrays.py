"""Read-only arrays, so that a frozen value is frozen all the way down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ir.check import check_range

Array = NDArray[Any]
"""Numbers of any kind."""

Ints = NDArray[np.int64]
Int32s = NDArray[np.int32]
Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


def frozen_array(values: ArrayLike, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """``values`` as a contiguous array that refuses to be written: a copy, unless it is such an array already."""
    if type(values) is np.ndarray and _is_frozen(values) and dtype in (None, values.dtype):
        return values
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def _is_frozen(array: NDArray[Any]) -> bool:
    """Whether nobody can write to the array: neither itself nor what it is a view of."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    return array.flags.c_contiguous and (owner is None or isinstance(owner, bytes))


def numbers(who: str, values: Any, kinds: str = "biuf") -> NDArray[Any]:
    """``values`` as an array; raise unless it is one of numbers: neither text, nor objects, nor rows of unlike length.

    Args:
        kinds: of dtypes that are taken; an array without elements may have any.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{who} is no array of numbers; give one") from error
    if array.dtype.kind not in kinds and not (array.size == 0 and array.dtype.kind in "biuf"):
        wanted = "numbers" if "f" in kinds else "whole numbers"
        raise ValueError(f"{who} has type {array.dtype}; give {wanted}")
    if array.dtype.itemsize > 8:
        raise ValueError(f"{who} has type {array.dtype}; give at most 64 bits")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def whole_array(who: str, values: Any, dtype: type[np.integer[Any]] = np.int64) -> NDArray[Any]:
    """A frozen array of whole numbers, none of which leaves ``dtype``.

    Raises:
        ValueError: text, fractions, or a number beyond the type.
    """
    array = numbers(who, values, "biu")
    if array.size and not np.can_cast(array.dtype, dtype):
        edge = np.iinfo(dtype)
        check_range(who, array, int(edge.min), int(edge.max))
    return frozen_array(array, dtype)


def real_array(who: str, values: Any) -> NDArray[Any]:
    """A frozen array of float64."""
    return frozen_array(numbers(who, values), np.float64)


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
