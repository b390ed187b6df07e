"""Keys of a configuration said on the command line: ``learning_rate=3e-4``, ``options.input_dropout=0.1``."""

from __future__ import annotations

from typing import Any

from exchange.toml import tomllib
from ir.check import FormatError
from trainer.config import TrainConfig, from_dict

MOST_CHARACTERS = 1000


def said_to(config: TrainConfig, words: tuple[str, ...] | list[str], who: str = "--set") -> TrainConfig:
    """The configuration with some of its keys changed.

    Args:
        words: each KEY=VALUE, the value as TOML spells it; text may stand without quotes.

    Raises:
        FormatError: no key and value, an unknown key, or a value that it cannot have.

    >>> said_to(TrainConfig(), ["learning_rate=3e-4", "schedule.F=4", "keep=last"]).schedule.F
    4
    """
    values = config.to_dict()
    for word in words:
        path, value = _read(word, who)
        table = values
        for part in path[:-1]:
            table = table.get(part)
            if not isinstance(table, dict):
                raise FormatError(f"{who} {word!r}: {part!r} is no table of a configuration; see docs/configuration.md")
        table[path[-1]] = value
    return from_dict(values, who) if words else config


def _read(word: str, who: str) -> tuple[list[str], Any]:
    """Where a value goes, and the value."""
    key, equals, text = word.partition("=")
    path = [part.strip().replace("-", "_") for part in key.split(".")]
    if not equals or not all(part.isidentifier() for part in path) or "\n" in word or len(word) > MOST_CHARACTERS:
        raise FormatError(f"{who} is {word!r}; give KEY=VALUE, e.g. learning_rate=3e-4 or options.input_dropout=0.1")
    if text.strip().replace("_", "").isalpha() and text.strip() not in ("true", "false", "inf", "nan"):
        return path, text.strip()
    try:
        return path, tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{who} is {word!r}; {text!r} is no value as TOML spells it (text in quotes)") from error
