"""Figures of runs and trainings; each paints one matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ir.picture import COLOURS
from ir.trace import Trace
from sim_reference.compare.statistics import Latency, statistics
from unlayered.report.svg import label

MOST_CLASSES = 12
"""So many are counted in numbers; of more, colours alone."""

MOST_POINTS = 3000
"""Beyond so many points a panel is a picture."""


def spikes_per_layer(figure: Figure, roads: Sequence[tuple[str, Mapping[str, Trace]]]) -> None:
    """Mean spikes a sample of each population, executors side by side, on the same samples."""
    axes = np.atleast_1d(figure.subplots(1, len(roads), sharey=True))
    for ax, (title, traces) in zip(axes, roads):
        names = [name for name, _ in next(iter(traces.values())).populations]
        for i, (executor, trace) in enumerate(traces.items()):
            samples = max(len(trace.sample_ids), 1)
            heights = [float(trace.counts[:, trace.population_slice(n)].sum()) / samples for n in names]
            x = np.arange(len(names)) + (i - (len(traces) - 1) / 2) * 0.8 / len(traces)
            ax.bar(x, heights, 0.8 / len(traces), color=COLOURS[i % len(COLOURS)], label=label(executor))
        _named_ticks(ax, names)
        ax.set_title(label(title))
    axes[0].set_ylabel("spikes a sample")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=min(len(roads[0][1]), 3))


def _named_ticks(ax: Axes, names: Sequence[str]) -> None:
    """Populations below the bars; slanted where they would run into each other."""
    crowded = sum(len(label(n)) + 2 for n in names) > 44
    ax.set_xticks(range(len(names)), [label(n) for n in names])
    if crowded:
        ax.tick_params("x", labelrotation=45 if len(names) < 12 else 90)


def latency(figure: Figure, traces: Mapping[str, Trace]) -> None:
    """From the start of a sample until its first output spike: forward steps, and spikes of the whole network."""
    found = {name: statistics(trace).first_output for name, trace in traces.items()}
    panels = figure.subplots(1, 2)
    for ax, what, words in zip(panels, ("forward_steps", "spikes"), ("forward steps", "network spikes")):
        values = {name: _came(x, what) for name, x in found.items()}
        top = max([int(x.max()) for x in values.values() if x.size] or [1])
        edges = np.linspace(0, top + 1, min(top + 1, 40) + 1)
        for i, (name, x) in enumerate(values.items()):
            style: Any = {"histtype": "stepfilled", "alpha": 0.5} if i == 0 else {"histtype": "step", "lw": 1.6}
            ax.hist(x, edges.tolist(), color=COLOURS[i % len(COLOURS)], label=label(name), **style)
        ax.set_xlabel(words)
    panels[0].set_ylabel("samples")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncol=min(len(traces), 3))


def _came(latency: Latency | None, what: str) -> Any:
    if latency is None:
        return np.zeros(0)
    values = getattr(latency, what)
    return values[values >= 0]


def rates_over_time(figure: Figure, traces: Mapping[str, Trace]) -> None:
    """Spikes a neuron in each time step, mean over samples: a panel a population, a line a run."""
    first = next(iter(traces.values()))
    names = [name for name, _ in first.populations]
    panels = np.atleast_1d(figure.subplots(len(names), 1, sharex=True))
    for i, (run, trace) in enumerate(traces.items()):
        s, (t, b) = trace.spikes, trace.forward_steps.shape
        assert s is not None
        for ax, name in zip(panels, names):
            at = trace.population_slice(name)
            mine = (s.neuron >= at.start) & (s.neuron < at.stop)
            rate = np.bincount(s.t[mine], minlength=t) / max(b * (at.stop - at.start), 1)
            style: Any = {"lw": 3.4, "alpha": 0.45} if i == 0 and len(traces) > 1 else {"lw": 1.3}
            ax.plot(np.arange(t), rate, color=COLOURS[i % len(COLOURS)], label=label(run), **style)
    for ax, name in zip(panels, names):
        ax.set_title(label(name), loc="left")
        ax.set_ylim(0, None)
    panels[-1].set_xlabel("time step")
    figure.supylabel("spikes a neuron", fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncol=min(len(traces), 3))


def neuron_by_neuron(figure: Figure, a: tuple[str, Trace], b: tuple[str, Trace]) -> None:
    """Each neuron's spikes a sample in one run against those in another; on the line where they are alike."""
    ax = figure.subplots()
    x, y = (trace.counts.mean(0) for _, trace in (a, b))
    top = float(max(x.max(initial=0), y.max(initial=0))) or 1.0
    ax.plot([0, top], [0, top], color="#8888", lw=1)
    for i, (name, _) in enumerate(a[1].populations):
        at = a[1].population_slice(name)
        colour = COLOURS[i % len(COLOURS)]
        ax.plot(x[at], y[at], "o", ms=4, mew=0, alpha=0.7, color=colour, label=label(name),
                rasterized=len(x) > MOST_POINTS)  # fmt: skip
    ax.set_xlabel(f"spikes a sample, {label(a[0])}")
    ax.set_ylabel(f"spikes a sample, {label(b[0])}")
    ax.set_aspect("equal")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")


def confusion(figure: Figure, trace: Trace) -> None:
    """Right class against decision, samples counted; the last column had no decision."""
    table = confusion_table(trace)
    n = len(table)
    ax = figure.subplots()
    image = ax.imshow(table, cmap="viridis", vmin=0, aspect="auto")
    if n <= MOST_CLASSES:
        middle = table.max() / 2
        for (row, column), count in np.ndenumerate(table):
            if count:
                ax.text(column, row, str(count), ha="center", va="center", fontsize=7.5,
                        color="#ffffff" if count < middle else "#000000")  # fmt: skip
        ax.set_xticks(range(n + 1), [*map(str, range(n)), "none"])
        ax.set_yticks(range(n))
    ax.set_xlabel("decision")
    ax.set_ylabel("right class")
    figure.colorbar(image, ax=ax, label="samples", shrink=0.8)


def confusion_table(trace: Trace) -> np.ndarray:
    """(classes, classes + 1) samples of each right class by decision; the last column had none."""
    assert trace.labels is not None
    decided = statistics(trace).decision
    at = trace.population_slice(trace.output)
    n = max(at.stop - at.start, int(trace.labels.max(initial=0)) + 1)
    table = np.zeros((n, n + 1), np.int64)
    inside = trace.labels >= 0
    np.add.at(table, (trace.labels[inside], np.where(decided < 0, n, decided)[inside]), 1)
    return table


def training(figure: Figure, metrics: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Loss and validation accuracy by epoch."""
    left, right = figure.subplots(1, 2)
    for i, (name, rows) in enumerate(metrics.items()):
        epochs = [row["epoch"] + 1 for row in rows]
        left.plot(epochs, [row["loss"] for row in rows], color=COLOURS[i % len(COLOURS)], label=label(name))
        right.plot(epochs, [row["accuracy"] for row in rows], color=COLOURS[i % len(COLOURS)])
    left.set_title("loss")
    right.set_title("validation accuracy")
    right.set_ylim(0, 1)
    for ax in (left, right):
        ax.set_xlabel("epoch")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncol=min(len(metrics), 3))
