"""Training rules: one file each, and the one table that says which there are."""

from __future__ import annotations

from trainer.rules.rule import Rule
from trainer.rules.surrogate import Surrogate

RULES: dict[str, Rule] = {"surrogate": Surrogate()}
