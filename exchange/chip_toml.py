"""Chips as TOML: numbers, each with the source it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from exchange.toml import read_toml
from ir.check import FormatError, check_choice, check_type
from ir.chip import CHIP_KINDS, Chip, IntFormat, Limits, Mesh, Range, SynapseFormat
from ir.clockless import CORE, CORE_OPS, PACKETS, Clockless
from ir.clockless import WORDS as CHOICES
from ir.toml_lines import located
from ir.words import meant

T = TypeVar("T")


def _entries(form: type[Limits | SynapseFormat | Mesh | IntFormat]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that a form needs, and all of them."""
    return tuple(f.name for f in fields(form) if f.default is MISSING), tuple(f.name for f in fields(form))


FORMATS = ("weight", "threshold", "decay", "bias")
WORDS = ("name", "arithmetic", "asynchronous", "per_neuron_threshold")
EXPONENTS = ("bias_exp_max", "weight_exp")
TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "limits": _entries(Limits),
    "synapse_format": _entries(SynapseFormat),
    "mesh": _entries(Mesh),
    **dict.fromkeys(FORMATS, _entries(IntFormat)),
    "exponents": (EXPONENTS, ()),
}
"""The tables of numbers of every chip file: names that it needs, and names that it may leave out."""

CLOCKLESS_TABLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "core": ((*CORE, *CORE_OPS), ()),
    "packets": (PACKETS, ()),
}
"""Further tables of a clockless chip; its choices stand in [behaviour]."""

LISTS = ("synapse_format.weight_bits", "exponents.weight_exp")

STAND_INS: dict[str, Any] = {
    "synapse_format.weight_bits": (8,),
    "exponents.weight_exp": (0, 0),
    "packets.max_flits": 2,
    **dict.fromkeys(("synapse_format.header_bits", "synapse_format.index_bits", "synapse_format.delay_bits"), 0),
    **dict.fromkeys(("limits.max_delay_steps", "exponents.bias_exp_max", "packets.header_flits"), 0),
    **{f"{name}.{end}": 0 for name in FORMATS for end in ("lo", "hi")},
}
"""What stands in for an unknown number until somebody needs it; 1 where nothing is said."""

CHIPS = Path(__file__).parents[1] / "targets" / "chips"
"""The chip files that ship with the package."""


def shipped_chips() -> tuple[Chip, ...]:
    """Every chip that ships with the package, by name."""
    return tuple(load_chip(path) for path in sorted(CHIPS.glob("*.toml")))


def load_chip(path: str | Path) -> Chip:
    """Read a chip file.

    A number is written plainly or as ``{ value = 1024, source = "..." }``; a cost as
    ``{ value = 3.0, low = 2.5, high = 4.0, source = "..." }``; one that nobody has published as
    ``{ unknown = true, source = "..." }``. ``targets/chips`` holds examples.

    Raises:
        FormatError: missing, no TOML, or a table or number is missing, unknown or impossible; names the file.
    """
    table = read_toml(path, "chip file ")
    shown = f"targets/chips/{'seneca' if table.get('kind') == 'clockless' else 'loihi2'}.toml"
    try:
        return _chip(table)
    except ValueError as error:
        said = located(f"chip file {path}: {error}", f"chip file {path}", Path(path).read_text("utf-8-sig"))
        raise FormatError(f"{said}; {shown} shows all entries") from error


def _chip(table: dict[str, Any]) -> Chip:
    kind = _text(table.get("kind", "barrier"), "kind")
    check_choice("kind", kind, CHIP_KINDS)
    tables = {**TABLES, **(CLOCKLESS_TABLES if kind == "clockless" else {})}
    behaviour = {"behaviour"} if kind == "clockless" else set()
    _check_names("", table, {*WORDS, *tables, *behaviour}, {"title", "kind", "costs", "references"})
    told = _Told()
    numbers = {name: _numbers(table[name], name, tables, told) for name in tables}
    exponents = numbers["exponents"]
    if len(exponents["weight_exp"]) != 2:
        raise ValueError(f"exponents.weight_exp is {list(exponents['weight_exp'])}; give [least, most]")
    low, high = exponents["weight_exp"]
    costs, references = (_table(table.get(name, {}), name) for name in ("costs", "references"))
    ranges = {key: _cost(entry, f"costs.{key}", told) for key, entry in costs.items()}
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
        costs={key: cost for key, cost in ranges.items() if cost is not None},
        sources={**told.sources, **{f"references.{key}": str(text) for key, text in references.items()}},
        kind=kind,
        clockless=_clockless(table, numbers) if kind == "clockless" else None,
        unknown=told.unknown,
    )


