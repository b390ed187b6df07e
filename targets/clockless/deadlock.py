"""A run in which nothing can move is an outcome: who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ir.check import DeadlockError


class Waiting(Protocol):
    """A core as far as waiting goes."""

    index: int
    out: Any

    @property
    def room(self) -> int: ...


def stuck(
    cores: Sequence[Waiting],
    now: int,
    t: int,
    queue_events: int,
    wants: Callable[[Any], tuple[tuple[int, ...], int]],
    port_wants: tuple[int, ...],
) -> DeadlockError:
    """The outcome, with the circle of cores that wait for each other.

    Args:
        wants: of a core whose packet waits, the targets and the places it needs at each.
        port_wants: cores that a waiting input event wants to enter.
    """
    waits_for = {
        core.index: next(c for c in targets if cores[c].room < n)
        for core in cores
        if core.out
        for targets, n in [wants(core)]
    }
    return sentence_of(waits_for, now, t, queue_events, port_wants)


def sentence_of(
    waits_for: dict[int, int], now: int, t: int, queue_events: int, port_wants: tuple[int, ...]
) -> DeadlockError:
    """The outcome from who waits for whom."""
    path: list[int] = []
    at = min(waits_for) if waits_for else -1
    while at in waits_for and at not in path:
        path.append(at)
        at = waits_for[at]
    circle = path[path.index(at) :] if at in path else path
    who = " > ".join(map(str, [*circle, at])) if circle else f"input > {', '.join(map(str, port_wants))}"
    return DeadlockError(
        f"deadlock at {now / 1000:.3f} ns, time step {t}: cores {who}, queues of {queue_events} events; enlarge the "
        "queue, place apart, or let a full queue drop"
    )
