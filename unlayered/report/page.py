"""A page as one HTML file: figures and tables inside, nothing loaded from elsewhere, names from files as text."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ir.check import MAX_SENTENCE, word
from unlayered.console import short
from unlayered.report.svg import draw

STYLE = Path(__file__).with_name("style.css")

Panel = tuple[str, Callable[[Figure], None], float]
"""A figure: its title, what paints it, its height in inches."""


def escaped(text: str) -> str:
    """Text for a page: names in it come from strangers' files."""
    return html.escape(word(text, 10 * MAX_SENTENCE))


def page(title: str, sections: Sequence[str], script: str = "") -> str:
    """A whole HTML document.

    A browser is told to load nothing and to run nothing but ``script``, known by its hash: whatever a name from a file
    should turn into, it can neither act nor call out.
    """
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escaped(title)}</title><style>{STYLE.read_text()}</style></head>"
    )
    end = f"<script>{script}</script>" if script else ""
    return f"{head}<body><main><h1>{escaped(title)}</h1>{''.join(sections)}</main>{end}</body></html>\n"


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def section(title: str, *parts: str) -> str:
    """A heading and what is below it; what is no markup is a paragraph."""
    body = "".join(part if part.startswith("<") else f"<p>{escaped(part)}</p>" for part in parts)
    return f"<section><h2>{escaped(title)}</h2>{body}</section>"


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; one that is wider than the screen scrolls in its box."""
    head = "".join(f"<th>{escaped(c.replace('_', ' '))}</th>" for c in columns)
    lines = "".join("<tr>" + "".join(_cell(x) for x in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _cell(x: Any) -> str:
    number = (isinstance(x, (int, float)) and not isinstance(x, bool)) or str(x).endswith(" %")
    return f"<td{' class=number' if number else ''}>{escaped(short(x))}</td>"


def figure(title: str, paint: Callable[[Figure], None], height_in: float, who: str = "") -> str:
    """One figure with its caption."""
    return f"<figure><figcaption>{escaped(title)}</figcaption>{draw(paint, height_in, salt=f'{who}: {title}')}</figure>"


def figures_of(panels: Sequence[Panel], who: str = "") -> str:
    """Figures side by side as far as the screen is wide; nothing without any.

    Args:
        who: tells them from figures of the same titles elsewhere on the page.
    """
    if not panels:
        return ""
    return f'<div class="figures">{"".join(figure(*panel, who) for panel in panels)}</div>'


def folded(summary: str, inside: str) -> str:
    """What is shown when asked for."""
    return f"<details><summary>{escaped(summary)}</summary>{inside}</details>"


def listed(lines: Sequence[str], kind: str = "") -> str:
    """Lines with a point each; nothing without any."""
    mark = f' class="{kind}"' if kind else ""
    return f"<ul>{''.join(f'<li{mark}>{escaped(line)}</li>' for line in lines)}</ul>" if lines else ""
