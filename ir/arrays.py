"""Read-only arrays, so that a frozen value is frozen all the way down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ir.check import INT32, check_range

Array = NDArray[Any]
"""Numbers of any kind."""

EDGES: dict[Any, tuple[int, int]] = {np.int32: INT32, np.int64: (-(1 << 63), (1 << 63) - 1)}
"""The least and the largest number of a type; ``np.iinfo`` takes longer than many a check."""

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


def whole_array(
    who: str, values: Any, dtype: type[np.integer[Any]] = np.int64, least: int | None = None
) -> NDArray[Any]:
    """A frozen array of whole numbers, none of which leaves ``dtype``, int32 or int64, or is less than ``least``.

    Raises:
        ValueError: text, fractions, or a number beyond the type.
    """
    array = numbers(who, values, "biu")
    fits = array.dtype == dtype or np.can_cast(array.dtype, dtype)
    if array.size and not (fits and least is None):
        low, high = EDGES[dtype]
        check_range(who, array, low if least is None else least, high)
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


def ascends(columns: list[Array]) -> bool:
    """Whether rows are in order by the first column, ties by the next: far cheaper to see than to sort."""
    tied = np.ones(max(len(columns[0]) - 1, 0), bool)
    for column in columns:
        if len(column) != len(columns[0]) or bool((tied & (column[1:] < column[:-1])).any()):
            return False
        tied &= column[1:] == column[:-1]
    return True


def set_field(value: object, name: str, content: Any) -> None:
    """Set a field of a frozen dataclass from its own ``__post_init__``."""
    object.__setattr__(value, name, content)
