"""``unlayered doctor``: what is there, what is missing, how to get it."""

from __future__ import annotations

import typer

from unlayered.console import facts, show, table
from unlayered.options import Json
from unlayered.versions import versions


def doctor(as_json: Json = False) -> None:
    """Say which versions are at work and whether Lava can run; exit 3 where it cannot.

    Lava needs Python 3.10; unlayered finds such an interpreter by itself, or takes the one named in
    UNLAYERED_LAVA_PYTHON. Everything but --on lava works without it.
    """
    from ir.check import TargetError
    from targets.lava import doctor as look
    from targets.lava.interpreter import find_python

    findings = look()
    usable = any(finding.usable for finding in findings)
    rows = [(f.where, f.python or "-", f.lava or "-", f.problem or f"{f.path} runs Lava") for f in findings]
    lines = [
        facts("Versions", versions().items()),
        table("Lava", ("where", "Python", "lava-nc", "finding"), rows),
    ]
    value = {"lava": usable, "findings": [vars(f) for f in findings], "versions": versions()}
    used = next((f"--on lava runs in {f.path}" for f in findings if f.usable), None)
    show(value, as_json, *lines, *([used] if used else []))
    if not usable:
        try:
            find_python()
        except TargetError as error:
            typer.echo(f"unlayered: {error}", err=True)
        raise typer.Exit(3)
