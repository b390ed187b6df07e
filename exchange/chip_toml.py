"""Chips as TOML: numbers, each with the source it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from exchange.toml import read_toml
from ir.check import FormatError
from ir.chip import Chip, IntFormat, Limits, Mesh, Range, SynapseFormat
from ir.words import meant

T = TypeVar("T")

FORMATS = ("weight", "threshold", "decay", "bias")
WORDS = ("name", "arithmetic", "asynchronous", "per_neuron_threshold")
EXPONENTS = ("bias_exp_max", "weight_exp")
PARTS: dict[str, type[Limits | SynapseFormat | Mesh | IntFormat] | None] = {
    "limits": Limits,
    "synapse_format": SynapseFormat,
    "mesh": Mesh,
    **dict.fromkeys(FORMATS, IntFormat),
    "exponents": None,
}
"""The tables of a chip file, and what their numbers make."""

LISTS = ("synapse_format.weight_bits", "exponents.weight_exp")

CHIPS = Path(__file__).parents[1] / "targets" / "chips"
"""The chip files that ship with the package."""


def shipped_chips() -> tuple[Chip, ...]:
    """Every chip that ships with the package, by name."""
    return tuple(load_chip(path) for path in sorted(CHIPS.glob("*.toml")))


def load_chip(path: str | Path) -> Chip:
    """Read a chip file.

    A number is written plainly or as ``{ value = 1024, source = "..." }``; a cost as
    ``{ value = 3.0, low = 2.5, high = 4.0, source = "..." }``. ``targets/chips`` holds examples.

    Raises:
        FormatError: missing, no TOML, or a table or number is missing, unknown or impossible; names the file.
    """
    table = read_toml(path, "chip file ")
    try:
        return _chip(table)
    except ValueError as error:
        raise FormatError(f"chip file {path}: {error}; targets/chips/loihi2.toml shows all entries") from error


def _chip(table: dict[str, Any]) -> Chip:
    _check_names("", table, {*WORDS, *PARTS}, {"title", "costs", "references"})
    sources: dict[str, str] = {}
    numbers = {name: _numbers(table[name], name, sources) for name in PARTS}
    exponents = numbers["exponents"]
    if len(exponents["weight_exp"]) != 2:
        raise ValueError(f"exponents.weight_exp is {list(exponents['weight_exp'])}; give [least, most]")
    low, high = exponents["weight_exp"]
    costs, references = (_table(table.get(name, {}), name) for name in ("costs", "references"))
    return Chip(
        name=_text(table["name"], "name"),
        title=_text(table.get("title", table["name"]), "title"),
        limits=Limits(**numbers["limits"]),
        synapse_format=SynapseFormat(**numbers["synapse_format"]),
        mesh=Mesh(**numbers["mesh"]),
        **{name: _named(name, IntFormat, **numbers[name]) for name in FORMATS},
        bias_exp_max=exponents["bias_exp_max"],
        weight_exp=(low, high),
        asynchronous=_boolean(table, "asynchronous"),
        per_neuron_threshold=_boolean(table, "per_neuron_threshold"),
        arithmetic=_text(table["arithmetic"], "arithmetic"),
        costs={key: _cost(entry, f"costs.{key}", sources) for key, entry in costs.items()},
        sources={**sources, **{f"references.{key}": str(text) for key, text in references.items()}},
    )


def _check_names(where: str, given: Iterable[str], needed: Iterable[str], optional: Iterable[str]) -> None:
    """Raise where an entry is missing, or is none that there is: a misspelt one would be overlooked."""
    given, needed, optional = set(given), set(needed), set(optional)
    lacks, unknown = (sorted(f"{where}{name}" for name in x) for x in (needed - given, given - needed - optional))
    if lacks and unknown:
        raise ValueError(f"it lacks {lacks[0]}, and {unknown[0]} is no entry of a chip{meant(unknown[0], lacks)}")
    if lacks or unknown:
        near = "" if lacks else meant(unknown[0], sorted(f"{where}{name}" for name in needed | optional))
        raise ValueError(f"it lacks {lacks[0]}" if lacks else f"{unknown[0]} is no entry of a chip{near}")


def _table(entry: Any, name: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"{name} is {entry!r}; write it as a table [{name}]")
    return entry


def _text(entry: Any, name: str) -> str:
    if not isinstance(entry, str) or not entry.strip():
        raise ValueError(f"{name} is {entry!r}; write a word between quotation marks")
    return entry


def _numbers(entry: Any, name: str, sources: dict[str, str]) -> dict[str, Any]:
    """The numbers of a table, all there and none unknown."""
    table, form = _table(entry, name), PARTS[name]
    needed = EXPONENTS if form is None else [f.name for f in fields(form) if f.default is MISSING]
    optional = [] if form is None else [f.name for f in fields(form)]
    _check_names(f"{name}.", table, needed, optional)
    return {key: _number(number, f"{name}.{key}", sources) for key, number in table.items()}


def _number(entry: Any, name: str, sources: dict[str, str]) -> Any:
    """An integer or a list of them, with its source noted."""
    value = entry
    if isinstance(entry, dict):
        _check_names(f"{name}.", entry, ("value",), ("source",))
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
    _check_names(f"{name}.", entry, ("value", "low", "high"), ("source",))
    sources[name] = str(entry.get("source", ""))
    value, low, high = (entry[key] for key in ("value", "low", "high"))
    if any(isinstance(x, bool) or not isinstance(x, (int, float)) for x in (value, low, high)):
        raise ValueError(f"{name} is {entry!r}; value, low and high are numbers")
    return _named(name, Range, float(value), float(low), float(high))


def _named(name: str, form: Callable[..., T], *numbers: float, **named: int) -> T:
    """The value that the numbers make; what is wrong with them begins with the entry's name."""
    try:
        return form(*numbers, **named)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


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
        near = meant(name_or_path, known)
        raise FormatError(f"chip {name_or_path!r} is unknown{near}; use {', '.join(known)} or the path of a .toml file")
    return load_chip(CHIPS / f"{name_or_path}.toml")
