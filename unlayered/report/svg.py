"""Figures as SVG text that follows the page's colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ir.check import word

INK = "#0b0c0e"
"""Stands for the colour of text and axes; becomes ``currentColor`` on a page."""

STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
"""Shared by every figure; about as many points wide as a phone has pixels, so that labels stay readable there."""

WIDTH_IN = 4.7
DPI = 220
"""Of what is drawn as a picture: panels of very many marks."""

MOST_LETTERS = 24


def label(name: object) -> str:
    """A name from a file in a figure: short, and shown whatever it begins with (a legend hides what begins with _).

    >>> label("_x"), label("a" * 30)
    (' _x', 'aaaaaaaaaaaaaaaa...aaaaa')
    """
    text = word(name, MOST_LETTERS)
    return f" {text}" if text.startswith("_") else text


def draw(
    paint: Callable[[Figure], None], height_in: float = 3.0, background: str = "none", salt: str = "unlayered"
) -> str:
    """An ``<svg>`` element of what ``paint`` draws.

    Args:
        background: a colour for a picture that stands alone; ``none`` = transparent, ink in the page's text colour.
        salt: makes the names inside the element differ from those of other figures on the page.
    """
    with rc_context({**STYLE, "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # the reader's fonts draw the text, not matplotlib's
        figure = Figure(figsize=(WIDTH_IN, height_in))
        paint(figure)
        for scale in (scale for axes in figure.axes for scale in (axes.xaxis, axes.yaxis)):
            if scale.get_scale() == "log":  # matplotlib's own numbers are formulas, which STYLE does not let it parse
                scale.set_major_formatter("{x:g}")
                scale.set_minor_formatter(NullFormatter())
        buffer = io.StringIO()
        meta = {"Date": None, "Creator": None}
        figure.savefig(
            buffer, format="svg", metadata=meta, facecolor=background, transparent=background == "none", dpi=DPI
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    if background != "none":
        return text
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    return text.replace(INK, "currentColor")