@dataclass
class _Told:
    """What a file says beside its numbers: where each is from, and which nobody knows."""

    sources: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def is_unknown(self, entry: Any, name: str) -> bool:
        """Whether an entry says that its number is unknown; then that is noted."""
        if not isinstance(entry, dict) or "unknown" not in entry:
            return False
        _check_names(f"{name}.", entry, ("unknown", "source"), ())
        if entry["unknown"] is not True:
            raise ValueError(f"{name}.unknown is {entry['unknown']!r}; write true, or give the value")
        self.sources[name] = self.unknown[name] = _text(entry["source"], f"{name}.source")
        return True


def _clockless(table: dict[str, Any], numbers: dict[str, dict[str, Any]]) -> Clockless:
    """The numbers of a core and of its packets, and its choices."""
    words = _table(table["behaviour"], "behaviour")
    _check_names("behaviour.", words, (*CHOICES, "multicast"), ())
    chosen: dict[str, Any] = {name: _text(words[name], f"behaviour.{name}") for name in CHOICES}
    return Clockless(**numbers["core"], **numbers["packets"], **chosen, multicast=_boolean(words, "multicast"))


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


def _numbers(
    entry: Any, name: str, tables: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], told: _Told
) -> dict[str, Any]:
    """The numbers of a table, all there and none misspelt."""
    table = _table(entry, name)
    _check_names(f"{name}.", table, *tables[name])
    return {key: _number(number, f"{name}.{key}", told) for key, number in table.items()}


def _number(entry: Any, name: str, told: _Told) -> Any:
    """An integer or a list of them, with its source noted; what stands in for it where it is unknown."""
    if told.is_unknown(entry, name):
        return STAND_INS.get(name, 1)
    value = entry
    if isinstance(entry, dict):
        _check_names(f"{name}.", entry, ("value",), ("source",))
        value = entry["value"]
        told.sources[name] = str(entry.get("source", ""))
    if isinstance(value, list) != (name in LISTS):
        raise ValueError(f"{name} is {value!r}; give {'a list' if name in LISTS else 'one whole number'}")
    items = value if isinstance(value, list) else [value]
    if not items or any(isinstance(item, bool) or not isinstance(item, int) for item in items):
        raise ValueError(f"{name} is {value!r}; give whole numbers")
    return tuple(items) if isinstance(value, list) else value


def _cost(entry: Any, name: str, told: _Told) -> Range | None:
    """A range, with its source noted; None where it is unknown."""
    if told.is_unknown(entry, name):
        return None
    if not isinstance(entry, dict):
        raise ValueError(f"{name} is {entry!r}; give {{ value, low, high, source }}")
    _check_names(f"{name}.", entry, ("value", "low", "high"), ("source",))
    told.sources[name] = str(entry.get("source", ""))
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


def find_chip(name_or_path: str | Path) -> Chip:
    """The chip of a name that ships with the package, or of a file.

    Raises:
        FormatError: neither; names the chips there are.
    """
    check_type("the chip", name_or_path, (str, Path), "its name, or the path of a .toml file")
    name_or_path = str(name_or_path)
    if name_or_path.endswith(".toml"):
        return load_chip(name_or_path)
    known = sorted(p.stem for p in CHIPS.glob("*.toml"))
    if name_or_path not in known:
        near = meant(name_or_path, known)
        raise FormatError(f"chip {name_or_path!r} is unknown{near}; use {', '.join(known)} or the path of a .toml file")
    return load_chip(CHIPS / f"{name_or_path}.toml")
