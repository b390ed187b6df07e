"""The figures of the report; each paints one matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.trace import Trace
from sim_reference.compare.statistics import Latency, statistics

COLOURS = ("#3b8fd6", "#e0851b", "#2fa57a", "#c46ba0", "#8c7ae6", "#b59b00")
"""Told apart by most eyes, on white and on black."""

SMALLEST_MARK, LARGEST_MARK = 2.4, 6.0
"""Points across; a figure is shown at about one pixel a point on a phone, and larger elsewhere."""


def raster(figure: Figure, traces: Mapping[str, Trace], sample: int) -> None:
    """Every spike of one sample: software beside Lava; time runs in forward steps, lines mark time steps."""
    axes = np.atleast_1d(figure.subplots(1, len(traces), sharey=True))
    for ax, (title, trace) in zip(axes, traces.items()):
        _one_raster(ax, trace, sample, len(traces))
        ax.set_title(title)
        ax.set_xlabel("forward step")
    axes[0].set_ylabel("neuron")
    n = sum(len(x.populations) for x in list(traces.values())[:1])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=n, markerscale=2)


def mark_points(width_in: float, height_in: float, n_steps: int, n_neurons: int) -> float:
    """Diameter of a spike's mark: as large as the room that a neuron has in a step, and never too small to be seen.

    >>> mark_points(2.0, 3.0, 20, 10), mark_points(2.0, 3.0, 5000, 10_000)
    (6.0, 2.4)
    """
    room = 72.0 * (width_in / max(n_steps, 1) * height_in / max(n_neurons, 1)) ** 0.5
    return min(max(room, SMALLEST_MARK), LARGEST_MARK)


def _one_raster(ax: Axes, trace: Trace, sample: int, n_panels: int) -> None:
    s = trace.spikes
    assert s is not None
    steps = trace.forward_steps[:, int(np.flatnonzero(trace.sample_ids == sample)[0])]
    begin = np.cumsum(steps) - steps
    mine = s.sample == sample
    figure = ax.get_figure(root=True)
    assert figure is not None
    width_in, height_in = figure.get_size_inches()
    size = mark_points(width_in / n_panels, height_in, int(steps.sum()), trace.n_neurons)
    for x in begin:
        ax.axvline(float(x), color="#8888", lw=0.5)
    for i, (name, _) in enumerate(trace.populations):
        part = trace.population_slice(name)
        chosen = mine & (s.neuron >= part.start) & (s.neuron < part.stop)
        x, y = begin[s.t[chosen]] + s.k[chosen], s.neuron[chosen]
        ax.plot(x, y, "o", ms=size, mew=0, color=COLOURS[i % len(COLOURS)], label=name)
    ax.set_xlim(0, float(steps.sum()))
    ax.set_ylim(trace.n_neurons, -1)


def spikes_per_layer(figure: Figure, roads: Sequence[tuple[str, Mapping[str, Trace]]]) -> None:
    """Mean spikes a sample of each population, executors side by side, on the same samples."""
    axes = np.atleast_1d(figure.subplots(1, len(roads), sharey=True))
    for ax, (title, traces) in zip(axes, roads):
        names = [name for name, _ in next(iter(traces.values())).populations]
        for i, (executor, trace) in enumerate(traces.items()):
            heights = [float(trace.counts[:, trace.population_slice(n)].sum(1).mean()) for n in names]
            x = np.arange(len(names)) + (i - (len(traces) - 1) / 2) * 0.8 / len(traces)
            ax.bar(x, heights, 0.8 / len(traces), color=COLOURS[i % len(COLOURS)], label=executor)
        ax.set_xticks(range(len(names)), names)
        ax.set_title(title)
    axes[0].set_ylabel("spikes a sample")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=len(roads[0][1]))


def occupancy(figure: Figure, mapped: MappedNetwork, chip: Chip) -> None:
    """Neurons on each core of the first chip's mesh; a tile shows its cores as a block."""
    side = int(np.ceil(np.sqrt(chip.mesh.cores_per_tile)))
    grid = np.full((chip.mesh.height * side, chip.mesh.width * side), np.nan)
    neurons = np.bincount(mapped.core_of_neuron, minlength=len(mapped.cores))
    for core, n in zip(mapped.cores, neurons):
        if core.chip == 0:
            grid[core.y * side + core.slot // side, core.x * side + core.slot % side] = n
    ax = figure.subplots()
    image = ax.imshow(grid, cmap="viridis", vmin=0, vmax=chip.limits.max_neurons, aspect="equal")
    for x in range(0, grid.shape[1] + 1, side):
        ax.axvline(x - 0.5, color="#8888", lw=0.6)
    for y in range(0, grid.shape[0] + 1, side):
        ax.axhline(y - 0.5, color="#8888", lw=0.6)
    ax.set_xticks(np.arange(chip.mesh.width) * side + (side - 1) / 2, [str(i) for i in range(chip.mesh.width)])
    ax.set_yticks(np.arange(chip.mesh.height) * side + (side - 1) / 2, [str(i) for i in range(chip.mesh.height)])
    ax.set_xlabel("tile x")
    ax.set_ylabel("tile y")
    figure.colorbar(image, ax=ax, label="neurons", shrink=0.7)


def latency(figure: Figure, traces: Mapping[str, Trace]) -> None:
    """Forward steps from the start of a sample until its first output spike."""
    ax = figure.subplots()
    found = {name: _came(statistics(trace).first_output) for name, trace in traces.items()}
    top = max([int(x.max()) for x in found.values() if x.size] or [1])
    edges = np.linspace(0, top + 1, min(top + 1, 40) + 1)
    for i, (name, steps) in enumerate(found.items()):
        ax.hist(steps, edges.tolist(), histtype="stepfilled", alpha=0.55, color=COLOURS[i], label=name)
    ax.set_xlabel("forward steps until the first output spike")
    ax.set_ylabel("samples")
    ax.legend()


def _came(latency: Latency | None) -> Any:
    if latency is None:
        return np.zeros(0)
    return latency.forward_steps[latency.forward_steps >= 0]


def training(figure: Figure, metrics: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Loss and validation accuracy by epoch."""
    left, right = figure.subplots(1, 2)
    for i, (name, rows) in enumerate(metrics.items()):
        epochs = [row["epoch"] + 1 for row in rows]
        left.plot(epochs, [row["loss"] for row in rows], color=COLOURS[i], label=name)
        right.plot(epochs, [row["accuracy"] for row in rows], color=COLOURS[i])
    left.set_title("loss")
    right.set_title("validation accuracy")
    right.set_ylim(0, 1)
    for ax in (left, right):
        ax.set_xlabel("epoch")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncol=len(metrics))
