"""What ``unlayered diff`` and ``unlayered sweep`` wrote with ``--json``, read back; nothing in it is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.plain import check_readable
from ir.check import FormatError
from ir.schedule import ALL, KINDS, ORDERS
from unlayered.sweeping import Row, Sweep, check_whole

Number = (int, float)


@dataclass(frozen=True)
class Pair:
    """One pair of ``unlayered diff``: what its JSON says (docs/diff.md), checked as far as a page shows it.

    Attributes:
        populations: rows (name, spikes of a, of b, differing, rate error, correlation, van Rossum distance).
        causes: rows (cause, removes, brings, together, what), those that change a spike, largest effect first.
        quiet: settings that differ and change no spike. refused: those that could not be tried, and why.
        remedies: what was tried against the loss.
    """

    a: str
    b: str
    samples: int
    differing: int
    flips: tuple[int, ...]
    accuracy: tuple[float, float] | None
    populations: tuple[tuple[Any, ...], ...]
    first: str
    causes: tuple[tuple[Any, ...], ...]
    quiet: int
    refused: tuple[str, ...]
    left: float | None
    runs: int
    remedies: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def read_results(path: Path) -> list[tuple[str, Any]]:
    """The pairs of a difference, or a sweep.

    Raises:
        FormatError: it is neither, or a part of it is missing or of another kind.
    """
    value = read_json(path)
    try:
        if isinstance(value, dict) and isinstance(value.get("pairs"), list):
            return [("difference", _pair(one)) for one in value["pairs"]]
        if isinstance(value, dict) and isinstance(value.get("rows"), list):
            return [("sweep", _sweep(value))]
    except _Other as error:
        raise FormatError(f"{path}: {error}; write it anew with this release") from error
    raise FormatError(f"{path} is no result that a report shows; give what unlayered diff or sweep wrote with --json")


class _Other(ValueError):
    """A part is not what it should be."""


def _of(value: Any, name: str, *kinds: type) -> Any:
    """A member of an object, which must be of one of these kinds."""
    if not isinstance(value, dict) or name not in value:
        raise _Other(f"{name!r} is missing")
    found = value[name]
    if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
        raise _Other(f"{name!r} is a {type(found).__name__}")
    if isinstance(found, Number) and not abs(found) < MOST:  # NaN is not, either
        raise _Other(f"{name!r} is no number below {MOST:g}")
    return found


NONE = type(None)
MOST = 1e30
"""No number of a result is as large."""


def _pair(value: Any) -> Pair:
    flips, accuracy = _of(value, "flips", list), _of(value, "accuracy", list, NONE)
    if not all(isinstance(x, int) for x in flips):
        raise _Other("'flips' are no sample ids")
    if accuracy is not None and (len(accuracy) != 2 or not all(isinstance(x, Number) for x in accuracy)):
        raise _Other("'accuracy' is no pair of numbers")
    first = _of(value, "first", dict, NONE)
    tried = [_tried(x) for x in _of(value, "tried", list)]
    acting = sorted((x for x in tried if x["effect"] and not x["combined"]), key=lambda x: -x["effect"])
    refused = tuple(f"{_cause(x)}: {x['refused']}" for x in tried if x["refused"])
    return Pair(
        _of(_of(value, "a", dict), "name", str),
        _of(_of(value, "b", dict), "name", str),
        _of(value, "samples", int),
        _of(value, "differing", int),
        tuple(flips),
        None if accuracy is None else (float(accuracy[0]), float(accuracy[1])),
        tuple(_population(x) for x in _of(value, "populations", list)),
        "" if first is None else _of(first, "sentence", str),
        tuple((_cause(x), x["alone"], x["added"], x["together"], x["what"]) for x in acting),
        sum(not x["effect"] and not x["refused"] for x in tried),
        refused,
        _of(value, "left", *Number, NONE),
        _of(value, "runs", int),
        tuple(_remedy(x) for x in _of(value, "remedies", list)),
        tuple(str(x) for x in _of(value, "notes", list)),
    )


def _population(value: Any) -> tuple[Any, ...]:
    spikes = _of(value, "spikes", list)
    if len(spikes) != 2 or not all(isinstance(x, int) for x in spikes):
        raise _Other("'spikes' is no pair of counts")
    more = (_of(value, name, *Number, NONE) for name in ("rate_error", "correlation", "van_rossum"))
    return (_of(value, "name", str), *spikes, _of(value, "differing", int), *more)


def _tried(value: Any) -> dict[str, Any]:
    """A setting that was switched."""
    row = {name: _of(value, name, *Number, NONE) for name in ("alone", "added", "together")}
    row |= {name: _of(value, name, str, NONE) for name in ("population", "refused")}
    row |= {name: _of(value, name, str) for name in ("kind", "what")}
    return {**row, "effect": _of(value, "effect", *Number), "combined": _of(value, "combined", bool)}


def _cause(x: dict[str, Any]) -> str:
    return x["kind"] if x["population"] is None else f"{x['kind']} of {x['population']}"


def _remedy(value: Any) -> dict[str, Any]:
    """Something that was tried against the loss."""
    row: dict[str, Any] = {name: _of(value, name, str) for name in ("command", "what")}
    row |= {name: _of(value, name, *Number) for name in ("recovered", "samples", "seconds")}
    accuracy = _of(value, "accuracy", list)
    if len(accuracy) != 3 or not all(isinstance(x, Number) for x in accuracy):
        raise _Other("'accuracy' of a remedy is no three numbers")
    for name in ("cores", "energy"):
        two = value.get(name)
        alike = isinstance(two, list) and len(two) == 2 and all(isinstance(x, Number) for x in two)
        row[name] = tuple(two) if isinstance(two, list) and alike else None
    return {**row, "accuracy": tuple(accuracy)}


def _sweep(value: Any) -> Sweep:
    """A sweep; words that name a schedule are those that there are."""
    try:
        check_whole(value)
    except FormatError as error:
        raise _Other(f"it {error}") from error
    rows = tuple(_row(x) for x in _of(value, "rows", list))
    return Sweep(_of(value, "network", str), _of(value, "made_of", str), _of(value, "samples", int), rows)


def _row(value: Any) -> Row:
    """A network under one schedule."""
    f, order = _of(value, "F", int, str, NONE), _of(value, "order", str, NONE)
    known = _of(value, "schedule", str) in KINDS and (order is None or order in ORDERS)
    if not known or (isinstance(f, str) and f != ALL):
        raise _Other("a row's schedule is unknown")
    numbers: dict[str, Any] = {name: _of(value, name, *Number) for name in ("spikes", "forward_steps", "undecided")}
    numbers |= {name: _of(value, name, *Number, NONE) for name in ("accuracy", "latency", "decided")}
    energy, time = (_range(_of(value, name, list, NONE)) for name in ("energy_pj", "time_ns"))
    return Row(schedule=value["schedule"], F=f, order=order, energy_pj=energy, time_ns=time, **numbers)


def _range(value: list[Any] | None) -> tuple[float, float, float] | None:
    """Value, low and high."""
    if value is None:
        return None
    numbers = len(value) == 3 and all(isinstance(x, Number) for x in value)
    if not numbers or not 0 <= value[1] <= value[0] <= value[2] < MOST:
        raise _Other("a row's energy or time is no value between a low and a high end")
    return float(value[0]), float(value[1]), float(value[2])


MAX_JSON_BYTES = 256 << 20


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        FormatError: it is missing, too large or no JSON.
    """
    check_readable(path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise FormatError(f"{path} has more than {MAX_JSON_BYTES >> 20} MiB; it is no result of ours")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON ({error}); write it with --json") from error
