"""Figures as text: what a page shows is what was meant to be read."""

from __future__ import annotations

from matplotlib.figure import Figure

from unlayered.report.svg import draw


def test_numbers_of_a_logarithmic_axis_are_numbers() -> None:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([1, 30, 2000], [0.01, 0.2, 7])
        axes.set(xscale="log", yscale="log")

    text = draw(paint)
    assert "mathdefault" not in text
    assert all(f">{number}</text>" in text for number in ("10", "100", "1000", "0.1", "1"))
