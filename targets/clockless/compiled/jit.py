"""How the timed executor's kernels are compiled: each once, without reference counts, kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from numba import njit

from ir import kernels

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}

kernel: Any = cast(Any, njit)(**OPTIONS, no_cpython_wrapper=True)
"""Compile a function that other kernels call."""


def kernel_on_disk(function: kernels.Kernel) -> Any:
    """Compile what Python calls, and keep it on disk."""
    return kernels.kept_on_disk(function, **OPTIONS)


def fingerprint() -> int:
    """A number that changes with the source of any kernel here."""
    return kernels.fingerprint(Path(__file__).parent)
