"""Chips as TOML: numbers, each with the source it comes from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ir.check import FormatError
from ir.chip import Chip, IntFormat, Limits, Mesh, Range, SynapseFormat

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMATS = ("weight", "threshold", "decay", "bias")
LISTS = ("synapse_format.weight_bits", "exponents.weight_exp")

CHIPS = Path(__file__).parents[2] / "targets" / "chips"
"""The chip files that ship with the package."""


def load_chip(path: str | Path) -> Chip:
    """Read a chip file.

    A number is written plainly or as ``{ value = 1024, source = "..." }``; a cost as
    ``{ value = 3.0, low = 2.5, high = 4.0, source = "..." }``. ``targets/chips`` holds examples.

    Raises:
        FormatError: missing, no TOML, or a table or number is missing, unknown or impossible; names the file.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(f"chip file {path} does not exist; check the path") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FormatError(f"chip file {path} cannot be read as TOML: {error}") from error
    try:
        return _chip(table)
    except KeyError as error:
        raise FormatError(f"chip file {path} lacks {error}; targets/chips/loihi2.toml shows all entries") from error
    except (TypeError, ValueError) as error:
        raise FormatError(f"chip file {path}: {error}; targets/chips/loihi2.toml shows all entries") from error


def _chip(table: dict[str, Any]) -> Chip:
    sources: dict[str, str] = {}

    def numbers(name: str) -> dict[str, Any]:
        return {key: _number(entry, f"{name}.{key}", sources) for key, entry in table[name].items()}

    exponents = numbers("exponents")
    if len(exponents["weight_exp"]) != 2:
        raise ValueError(f"exponents.weight_exp is {list(exponents['weight_exp'])}; give [least, most]")
    low, high = exponents["weight_exp"]
    return Chip(
        name=str(table["name"]),
        title=str(table.get("title", table["name"])),
        limits=Limits(**numbers("limits")),
        synapse_format=SynapseFormat(**numbers("synapse_format")),
        mesh=Mesh(**numbers("mesh")),
        **{name: IntFormat(**numbers(name)) for name in FORMATS},
        bias_exp_max=exponents["bias_exp_max"],
        weight_exp=(low, high),
        asynchronous=_boolean(table, "asynchronous"),
        per_neuron_threshold=_boolean(table, "per_neuron_threshold"),
        arithmetic=str(table["arithmetic"]),
        costs={key: _cost(entry, f"costs.{key}", sources) for key, entry in table.get("costs", {}).items()},
        sources={**sources, **{f"references.{key}": str(text) for key, text in table.get("references", {}).items()}},
    )


def _number(entry: Any, name: str, sources: dict[str, str]) -> Any:
    """An integer or a list of them, with its source noted."""
    value = entry
    if isinstance(entry, dict):
        value = entry["value"]
        sources[name] = str(entry.get("source", ""))
    if isinstance(value, list) != (name in LISTS):
        raise ValueError(f"{name} is {value!r}; give {'a list' if name in LISTS else 'one whole number'}")
    items = value if isinstance(value, list) else [value]
    if not items or any(isinstance(item, bool) or not isinstance(item, int) for item in items):
        raise ValueError(f"{name} is {value!r}; give whole numbers")
    return tuple(items) if isinstance(value, list) else value


def _cost(entry: Any, name: str, sources: dict[str, str]) -> Range:
    if not isinstance(entry, dict):
        raise ValueError(f"{name} is {entry!r}; give {{ value, low, high, source }}")
    sources[name] = str(entry.get("source", ""))
    value, low, high = (entry[key] for key in ("value", "low", "high"))
    if any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in (value, low, high)):
        raise ValueError(f"{name} is {entry!r}; value, low and high are numbers")
    return Range(float(value), float(low), float(high))


def _boolean(table: dict[str, Any], name: str) -> bool:
    if not isinstance(table[name], bool):
        raise ValueError(f"{name} is {table[name]!r}; write true or false")
    return table[name]


def find_chip(name_or_path: str) -> Chip:
    """The chip of a name that ships with the package, or of a file.

    Raises:
        FormatError: neither; names the chips there are.
    """
    if name_or_path.endswith(".toml"):
        return load_chip(name_or_path)
    known = sorted(p.stem for p in CHIPS.glob("*.toml"))
    if name_or_path not in known:
        raise FormatError(f"chip {name_or_path!r} is unknown; use {', '.join(known)} or the path of a .toml file")
    return load_chip(CHIPS / f"{name_or_path}.toml")
