"""How kernels are compiled, and what decides whether one compiled earlier may be used again.

Kernels allocate nothing, so they go without reference counts: counting atomically, on arrays that all threads share,
would cost more than the work. They count from the start of an array only: an index below 0 lies outside.
"""

from __future__ import annotations

from pathlib import Path

from ir import kernels
from ir.kernels import Kernel


def exact(function: Kernel) -> Kernel:
    """Compile into what Python calls, additions in the order written."""
    return kernels.part(function)


def apart(function: Kernel) -> Kernel:
    """The same for a loop over arrays that share no memory, so that it is done many elements at a time."""
    return kernels.part(function, apart=True)


def loose(function: Kernel) -> Kernel:
    """The same for sums that may be reordered, gradients; deterministic all the same."""
    return kernels.part(function, apart=True, fastmath={"reassoc", "contract", "nsz"})


def entry(function: Kernel) -> Kernel:
    """Compile what Python calls, and keep it on disk."""
    return kernels.kept_on_disk(function, allocates=False, lean=True)


def fingerprint() -> int:
    """A number that changes with the source of any kernel here."""
    return kernels.fingerprint(Path(__file__).parent)
