"""How the timed executor's kernels are compiled: each once, without reference counts, kept on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ir import kernels


def kernel(function: kernels.Kernel) -> Any:
    """Compile a function that other kernels call."""
    return kernels.part(function)


def kernel_inside(function: kernels.Kernel) -> Any:
    """The same, written out where it is called: a call would copy the description of every table (measured: 2x)."""
    return kernels.part(function, forceinline=True)


def kernel_on_disk(function: kernels.Kernel) -> Any:
    """Compile what Python calls, and keep it on disk."""
    return kernels.kept_on_disk(function, allocates=False)


def fingerprint() -> int:
    """A number that changes with the source of any kernel here."""
    return kernels.fingerprint(Path(__file__).parent)
