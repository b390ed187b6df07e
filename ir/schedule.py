"""How a network is executed: the schedule, and the key that makes every order a total order."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ir.arrays import set_field
from ir.check import INT32, check_choice, check_type, require, whole

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A = np.uint64(0xBF58476D1CE4E5B9)
MIX_B = np.uint64(0x94D049BB133111EB)

KINDS = ("asynchronous", "layered")
ORDERS = {
    "random": "the smallest key, drawn anew in every forward step",
    "momentum": "the largest membrane just before the reset, ties by key",
    "fifo": "the earliest forward step of firing, ties by index",
}
"""The order rules, each a total order, and who is served first under it. Every plain executor has a table with these
names; a compiled one may have fewer."""

SCOPES = ("network", "core", "receiver")
INPUT_RULES = ("first", "queued", "paced")
ALL = "all"
"""How files, the command line and printed numbers spell the group size F that serves everything; ours is None."""


@dataclass(frozen=True)
class Schedule:
    """The order in which spikes are served; with network and stimulus it determines a run.

    Attributes:
        kind: ``asynchronous`` (a spike queue, no barrier between layers) or ``layered``.
        F: group size, queue entries served in one forward step (a core, where each has a queue);
            None serves all.
        order: which entries are served first, a name of ``ORDERS``.
        scope: one queue for the ``network``, one for each ``core`` for the spikes of its neurons, or one for each
            ``receiver``, a core, for the spikes and events that reach its neurons.
        input: ``first`` (whole frame at k = 0), ``paced`` (R events a forward step) or
            ``queued`` (events compete with neurons).
        R: events a forward step under ``paced``.
        stop_after: at most this many forward steps a time step; None = until drained.
        stop_after_output: this many more rounds after the first output spike of a time step.
        seed: seed of the keys, any integer modulo 2^64.
    """

    kind: Literal["asynchronous", "layered"] = "asynchronous"
    F: int | None = 8
    order: str = "momentum"
    scope: Literal["network", "core", "receiver"] = "network"
    input: Literal["first", "queued", "paced"] = "first"
    R: int | None = None
    stop_after: int | None = None
    stop_after_output: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("schedule kind", self.kind, KINDS)
        check_choice("schedule order", self.order, ORDERS)
        check_choice("schedule scope", self.scope, SCOPES)
        check_choice("schedule input", self.input, INPUT_RULES)
        for name, least in (("F", 1), ("R", 1), ("stop_after", 1), ("stop_after_output", 0)):
            value = getattr(self, name)
            if value is not None:
                check_type(f"schedule {name}", value, Integral, f"a whole number, at least {least}, or None")
                require(value >= least, f"schedule {name} is {value}; at least {least}, or None")
                set_field(self, name, whole(f"schedule {name}", value, least, INT32[1]))
        check_type("schedule seed", self.seed, Integral, "a whole number")
        set_field(self, "seed", int(self.seed))
        require(self.input != "paced" or self.R is not None, "input 'paced' needs R, the events a forward step")
        if self.scope == "core":
            way = "use 'first' or 'paced', or scope 'receiver'"
            require(self.input != "queued", f"scope 'core' has no place for queued input; {way}")


def group_of(word: Any) -> Any:
    """A group size as it was written, ``all`` read as None; whether the rest is one, ``Schedule`` decides."""
    return None if word == ALL else word


def group_word(F: int | None) -> int | str:
    """A group size as it is written."""
    return ALL if F is None else F


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of splitmix64 (Steele, Lea, Flood 2014), modulo 2^64."""
    with np.errstate(over="ignore"):
        x = x + GOLDEN
        x = (x ^ (x >> np.uint64(30))) * MIX_A
        x = (x ^ (x >> np.uint64(27))) * MIX_B
        return x ^ (x >> np.uint64(31))


def _as_uint64(x: ArrayLike) -> NDArray[np.uint64]:
    if isinstance(x, int):
        return np.asarray(x % (1 << 64), dtype=np.uint64)
    return np.asarray(x).astype(np.uint64)


def key(seed: ArrayLike, sample: ArrayLike, t: ArrayLike, k: ArrayLike, neuron: ArrayLike) -> NDArray[np.uint64]:
    """The key of a queue entry: ``h = mix(seed)``, then ``h = mix(h + x)`` for each address part.

    Arguments broadcast; negative numbers are taken in two's complement (k = -1).

    >>> hex(int(key(1, 2, 3, 4, 5)))
    '0x141ea6a5b8259323'
    """
    h = mix(_as_uint64(seed))
    with np.errstate(over="ignore"):
        for x in (sample, t, k, neuron):
            h = mix(h + _as_uint64(x))
    return h


def stream(seed: int, purpose: int) -> int:
    """A seed of its own for one ``purpose`` (dropout, noise, epoch order) of a run's ``seed``."""
    return int(key(seed, purpose, 0, 0, 0))


def uniform(keys: NDArray[Any]) -> NDArray[np.float64]:
    """Map keys to uniform numbers in [0, 1): the upper 53 bits."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53
