"""How every kernel is compiled: cached on disk, without the interpreter lock, without reference counts.

Kernels allocate nothing, so they need no reference counts; counting them atomically would cost more than the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Kernel = Callable[..., Any]
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def exact(function: Kernel) -> Kernel:
    """Compile a kernel whose results decide: every addition in the order it is written."""
    return numba.njit(**OPTIONS)(function)


def loose(function: Kernel) -> Kernel:
    """Compile a kernel whose sums may be reordered (gradients); deterministic all the same."""
    return numba.njit(**OPTIONS, fastmath={"reassoc", "contract", "nsz"})(function)
