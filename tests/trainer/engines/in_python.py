"""The compiled engine's kernels run by Python, on arrays that look at every index: compiled code looks at none."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ir.held import Held
from trainer.engines import compiled, cpu
from trainer.engines.compiled import keys, lanes, links


class Watched(np.ndarray):
    """An array that refuses an index below 0, and a slice that is not all inside; numpy refuses what lies above."""

    def __getitem__(self, index: Any) -> Any:
        self._look_at(index)
        return super().__getitem__(index)

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
    if isinstance(x, Held):
        return SimpleNamespace(**{name: watched(value) for name, value in x.fields._asdict().items()})  # type: ignore[attr-defined]
    return x.view(Watched) if isinstance(x, np.ndarray) else x


def _lanes(array: Any, at: int) -> Any:
    return array[int(at) : int(at) + lanes.LANES]


def _bits(flags: Any) -> np.uint64:
    return np.packbits(np.asarray(flags), bitorder="little").view(np.uint64)[0]


def _fetch(*_: Any) -> None:
    """Whatever is brought near, nothing is read."""


BY_HAND: dict[str, Callable[..., Any]] = {
    "span": lambda array, first, stop: array[first:stop],
    "fetch": _fetch,
    "nonzero": lambda array, at: _bits(_lanes(array, at) != 0),
    "above": lambda array, limits, at: _bits(_lanes(array, at) > _lanes(limits, at)),
    "at_most": lambda array, limit, at: _bits(_lanes(array, at) <= limit),
    "lowest": lambda mask: (int(mask) & -int(mask)).bit_length() - 1,
}
"""``lanes``, where it is written for the compiler, in Python."""


def run_by_python(patch: pytest.MonkeyPatch) -> dict[str, int]:
    """Have Python run the kernels until the patch is undone; how often each entry was called."""
    called = {"run_samples": 0, "back_through_samples": 0, "add_up": 0}
    modules = [
        importlib.import_module(f"{compiled.__name__}.{x.name}") for x in pkgutil.iter_modules(compiled.__path__)
    ]
    for module in (*modules, cpu):
        for name, value in list(vars(module).items()):
            if name in BY_HAND and module is not keys:
                patch.setattr(module, name, BY_HAND[name])
            elif hasattr(value, "py_func"):
                patch.setattr(module, name, _entry(name, value.py_func, called) if name in called else value.py_func)
            if name == "extend":  # Python's own whole numbers have no two's complement
                patch.setattr(module, name, lambda h, part: keys.mix(h + np.uint64(int(part) % (1 << 64))))
    # numpy 1 adds a whole number of Python's to one without a sign as floats
    patch.setattr(links, "np", SimpleNamespace(uint64=int, int64=int))
    return called


def _entry(name: str, function: Any, called: dict[str, int]) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        called[name] += 1
        with np.errstate(all="ignore"):
            return function(*map(watched, given))

    return run
