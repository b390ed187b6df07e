"""Cameras whose recordings are AEDAT files: how an address becomes a pixel, as in tonic's readers (``tonic.io``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Address = NDArray[Any]


@dataclass(frozen=True)
class Camera:
    """A camera.

    Attributes:
        sensor: (W, H, P).
        pixel: addresses to (x, y, p).
    """

    sensor: tuple[int, int, int]
    pixel: Callable[[Address], tuple[Address, Address, Address]]


def _bits(x: tuple[int, int], y: tuple[int, int], p: int) -> Callable[[Address], tuple[Address, Address, Address]]:
    """x and y as (shift, mask) of the address, p as its bit."""

    def pixel(address: Address) -> tuple[Address, Address, Address]:
        return (address >> x[0]) & x[1], (address >> y[0]) & y[1], (address >> p) & 1

    return pixel


def _davis346(address: Address) -> tuple[Address, Address, Address]:
    """jAER's layout, mirrored in both directions."""
    address = address.astype(np.int64)
    return 345 - ((address >> 12) & 0x3FF), 259 - ((address >> 22) & 0x1FF), (address >> 11) & 1


CAMERAS = {
    "dvs128": Camera((128, 128, 2), _bits((8, 0x7F), (1, 0x7F), 0)),
    "gesture": Camera((128, 128, 2), _bits((17, 0x1FFF), (2, 0x1FFF), 1)),
    "red": Camera((346, 260, 2), _bits((17, 0x7FFF), (2, 0x7FFF), 1)),
    "davis346": Camera((346, 260, 2), _davis346),
    "dvs346mini": Camera((132, 104, 2), _bits((22, 0x1FF), (12, 0x3FF), 11)),
}
"""By name; ``gesture`` and ``red`` are AEDAT 3.1's polarity events."""
