"""Client, scheduler and workers have to be alike: else the same numbers are not promised, or nothing works at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ir.check import require

PACKAGES = ("dask", "distributed", "unlayered")
"""Compared to the last digit; of Python, 3.x."""


def check_versions(found: Mapping[str, Any]) -> None:
    """Raise unless all versions are the client's.

    Args:
        found: what ``distributed.Client.get_versions(packages=PACKAGES)`` says of client, scheduler and workers.

    Raises:
        ValueError: one sentence with the first that differs.
    """
    own = dict(said_by(found["client"]))
    others = [("the scheduler", found["scheduler"])]
    others += [(f"worker {address}", said) for address, said in sorted(found["workers"].items())]
    for who, said in others:
        for name, theirs in said_by(said):
            require(
                theirs == own[name],
                f"{who} has {name} {theirs}, this process {name} {own[name]}; install the same Python, dask and "
                "unlayered everywhere",
            )


def said_by(said: Any) -> Iterator[tuple[str, str]]:
    """Name and version of what is compared; ``absent`` where a process has it not, or does not answer."""
    packages = said.get("packages", {}) if isinstance(said, Mapping) else {}
    yield "Python", ".".join(str(packages.get("python", "absent")).split(".")[:2])
    for name in PACKAGES:
        yield name, str(packages.get(name) or "absent")
