"""Figures of costs, differences and sweeps; each paints one matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ir.chip import Range
from ir.picture import COLOURS
from unlayered.report.results import Pair
from unlayered.report.svg import label

MOST_BARS = 12


def energy(figure: Figure, parts: Sequence[tuple[str, Range]], unit: str, size: float) -> None:
    """Energy of each kind of event, with the range that the chip's constants leave open."""
    ax = figure.subplots()
    values = np.array([r.value for _, r in parts]) / size
    low, high = (np.array([getattr(r, end) for _, r in parts]) / size for end in ("low", "high"))
    y = np.arange(len(parts))
    ax.barh(y, values, 0.62, color=COLOURS[0])
    ax.errorbar(values, y, xerr=[values - low, high - values], fmt="none", ecolor="#888888", elinewidth=1.6, capsize=3)
    ax.set_yticks(y, [label(name) for name, _ in parts])
    ax.invert_yaxis()
    ax.set_xlim(0, None)
    ax.set_xlabel(f"{unit} a sample")


def causes(figure: Figure, pair: Pair) -> None:
    """What each cause removes where it alone is switched back, and what it alone brings about."""
    rows = pair.causes[:MOST_BARS]
    ax = figure.subplots()
    y = np.arange(len(rows))
    for i, (name, column) in enumerate((("switched back, it removes", 1), ("alone, it brings", 2))):
        shares = [100 * (row[column] or 0.0) for row in rows]
        ax.barh(y + (i - 0.5) * 0.38, shares, 0.38, color=COLOURS[i], label=name)
    ax.axvline(0, color="#8888", lw=0.8)
    ax.set_yticks(y, [label(row[0]) for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel("% of the differing spikes")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncol=2)
