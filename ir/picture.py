"""Small pictures of networks and traces for a notebook: an SVG beside the words, nothing loaded from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from ir.check import word
from ir.graph import layered_order

COLOURS = ("#3b8fd6", "#e0851b", "#2fa57a", "#c46ba0", "#8c7ae6", "#b59b00")
"""Told apart by most eyes, on white and on black."""

MOST_BLOCKS, MOST_SPIKES = 40, 3000
"""What a small picture shows."""

COLUMN, HEIGHT, WIDTH = 92, 120, 420
"""Pixels: of a place in the layered order, and of the picture."""


def beside(text: str, picture: str) -> str:
    """Words and a picture as HTML; names in them are text, never markup."""
    return f'<div style="overflow-x:auto"><pre style="margin:0">{html.escape(text)}</pre>{picture}</div>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    inside = f"<title>{html.escape(title)}</title>{''.join(parts)}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:g}" height="{height:g}"'
    return f'{head} viewBox="0 0 {width:g} {height:g}" fill="currentColor" font-size="10">{inside}</svg>'


def network_picture(network: Any) -> str:
    """Blocks from left to right as spikes travel, as tall as the logarithm of their neurons; lines are projections."""
    place = layered_order(network).place
    blocks = [(i.name, i.n, -1) for i in network.inputs] + [(p.name, p.n, place[p.name]) for p in network.populations]
    shown = blocks[:MOST_BLOCKS]
    columns = sorted({at for _, _, at in shown})
    boxes: dict[str, tuple[float, float, float]] = {}
    for column, at in enumerate(columns):
        inside = [(name, n) for name, n, where in shown if where == at]
        room = HEIGHT / len(inside)
        for row, (name, n) in enumerate(inside):
            height = min(room * 0.7, 12 + 6 * float(np.log2(n + 1)))
            boxes[name] = COLUMN * column + 8.0, room * (row + 0.5), height
    lines = [_line(boxes[e.pre], boxes[e.post]) for e in network.projections if e.pre in boxes and e.post in boxes]
    names = [_box(boxes[name], name, n, at, len(boxes) > len(columns) * 3) for name, n, at in shown]
    return _svg(COLUMN * len(columns) + 8.0, HEIGHT + 14.0, "populations and projections", [*lines, *names])


def _line(a: tuple[float, float, float], b: tuple[float, float, float]) -> str:
    """A projection; one that looks back bends below."""
    x, y, z, w = a[0] + 40, a[1], b[0], b[1]
    bend = HEIGHT if z <= x - 40 else (y + w) / 2
    middle = (x + z) / 2
    path = f"M{x:g} {y:g} C{middle:g} {bend:g} {middle:g} {bend:g} {z:g} {w:g}"
    return f'<path d="{path}" fill="none" stroke="currentColor" opacity="0.4"/>'


def _box(at: tuple[float, float, float], name: str, n: int, place: int, crowded: bool) -> str:
    x, y, height = at
    colour = "#888" if place < 0 else COLOURS[place % len(COLOURS)]
    box = f'<rect x="{x:g}" y="{y - height / 2:g}" width="40" height="{height:g}" rx="3" fill="{colour}"/>'
    if crowded:
        return box
    below = min(y + height / 2 + 10, HEIGHT + 12)
    return f'{box}<text x="{x:g}" y="{below:g}">{html.escape(word(f"{name} {n:,}", 16))}</text>'


def trace_picture(trace: Any) -> str:
    """Every spike of the first sample; time runs in forward steps. Spikes a population where none were recorded."""
    if trace.spikes is None or not len(trace.spikes) or not len(trace.sample_ids):
        return _bars(trace)
    sample = int(trace.sample_ids[0])
    mine = np.flatnonzero(trace.spikes.sample == sample)
    mine = mine[:: max(1, -(-len(mine) // MOST_SPIKES))]
    steps = trace.forward_steps[:, 0].astype(np.int64)
    begin = np.cumsum(steps) - steps
    x = (begin[trace.spikes.t[mine]] + trace.spikes.k[mine] + 0.5) / max(int(steps.sum()), 1) * WIDTH
    y = (trace.spikes.neuron[mine] + 0.5) / trace.n_neurons * HEIGHT
    dots: list[str] = []
    for i, (name, _) in enumerate(trace.populations):
        part = trace.population_slice(name)
        own = (trace.spikes.neuron[mine] >= part.start) & (trace.spikes.neuron[mine] < part.stop)
        path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[own], y[own]))
        colour = COLOURS[i % len(COLOURS)]
        dots.append(f'<path d="{path}" stroke="{colour}" stroke-width="2.4" stroke-linecap="round"/>')
    marks = "".join(f"M{a / max(int(steps.sum()), 1) * WIDTH:.1f} 0v{HEIGHT}" for a in begin[:200])
    dots.append(f'<path d="{marks}" stroke="currentColor" stroke-width="0.4" opacity="0.3"/>')
    return _svg(WIDTH, HEIGHT, f"spikes of sample {sample}", dots)


def _bars(trace: Any) -> str:
    counts = [int(trace.counts[:, trace.population_slice(name)].sum(dtype=np.int64)) for name, _ in trace.populations]
    return bars([(name, float(n)) for (name, _), n in zip(trace.populations, counts)], "spikes a population")


def bars(values: Sequence[tuple[str, float]], title: str) -> str:
    """Named numbers as bars, the largest across the picture."""
    most, parts = max([abs(v) for _, v in values] or [0.0]) or 1.0, []
    for i, (name, value) in enumerate(values[:MOST_BLOCKS]):
        width = abs(value) / most * (WIDTH - 180)
        said = html.escape(word(f"{name} {value:.4g}", 40))
        rect = f'<rect x="170" y="{16 * i + 3}" width="{width:.1f}" height="10" fill="{COLOURS[i % len(COLOURS)]}"/>'
        parts.append(f'{rect}<text x="0" y="{16 * i + 12}">{said}</text>')
    return _svg(WIDTH, 16.0 * max(len(parts), 1), title, parts)
