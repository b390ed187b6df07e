"""Results as JSON lines: a row a line, all rows of a job written together or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exchange import npz
from exchange.plain import check_readable
from ir.check import FormatError
from unlayered.console import plain

NEEDED = ("experiment", "job", "key", "what", "seed", "commit", "versions", "cpu_s", "wall_s", "result")
"""What every line says: of which job, with which settings, seed, code and packages, and at what price."""


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All rows of a file; none where there is no file.

    Raises:
        FormatError: a line is none of ours; names it.
    """
    if not path.exists():
        return []
    check_readable(path)
    rows: list[dict[str, Any]] = []
    for n, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(text)
            if not isinstance(row, dict) or set(NEEDED) - set(row):
                raise ValueError("it lacks a part")
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{path}, line {n}, is no row of an experiment ({error}); remove it, or name another folder of rows"
            ) from error
        rows.append(row)
    return rows


def add_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put the rows of a job behind those that are there: whoever is killed leaves the file as it was, or whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = read_lines(path)
    text = "".join(json.dumps(plain(row)) + "\n" for row in [*before, *rows])
    npz.write_atomically(path, text.encode())
