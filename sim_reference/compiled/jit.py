"""How kernels are compiled, and what decides whether one compiled earlier may be used again."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, cast

from numba import njit

kernel: Any = cast(Any, njit)(nogil=True, error_model="numpy", _nrt=False)
"""Compile a function that allocates nothing: without reference counts, whose atomic updates of arrays that all threads
share cost more than the work itself (measured: 3x)."""

kernel_inside: Any = cast(Any, njit)(nogil=True, error_model="numpy", _nrt=False, forceinline=True)
"""The same, written out where it is called: a call would copy the description of every array of a network."""

kernel_on_disk: Any = cast(Any, njit)(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""The same, kept on disk."""


def fingerprint() -> int:
    """A number that changes with the source of any kernel.

    numba keeps compiled code as long as the entry's own file is unchanged, although the functions it calls, in other
    files, were compiled into it. The entries therefore close over this number, which is part of numba's key.
    """
    here = Path(__file__).parent
    texts = (path.read_bytes() for path in sorted(here.glob("*.py")))
    return zlib.crc32(b"".join(texts)) | 1
