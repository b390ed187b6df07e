"""Kernels run by Python, on arrays that look at every index: compiled code looks at none."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ir.held import Held

WHOLE = 8


class Watched(np.ndarray):
    """An array that refuses an index below 0, and a slice that is not all inside; numpy refuses what lies above."""

    def __getitem__(self, index: Any) -> Any:
        self._look_at(index)
        found = super().__getitem__(index)
        # compiled code adds whole numbers of few bits in 64
        return np.int64(found) if isinstance(found, np.integer) and found.itemsize < WHOLE else found

    def __setitem__(self, index: Any, value: Any) -> None:
        self._look_at(index)
        super().__setitem__(index, value)

    def _look_at(self, index: Any) -> None:
        for at, size in zip(index if isinstance(index, tuple) else (index,), self.shape):
            if isinstance(at, slice):
                first, stop = at.start or 0, size if at.stop is None else at.stop
                inside = 0 <= first <= stop <= size
            else:
                inside = 0 <= int(at)
            if not inside:
                raise IndexError(f"index {at} of {size}")


def watched(x: Any) -> Any:
    """What a kernel is given, as Python reads it."""
    fields = x.fields if isinstance(x, Held) else x
    if isinstance(fields, tuple):
        names: Collection[str] = type(fields)._fields  # type: ignore[attr-defined]
        return SimpleNamespace(**dict(zip(names, map(watched, fields))))
    return x.view(Watched) if isinstance(x, np.ndarray) else x


def run_by_python(
    patch: pytest.MonkeyPatch, package: str, entries: Collection[str], by_hand: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Have Python run the kernels of a package until the patch is undone; how often each of ``entries`` was called.

    Args:
        by_hand: what stands in for functions of these names, which Python cannot run.
    """
    called = dict.fromkeys(entries, 0)
    modules = [module for name, module in sorted(sys.modules.items()) if f"{name}.".startswith(f"{package}.")]
    for module in modules:
        for name, value in list(vars(module).items()):
            if by_hand and name in by_hand:
                patch.setattr(module, name, by_hand[name])
            elif hasattr(value, "py_func"):
                patch.setattr(module, name, _entry(name, value.py_func, called) if name in called else value.py_func)
    return called


def _entry(name: str, function: Any, called: dict[str, int]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        called[name] += 1
        # Sums wrap, and Python's numbers are cut to the bits of numpy's: here as in compiled code.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return function(*map(watched, given))

    return run
