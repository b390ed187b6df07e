"""What the player on a page is given: one sample's spikes, where each fired, waited and went on the mesh."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ir.arrays import Array, Ints
from ir.check import word
from ir.mapped import MappedNetwork
from ir.picture import COLOURS
from ir.schedule import group_word
from ir.trace import Trace
from ir.words import counted
from mapper.check.recount import reached_cores
from mapper.edges import network_edges
from unlayered.report.mesh import chip_corner
from unlayered.report.page import escaped
from unlayered.report.raster import steps_of

SCRIPT = Path(__file__).with_name("player.js")

MOST_SPIKES = 100_000
"""Spikes of a run that are sent to the page; of more, an even part in time, and the page says so."""

MOST_CLASSES = 40
"""Output neurons whose spikes are counted beside the mesh."""


@dataclass(frozen=True, eq=False)
class Moves:
    """A sample's spikes on one clock that runs through all its time steps.

    Attributes:
        steps: (T,) forward steps of each time step.
        fired: (n,) forward step of firing. waited: (n,) forward steps until served; -1 = never served.
        neuron: (n,) global indices.
        per_step: (G,) spikes of each forward step; waiting: (G,) left in the queue after it; both of all spikes.
        total: spikes there are; n of them are held.
    """

    steps: Ints
    fired: Ints
    waited: Ints
    neuron: Ints
    per_step: Ints
    waiting: Ints
    total: int


def moves(trace: Trace, sample: int, most: int = MOST_SPIKES) -> Moves:
    """Put a sample's spikes on one clock; of more than ``most`` an even part in time."""
    s, steps = trace.spikes, steps_of(trace, sample)
    assert s is not None
    mine = s.sample == sample
    begin = np.cumsum(steps) - steps
    fired = begin[s.t[mine]] + s.k[mine]
    served = s.k_served[mine].astype(np.int64)
    waited = np.where(served < 0, -1, served - s.k[mine])
    neuron = s.neuron[mine].astype(np.int64)
    n_steps = int(steps.sum())
    per_step = np.bincount(fired, minlength=n_steps)
    left = np.where(waited < 0, begin[s.t[mine]] + steps[s.t[mine]] - 1, fired + waited)  # dropped at the step's end
    waiting = np.cumsum(per_step - np.bincount(left, minlength=n_steps))
    order = np.argsort(fired, kind="stable")
    if len(order) > most:
        order = order[np.linspace(0, len(order) - 1, most).astype(np.int64)]
    return Moves(steps, fired[order], waited[order], neuron[order], per_step, waiting, len(fired))


def packed(values: Array) -> dict[str, str]:
    """Whole numbers in as few bytes as they need: little-endian, in base 64, with their type."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    sizes = ("i1", "i2", "i4") if low < 0 else ("u1", "u2", "u4")
    kind = next(k for k in sizes if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    return {"kind": kind, "data": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}


def targets(mapped: MappedNetwork) -> tuple[Ints, list[list[int]]]:
    """(N,) which set of cores each neuron's spikes go to, and the sets; a neuron's own core is left out."""
    network, k = mapped.network, len(mapped.cores)
    core = np.asarray(mapped.core_of_neuron, np.int64)
    source, reached, _ = reached_cores(network_edges(network), core, k, network.n_neurons + network.n_inputs)
    leaving = source < network.n_neurons
    source, reached = source[leaving], reached[leaving]
    away = core[source] != reached
    source, reached = source[away], reached[away]
    bounds = np.searchsorted(source, np.arange(network.n_neurons + 1))
    sets: dict[tuple[int, ...], int] = {}
    of_neuron = np.zeros(network.n_neurons, np.int64)
    for i in range(network.n_neurons):
        key = tuple(reached[bounds[i] : bounds[i + 1]].tolist())
        of_neuron[i] = sets.setdefault(key, len(sets))
    return of_neuron, [list(key) for key in sets]


def board(mapped: MappedNetwork) -> dict[str, Any]:
    """Tiles of the used cores, moved to a corner, and which of a tile's cores each is."""
    assert mapped.chip is not None
    mesh = mapped.chip.mesh
    corners = [chip_corner(mesh, core.chip) for core in mapped.cores]
    x = [left + core.x for (left, _), core in zip(corners, mapped.cores)]
    y = [top + core.y for (_, top), core in zip(corners, mapped.cores)]
    return {
        "columns": max(x) - min(x) + 1,
        "rows": max(y) - min(y) + 1,
        "side": int(np.ceil(np.sqrt(mesh.cores_per_tile))),
        "left": min(x),
        "top": min(y),
        "cores": [[i - min(x), j - min(y), core.slot] for i, j, core in zip(x, y, mapped.cores)],
    }


