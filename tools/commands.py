"""Writes docs/commands.md, every verb and option, from the command line itself."""

from __future__ import annotations

import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from unlayered.cli import app  # noqa: E402

PAGE = ROOT / "docs" / "commands.md"
HEAD = """# Every verb and option

What `--help` says, on one page.
Exit codes: 0 fine, 1 different, 2 bad input, 3 Lava, --workers or another rank absent or lost.
Written by `make commands` from the command line.
"""


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def kind(one: Any) -> str:
    """What follows an option."""
    return "" if getattr(one, "is_flag", False) else f" {str(one.name).upper()}"


def verb(name: str, made: Any, text: str) -> str:
    """A verb: what it does, its examples, its arguments and options."""
    parts = [f"## {name}", cleandoc(text).replace("\n  ", "\n    ").replace("\n\nunlayered", "\n\n    unlayered")]
    parts[1] = "\n".join(f"    {x.strip()}" if x.strip().startswith("unlayered ") else x.strip() for x in
                         parts[1].split("\n"))  # fmt: skip
    rows = ["| | |", "|---|---|"]
    for one in made.params:
        if one.name == "help":
            continue
        shown = f"`{'`, `'.join(one.opts)}{kind(one)}`" if one.opts[0].startswith("-") else f"`{one.name}`"
        default = one.default
        silent = default in (None, False, (), "") or callable(default) or one.required
        told = "" if silent else f" Default: `{default}`."
        rows.append(f"| {shown} | {'**Needed.** ' if one.required else ''}{cell(one.help or '')}{told} |")
    return "\n\n".join([*parts, "\n".join(rows)]) + "\n"


def page() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    texts = {str(c.name): str(c.callback.__doc__) for c in app.registered_commands if c.callback is not None}
    return "\n".join([HEAD, *(verb(name, made, texts[name]) for name, made in group.commands.items())])


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
