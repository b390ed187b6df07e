"""The values that the Tab key offers behind an option, of the tables that the verbs check them against."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any


def offered(module: str, table: str) -> Callable[[str], list[str]]:
    """What Typer asks: the names of a table, or of what a function returns, that begin as the word does.

    The module is imported when a shell asks.
    """

    def values(incomplete: str) -> list[str]:
        found: Any = getattr(import_module(module), table)
        names: list[str] = list(found() if isinstance(found, FunctionType) else found)
        return [name for name in names if name.startswith(incomplete)]

    return values


chips = offered("unlayered.sources", "chip_names")
"""The chips that ship with the package."""
