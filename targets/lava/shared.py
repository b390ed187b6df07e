"""Arrays that a process and its forks both see; without a name, so that nothing can be left behind."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def shared_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros in anonymous shared memory."""
    shape = (shape,) if isinstance(shape, int) else shape
    n = int(np.prod(shape))
    buffer = mmap.mmap(-1, max(n, 1) * np.dtype(dtype).itemsize)
    return np.frombuffer(buffer, dtype, n).reshape(shape)
