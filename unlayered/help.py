"""What ``--help`` prints: sentences as wide as the terminal, examples line by line, flags without a type."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Any

from typer.core import TyperCommand

EXAMPLE = "unlayered "
"""How a line begins that keeps to itself."""


class Verb(TyperCommand):
    """A verb whose flags show no type: ``--json <bool>`` reads as if a value followed."""

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types(super().get_params(ctx))


def without_types(params: list[Any]) -> list[Any]:
    """The options, flags among them with nothing behind their names."""
    for one in params:
        if getattr(one, "is_flag", False):
            one.metavar = ""
    return params


def help_of(verb: Callable[..., None]) -> str:
    """A docstring for Typer, which strips the first line of a text and keeps every line break of the source."""
    paragraphs = [_shown(part.splitlines()) for part in cleandoc(verb.__doc__ or "").split("\n\n")]
    return "\n\n".join(paragraphs)


def _shown(lines: list[str]) -> str:
    words = [line.strip() for line in lines]
    if words[0].startswith(EXAMPLE):
        return "\n".join(["[bold]Examples[/bold]", *words])
    return " ".join(words)
