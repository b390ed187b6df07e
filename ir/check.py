"""The errors every stage raises, and the small checks their constructors share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.words import meant


class FormatError(ValueError):
    """A file or value that is not what it claims to be."""


class CapacityError(ValueError):
    """Something that does not fit the chip: which, have, need, the smallest change that fits."""


class TargetError(RuntimeError):
    """A target (Lava) is absent, failed or ran out of time; the command line exits with 3."""


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)


def check_choice(who: str, value: object, allowed: Iterable[object]) -> None:
    """Raise unless ``value`` is one of ``allowed``."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(f"{who} is {value!r}{meant(value, allowed)}; use one of {', '.join(map(repr, allowed))}")


def check_finite(who: str, array: NDArray[Any]) -> None:
    """Raise with the first address of a NaN or an infinity in ``array``."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        address = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{who} holds {array[address]} at {address}; every value must be finite")


def check_per_neuron(who: str, array: NDArray[Any], n: int) -> None:
    """Raise unless ``array`` is one number or one number a neuron."""
    if array.shape not in ((), (n,)):
        raise ValueError(f"{who} has shape {array.shape}; give one number or {n}, one a neuron")
