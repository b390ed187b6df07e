"""Draws docs/sweep.svg from two sweeps: a network trained without layers beside the same one trained in layers.

``python tools/sweep_picture.py sweep.json layered.json``; ``make picture`` trains, sweeps and draws.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from unlayered.report.svg import draw  # noqa: E402

PAGE = ROOT / "docs" / "sweep.svg"
NETWORKS = (("trained without layers", "#2f80c9"), ("trained in layers", "#d0701a"))
SHAPES = {"momentum": ("o", "-"), "random": ("s", ""), "fifo": ("^", "")}
STYLE = (
    "<style>svg{color:#22252a;background:#fff}"
    "@media (prefers-color-scheme:dark){svg{color:#e6e8eb;background:#1c1e22}}</style>"
)


def paint(figure: Figure, sweeps: list[dict[str, Any]]) -> None:
    """Accuracy against spikes a sample, F beside each point of the order `momentum`; other orders hollow."""
    ax = figure.subplots()
    for sweep, (name, colour) in zip(sweeps, NETWORKS):
        for order, (shape, line) in SHAPES.items():
            rows = [row for row in sweep["rows"] if row["order"] == order and row["F"] != "all"]
            fill = colour if line else "none"
            style: dict[str, Any] = {"ms": 4 if line else 3.5, "lw": 1, "color": colour, "mfc": fill, "mew": 0.9}
            ax.plot([row["spikes"] for row in rows], [100 * row["accuracy"] for row in rows], shape + line, **style)
            for row in rows if line else ():
                where = (row["spikes"], 100 * row["accuracy"])
                ax.annotate(str(row["F"]), where, xytext=(0, 4), textcoords="offset points", fontsize=7, color=colour)
        (star,) = [row for row in sweep["rows"] if row["schedule"] == "layered"]
        ax.plot([star["spikes"]], [100 * star["accuracy"]], "*", ms=11, color=colour, label=name)
    for label, shape, fill in (
        ("run in layers", "*", "#808080"),
        ("run, F largest membranes first", "o-", "#808080"),
        ("run, F drawn at random", "s", "none"),
        ("run, F oldest first", "^", "none"),
    ):
        ax.plot([], [], shape, color="#808080", mfc=fill, ms=8 if shape == "*" else 4, label=label)
    ax.set_xlabel("spikes a sample")
    ax.set_ylabel("% of 450 digits right")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)


def main(files: list[str]) -> None:
    """Draw the two sweeps that are named."""
    sweeps = [json.loads(Path(file).read_text()) for file in files]
    text = draw(lambda figure: paint(figure, sweeps), 3.6)
    end = text.index(">") + 1
    PAGE.write_text(text[:end] + STYLE + text[end:] + "\n")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
