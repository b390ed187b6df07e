"""Which price of a spike counts for each training: the validation split says it, the test set does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unlayered.experiments.definition import Row

WITHIN = 0.005
"""Among prices of a spike the one with fewest spikes counts whose validation accuracy is so near the best."""

Chosen = dict[str, list[Row]]
"""Rows by kind of training, seeds together."""


def chosen(rows: list[Row]) -> Chosen:
    """The rows of each kind at the price that the validation split chooses; seeds together."""
    found: Chosen = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        prices: dict[float, list[Row]] = {}
        for row in rows:
            if row["kind"] == kind:
                prices.setdefault(row["price"], []).append(row)
        most = max(len(x) for x in prices.values())
        whole = {price: x for price, x in prices.items() if len(x) == most}  # of all seeds that any price has
        accuracy = {price: validated(x, "accuracy") for price, x in whole.items()}
        near = [price for price in whole if accuracy[price] >= max(accuracy.values()) - WITHIN]
        found[kind] = whole[min(near, key=lambda price: validated(whole[price], "density"))]
    return found


def validated(rows: list[Row], name: str) -> float:
    """Mean over seeds of what the validation split says."""
    return float(np.mean([row["validation"][name] for row in rows]))


def mean(rows: list[Row], cell: str, of: Callable[[dict[str, Any]], float], data: str = "test") -> float:
    """Mean over seeds of a number of a cell."""
    return float(np.mean([of(row[data][cell]) for row in rows]))