def schedule_title(trace: Trace) -> str:
    """A run's schedule in a few words."""
    s = trace.schedule
    if trace.timing is not None:
        return "timed, no barrier"
    if s.kind == "layered":
        return "layered"
    scope = {"core": ", a queue a core", "receiver": ", a queue a receiving core"}.get(s.scope, "")
    return f"asynchronous, F = {group_word(s.F)}, {s.order} first{scope}"


def player_data(
    mapped: MappedNetwork, runs: Mapping[str, Trace], sample: int, most: int = MOST_SPIKES
) -> dict[str, Any]:
    """Everything the script needs, as plain values."""
    first = next(iter(runs.values()))
    output = first.population_slice(first.output)
    of_neuron, sets = targets(mapped)
    names = [(name, first.population_slice(name).start, n) for name, n in first.populations]
    label = None
    if first.labels is not None:
        label = int(first.labels[int(np.flatnonzero(first.sample_ids == sample)[0])])
    return {
        "board": board(mapped),
        "core": packed(np.asarray(mapped.core_of_neuron, np.int64)),
        "set": packed(of_neuron),
        "sets": sets,
        "populations": [
            {"name": word(name, 40), "start": start, "n": n, "colour": COLOURS[i % len(COLOURS)]}
            for i, (name, start, n) in enumerate(names)
        ],
        "output": [output.start, output.stop if output.stop - output.start <= MOST_CLASSES else output.start],
        "label": label,
        "runs": [_run(name, trace, sample, most) for name, trace in runs.items()],
    }


def _run(name: str, trace: Trace, sample: int, most: int) -> dict[str, Any]:
    found = moves(trace, sample, most)
    return {
        "title": word(schedule_title(trace), 80),
        "name": word(name, 80),
        "steps": packed(found.steps),
        "gap": packed(np.diff(found.fired, prepend=0)),
        "waited": packed(found.waited),
        "neuron": packed(found.neuron),
        "perStep": packed(found.per_step),
        "waiting": packed(found.waiting),
        "total": found.total,
        "shown": len(found.fired),
    }


def player(mapped: MappedNetwork, runs: Mapping[str, Trace], sample: int, most: int = MOST_SPIKES) -> str:
    """The player as markup; the page must carry ``SCRIPT``."""
    data = player_data(mapped, runs, sample, most)
    inside = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
    sampled = [(run["title"], run["shown"], run["total"]) for run in data["runs"] if run["shown"] < run["total"]]
    lines = [
        f"{title}: {counted(total, 'spike')}; {shown:,} of them, evenly spread over the sample, are drawn. Numbers "
        "count all."
        for title, shown, total in sampled
    ]
    said = "".join(f'<p class="sampled">{escaped(line)}</p>' for line in lines)
    buttons = (
        '<button type="button" class="play" aria-pressed="false">Play</button>'
        '<button type="button" class="back" aria-label="One forward step back">&#8722;1</button>'
        '<button type="button" class="on" aria-label="One forward step on">+1</button>'
        '<label>Speed <select class="speed" aria-label="Forward steps a second">'
        '<option value="1">1/s</option><option value="3" selected>3/s</option><option value="10">10/s</option>'
        '<option value="30">30/s</option><option value="100">100/s</option></select></label>'
    )
    slider = '<input type="range" class="scrub" min="0" value="0" step="1" aria-label="Forward step">'
    return (
        f'<div class="player" data-step="0"><div class="controls">{buttons}</div>{slider}'
        f'<div class="stages"></div><p class="legend"></p>{said}'
        f'<script type="application/json" class="moves">{inside}</script></div>'
    )
