"""Writes docs/configuration.md, every key of a training's TOML, from the dataclasses that read it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import typing
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from ir.schedule import ORDERS, Schedule  # noqa: E402
from stimuli.own.options import DataOptions  # noqa: E402
from trainer.config import TrainConfig  # noqa: E402
from trainer.engines.options import TrainingOptions  # noqa: E402
from trainer.gamma_options import GammaOptions  # noqa: E402
from trainer.optimizers import OPTIMIZERS  # noqa: E402
from trainer.rules import RULES  # noqa: E402

PAGE = ROOT / "docs" / "configuration.md"
TABLES = (("", TrainConfig), ("[schedule]", Schedule), ("[options]", TrainingOptions),
          ("[gamma]", GammaOptions), ("[data_options]", DataOptions))  # fmt: skip
INNER = {"schedule": "[schedule]", "options": "[options]", "gamma": "[gamma]", "data_options": "[data_options]"}
"""Keys that are tables of their own."""

NAMED = {"a name of `ORDERS`": ORDERS, "a name of `trainer.rules.RULES`": RULES,
         "a name of `trainer.optimizers.OPTIMIZERS`": OPTIMIZERS}  # fmt: skip
"""Tables that a docstring refers to, and the names in them."""

WORDS = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text", "str | Own": "text"}

HEAD = """# Every key of a training

What `unlayered train my.toml --out net` reads, and `TrainConfig` takes in Python; `trainer/presets/*.toml` are
examples. Every key may be left out. A key that is not here is refused by name. Written by `make configuration` from the
dataclasses that read the file.
"""


def meanings(kind: type) -> dict[str, str]:
    """What the docstring says of each field; names that share a line share its text."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", text.rstrip()):
        names, _, meaning = " ".join(entry.split()).partition(": ")
        found |= {name: meaning for name in names.split(", ")}
    return found


def type_words(field: dataclasses.Field[typing.Any]) -> str:
    """The type of a key as TOML has it."""
    name = str(field.type)
    if name.startswith("Literal"):
        return "text"
    if name.startswith("tuple"):
        return "list"
    return WORDS.get(name.removesuffix(" | None"), "table")


def default(field: dataclasses.Field[typing.Any]) -> str:
    """The default as TOML spells it."""
    value = field.default
    if field.name == "F" and value is None:
        return '`"all"`'
    if value is None:
        return "left out"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def page() -> str:
    """The page."""
    parts = [HEAD]
    for title, kind in TABLES:
        said = meanings(kind)
        rows = ["| key | kind | default | meaning |", "|---|---|---|---|"]
        for field in dataclasses.fields(kind):
            if field.name in INNER and kind is TrainConfig:
                continue
            meaning = said[field.name].replace("``", "`").replace("|", "or")
            meaning = meaning.replace("None serves", '`"all"` serves').replace("None =", "left out =")
            for name, values in NAMED.items():
                meaning = meaning.replace(name, ", ".join(f"`{value}`" for value in values))
            rows.append(f"| `{field.name}` | {type_words(field)} | {default(field)} | {meaning} |")
        parts.append(f"## {'Top' if not title else f'`{title}`'}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
