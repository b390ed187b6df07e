"""Every spike of one sample: one run, or two over each other with what only one of them has and where they part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ir.arrays import Floats, Ints
from ir.picture import COLOURS
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.divergence import Divergence
from sim_reference.compare.same_runs import recorded_spikes
from unlayered.report.spike_statistics import alone, of_sample
from unlayered.report.svg import label

SMALLEST_MARK, LARGEST_MARK = 2.4, 6.0
"""Points across; a figure is shown at about one pixel a point on a phone, and larger elsewhere."""

MOST_MARKS = 4000
"""Beyond so many spikes a panel is drawn as a picture, every spike in it, instead of mark by mark."""

ONLY = (("^", "#e5484d"), ("v", "#8e6ce8"))
"""Mark and colour of a spike that only the first run has, and only the second."""

BOTH, FIRST, SECOND = 0, 1, 2
MOST_BINS = 120


@dataclass(frozen=True, eq=False)
class Matched:
    """The spikes of one sample in one run or two.

    Attributes:
        x: (n,) when, in forward steps or time steps. neuron: (n,). which: (n,) ``BOTH``, ``FIRST`` or ``SECOND``.
        lines: where a time step begins. end: of the sample. unit: of ``x``.
    """

    x: Floats
    neuron: Ints
    which: Ints
    lines: Floats
    end: float
    unit: str


def mark_points(width_in: float, height_in: float, n_steps: int, n_neurons: int) -> float:
    """Diameter of a spike's mark: as large as the room that a neuron has in a step, and never too small to be seen.

    >>> mark_points(2.0, 3.0, 20, 10), mark_points(2.0, 3.0, 5000, 10_000)
    (6.0, 2.4)
    """
    room = 72.0 * (width_in / max(n_steps, 1) * height_in / max(n_neurons, 1)) ** 0.5
    return min(max(room, SMALLEST_MARK), LARGEST_MARK)


def steps_of(trace: Trace, sample: int) -> Ints:
    """(T,) forward steps of each time step of a sample."""
    return trace.forward_steps[:, int(np.flatnonzero(trace.sample_ids == sample)[0])].astype(np.int64)


def matched(traces: tuple[Trace, ...], sample: int) -> Matched:
    """The spikes of a sample on one axis; of two runs, each spike with who has it.

    Two runs under one schedule are held to each other forward step by forward step; under two schedules, whose forward
    steps mean different things, time step by time step.
    """
    parts = [of_sample(trace, sample) for trace in traces]
    steps = [part.forward_steps[:, 0].astype(np.int64) for part in parts]
    alike = all(np.array_equal(steps[0], other) for other in steps)
    only = alone(*parts) if len(parts) == 2 else (np.zeros(len(recorded_spikes(parts[0])), bool),)
    x, neuron, which = list[Floats](), list[Ints](), list[Ints]()
    for i, (part, own) in enumerate(zip(parts, steps)):
        s = recorded_spikes(part)
        begin = np.cumsum(own) - own
        when = begin[s.t] + s.k + 0.5 if alike else s.t + (s.k + 0.5) / np.maximum(own[s.t], 1)
        shown = only[i] if i else np.ones(len(s), bool)  # what both have is drawn once
        x.append(np.asarray(when, float)[shown])
        neuron.append(s.neuron[shown].astype(np.int64))
        which.append(np.where(only[i], FIRST + i, BOTH)[shown])
    lines = np.cumsum(steps[0]) - steps[0] if alike else np.arange(len(steps[0]))
    end, unit = (float(steps[0].sum()), "forward step") if alike else (float(len(steps[0])), "time step")
    return Matched(np.concatenate(x), np.concatenate(neuron), np.concatenate(which), lines.astype(float), end, unit)


def raster(figure: Figure, runs: Mapping[str, Trace], sample: int, first: Divergence | None = None) -> None:
    """Every spike of one sample; of two runs one panel, what only one of them has, and a ring where they part.

    Args:
        runs: one or two, by name.
        first: the first event in which they differ; marked where it lies in this sample.
    """
    names, traces = list(runs), tuple(runs.values())
    found = matched(traces, sample)
    two = len(traces) == 2
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1)) if two else np.array([figure.subplots()])
    width, height = figure.get_size_inches()
    size = mark_points(width, height * (0.75 if two else 0.9), int(found.end), traces[0].n_neurons)
    _spikes(panels[0], found, traces[0], names, size)
    if first is not None and first.sample == sample:
        _ring(panels[0], found, traces, first, size)
    panels[0].set_ylabel("neuron")
    panels[-1].set_xlabel(found.unit)
    if two:
        _difference(panels[1], found, names)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=3, markerscale=1.5)


def _spikes(ax: Axes, found: Matched, trace: Trace, names: list[str], size: float) -> None:
    picture = len(found.x) > MOST_MARKS
    for x in found.lines[:: max(1, len(found.lines) // 200)]:
        ax.axvline(float(x), color="#8888", lw=0.5)
    for i, (name, _) in enumerate(trace.populations):
        part = trace.population_slice(name)
        here = (found.neuron >= part.start) & (found.neuron < part.stop) & (found.which == BOTH)
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(
            found.x[here], found.neuron[here], "o", ms=size, mew=0, color=colour, label=label(name), rasterized=picture
        )
    for i, (mark, colour) in enumerate(ONLY[: len(names)] if len(names) == 2 else ()):
        here = found.which == FIRST + i
        if here.any():
            who = f"only {label(names[i])}"
            place = found.x[here], found.neuron[here]
            ax.plot(*place, mark, ms=size + 0.8, mew=0, color=colour, label=who, rasterized=picture)
    ax.set_xlim(0, max(found.end, 1.0))
    ax.set_ylim(trace.n_neurons - 0.5, -0.5)


def _ring(ax: Axes, found: Matched, traces: tuple[Trace, ...], first: Divergence, size: float) -> None:
    """A line at the first difference, and a ring around its neuron."""
    steps = [steps_of(trace, first.sample) for trace in traces]
    who = 1 if len(steps) > 1 and first.spiked == (False, True) else 0  # on the clock of the run that has the spike
    own = steps[who]
    inside = (first.k + 0.5) / max(int(own[first.t]), 1)
    x = float(own[: first.t].sum()) + first.k + 0.5 if found.unit == "forward step" else first.t + min(inside, 1.0)
    ax.axvline(x, color="#d1a000", lw=1.2, ls="--", label="first difference")
    if first.neuron >= 0:
        ax.plot([x], [first.neuron], "o", ms=size + 9, mfc="none", mec="#d1a000", mew=1.6, clip_on=False)


def _difference(ax: Axes, found: Matched, names: list[str]) -> None:
    """How many spikes only one of the runs has, over time: upward the first run's, downward the second's."""
    n_both, n_first, n_second = (int((found.which == w).sum()) for w in (BOTH, FIRST, SECOND))
    ax.axhline(0, color="#8888", lw=0.8)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    if not n_first + n_second:
        said = f"{label(names[0])} and {label(names[1])}: no difference, {counted(n_both, 'spike')} alike"
        ax.text(0.5, 0.62, said, transform=ax.transAxes, ha="center", va="bottom")
        ax.set_ylim(-1, 1)
        return
    edges = np.linspace(0, max(found.end, 1.0), min(MOST_BINS, max(int(found.end), 1)) + 1)
    for sign, which, (_, colour) in ((1, FIRST, ONLY[0]), (-1, SECOND, ONLY[1])):
        heights, _ = np.histogram(found.x[found.which == which], edges)
        ax.stairs(sign * heights, edges, fill=True, color=colour)
    alone = f"{n_first + n_second:,} of {n_both + n_first + n_second:,} spikes in one run only"
    ax.set_title(f"difference: {alone}", loc="left")
