"""What stands in a train folder, and what of it people and programs read: ``config.json`` and ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.plain import check_readable, newer
from exchange.seal import seal
from ir.check import FormatError

RESULTS = ("metrics.json", "network.npz", "quantized.npz")
"""What tells of a run; that of an earlier one goes when a new run has its first checkpoint."""

FILES = (*RESULTS, "last.pt", "best.pt", "config.json")

FORMAT = 1
"""Releases before this one wrote neither format nor seals; what they wrote is read as it is."""

WAY = "the same `unlayered train` with --resume writes it again"


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that a network's name stands for: its own, or those of a train folder."""
    return tuple(path / name for name in FILES) if path.is_dir() else (path,)


def sealed(config: dict[str, Any], history_seals: Sequence[str]) -> dict[str, Any]:
    """What ``config.json`` holds: the configuration, its seal, and the seals that ``metrics.json`` may have."""
    seals = {"config.json": seal(config), "metrics.json": list(history_seals)}
    return {**config, "format": FORMAT, "seals": seals}


def read_history(out: Path) -> list[Any]:
    """The history of each epoch, as whole as the configuration beside it says.

    Raises:
        FormatError: missing or damaged; says how it comes back.
    """
    history: list[Any] = _json(out / "metrics.json", list)
    if not (out / "config.json").exists():  # nothing says what it was
        return history
    _, seals = read_sealed(out / "config.json")
    expected = seals.get("metrics.json")
    if isinstance(expected, list) and seal(history) not in expected:
        raise FormatError(f"{out / 'metrics.json'} is damaged: its bytes are not those that were written; {WAY}")
    return history


def read_sealed(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``config.json`` says, and its seals; those of earlier releases have none.

    Raises:
        FormatError: missing, damaged, or of a later release.
    """
    values = _json(path, dict)
    form, seals = values.pop("format", 0), values.pop("seals", {})
    if type(form) is int and form > FORMAT:
        raise FormatError(f"{path} {newer(form, FORMAT)}")
    own = seals.get("config.json") if isinstance(seals, dict) else None
    if type(form) is not int or not isinstance(seals, dict) or ((form or seals) and own != seal(values)):
        raise FormatError(f"{path} is damaged: its bytes are not those that were written; {WAY}")
    return values, seals


def _json(path: Path, kind: type) -> Any:
    check_readable(path)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON ({error}); {WAY}") from error
    if not isinstance(value, kind):
        raise FormatError(f"{path} holds a {type(value).__name__}, a {kind.__name__} was expected; {WAY}")
    return value
