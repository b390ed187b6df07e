"""Which setting counts for each training: the validation split says it, the test set does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.grid_measures import compared
from unlayered.experiments.definition import Row

WITHIN = 0.005
"""Among settings the one with fewest spikes counts whose validation accuracy is so near the best."""

Chosen = dict[str, list[Row]]
"""Rows by kind of training, seeds together."""

Setting = tuple[str, float, float]
"""Kind of training, learning rate, price of a spike."""


def setting(row: Row) -> tuple[float, float]:
    """Learning rate and price of a spike."""
    return row["learning_rate"], row["price"]


def by_setting(rows: list[Row]) -> dict[Setting, list[Row]]:
    """Rows by kind and setting, in the order in which they come; seeds and speakers together."""
    found: dict[Setting, list[Row]] = {}
    for row in rows:
        found.setdefault((row["kind"], *setting(row)), []).append(row)
    return found


def chosen(rows: list[Row], settled: dict[str, Any] | None = None) -> Chosen:
    """The rows of each kind at the setting that the validation split chooses; seeds together.

    Args:
        settled: by kind the pairs [rate, price] of a stage whose settings another one chose; the first is that choice.
    """
    if settled is not None:
        return {kind: own for (kind, *at), own in by_setting(rows).items() if at == settled[kind][0]}
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return {kind: _chosen([row for row in rows if row["kind"] == kind]) for kind in kinds}


def layered_ones(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The layered training that knows no price of a spike, and the one that does, each at the setting that the
    validation split chooses for it; empty where none was run."""
    own = [row for row in rows if row["kind"] == "layered"]
    plain, priced = ([row for row in own if (row["price"] > 0) == asked] for asked in (False, True))
    return plain and _chosen(plain), priced and _chosen(priced)


def _chosen(rows: list[Row]) -> list[Row]:
    """Of a kind's rows those at the setting that the validation split chooses."""
    settings = by_setting(rows).values()
    most = max(map(len, settings))
    whole = [some for some in settings if len(some) == most]  # of all seeds that any setting has
    best = max(validated(some, "accuracy") for some in whole)
    near = [some for some in whole if validated(some, "accuracy") >= best - WITHIN]
    return min(near, key=lambda some: validated(some, "density"))


def validated(rows: list[Row], name: str) -> float:
    """Mean over seeds of what the validation split says."""
    return float(np.mean([row["validation"][name] for row in rows]))


def mean(
    rows: list[Row], cell: str, of: Callable[[dict[str, Any]], float], data: str = "test", whole: bool = False
) -> float:
    """Mean over seeds of a number of a cell.

    Args:
        whole: over all test samples, where the cell was tested on them; else over the first ``cell_samples``, which
            every cell was tested on, as far as its samples are kept.
    """
    few = [row["cell_samples"] if data == "test" and not whole else 0 for row in rows]
    return float(np.mean([of(_first(row[data][cell], n)) for row, n in zip(rows, few)]))


def _first(cell: dict[str, Any], n: int) -> dict[str, Any]:
    """A cell with means over its first n samples; 0 = all."""
    if not n or "samples" not in cell:
        return cell
    return {**cell, **{name: float(values[:n].mean()) for name, values in compared(cell["samples"]).items()}}
