"""How every kernel is compiled: cached on disk, free of the interpreter lock, no reordering of additions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Kernel = Callable[..., Any]


def exact(function: Kernel) -> Kernel:
    """Compile a kernel whose results decide: every addition in the order it is written."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def loose(function: Kernel) -> Kernel:
    """Compile a kernel whose sums may be reordered (gradients); deterministic all the same."""
    return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})(function)
