"""Engines: the same call, the same spikes, the same gradients."""

from __future__ import annotations

from typing import Any

from ir.check import check_choice
from trainer.engines import reference
from trainer.engines.result import Result

ENGINES = {"auto": reference.run, "reference": reference.run}


def run(*args: Any, engine: str = "auto", **options: Any) -> Result:
    """Run a batch on the engine named; see ``trainer.engines.reference.run``."""
    check_choice("engine", engine, ENGINES)
    return ENGINES[engine](*args, **options)
