"""How kernels are compiled: without reference counts, each once, kept on disk where Python calls them.

Kernels allocate nothing. Counting references, by atomic updates of arrays that all threads share, would cost more
than the work itself (measured: 3x); wrappers by which Python or C could call what only kernels call, a third of the
time that compiling takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ir import kernels


def kernel(function: kernels.Kernel) -> Any:
    """Compile a function that other kernels call."""
    return kernels.part(function)


def kernel_inside(function: kernels.Kernel) -> Any:
    """The same, written out where it is called: a call would copy the description of every array of a network."""
    return kernels.part(function, forceinline=True)


def kernel_on_disk(function: kernels.Kernel) -> Any:
    """Compile what Python calls, and keep it on disk."""
    return kernels.kept_on_disk(function, allocates=False)


def kernel_on_disk_tight(function: kernels.Kernel) -> Any:
    """The same in little code, which the layered run compiles in four fifths of the time and runs as fast."""
    return kernels.kept_on_disk(function, allocates=False, tight=True)


def fingerprint() -> int:
    """A number that changes with the source of any kernel here."""
    return kernels.fingerprint(Path(__file__).parent)
