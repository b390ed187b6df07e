"""TOML from strangers: a table of plain values, no deeper and no longer than any of ours needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from exchange.plain import check_readable
from ir.check import FormatError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 256 << 10
MAX_DOTS = 200
"""Of a line: the parser takes quadratic time for a dotted name."""

MAX_DEPTH = 8
"""Of tables and lists in each other."""


def read_toml(path: str | Path, who: str = "") -> dict[str, Any]:
    """The table of a TOML file.

    Args:
        who: what the file is, for sentences, e.g. "chip file ".

    Raises:
        FormatError: missing, no TOML, too long or too deep; names the file.
    """
    path = Path(path)
    check_readable(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FormatError(f"{who}{path} is longer than {MAX_BYTES} bytes; no file of this kind needs to be")
        text = content.decode("utf-8-sig")  # some editors begin a file with a byte order mark
        if any(line.count(".") > MAX_DOTS for line in text.splitlines()):
            raise FormatError(f"{who}{path} has a line with more than {MAX_DOTS} dots; break it")
        table = tomllib.loads(text)
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{who}{path} cannot be read: {error.strerror or error}") from error
    except (RecursionError, MemoryError) as error:
        raise FormatError(f"{who}{path} is nested too deeply; write it flat") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, and numbers of too many digits
        raise FormatError(f"{who}{path} cannot be read as TOML: {error}") from error
    if _depth(table) > MAX_DEPTH:
        raise FormatError(f"{who}{path} is nested too deeply; write it flat")
    return table


def _depth(table: dict[str, Any]) -> int:
    """How deep tables and lists lie in each other; stops where it is too deep."""
    level: list[Any] = [table]
    depth = 0
    while level and depth <= MAX_DEPTH:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        level, depth = inner, depth + 1
    return depth
