"""The number of the execution contract that this release keeps (``docs/semantics.md``)."""

from __future__ import annotations

from ir.check import require, sentence

CONTRACT = 2
"""Carried by mapped networks and traces."""

BEFORE_NUMBERS = 1
"""What a file without a number is of."""


def check_same_contract(a: int, b: int) -> None:
    """Raise unless two traces, of contracts ``a`` and ``b``, can be compared."""
    require(
        a == b,
        f"the first trace is of contract {a}, the second of contract {b}: what ends a time step differs "
        "(docs/semantics.md); run the older one again with this release",
    )


def check_contract(what: str, number: object) -> None:
    """Raise unless ``what`` is of a contract that this release knows."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(sentence(f"contract of this {what} is {number!r}; it must be a whole number from 1"))
    require(
        number <= CONTRACT,
        f"this {what} is of contract {number}, this release knows up to {CONTRACT}; update unlayered",
    )
