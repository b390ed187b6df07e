"""Values drawn one apart from the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

ALONE = settings(
    max_examples=2,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def each(strategy: SearchStrategy[Any], n: int, start: int, check: Callable[[Any], T]) -> list[T]:
    """``check`` of ``n`` values; one that fails is shrunk.

    One run of hypothesis makes most of its values by mutating those before, so that a few hundred are really some
    dozen. Here each value has a run of its own: the simplest value, then one that is drawn afresh.
    """
    found = [_one(strategy, start + number, check) for number in range(n)]
    return [value for value in found if value is not None]


def _one(strategy: SearchStrategy[Any], start: int, check: Callable[[Any], T]) -> T | None:
    last: list[T] = []

    @seed(start)
    @ALONE
    @given(strategy)
    def hold(value: Any) -> None:
        last[:] = [check(value)]

    hold()
    return last[0] if last else None
