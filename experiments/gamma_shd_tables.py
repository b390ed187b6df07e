"""What the page says of ``experiments/gamma_shd.py``: prices of a step, accuracy and spikes, other time steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import grid_measures
from unlayered.experiments.definition import Part, Row

STEPS = (100, 1000)
DRAWS = 2000
"""Of a bootstrap."""


def parts(settings: dict[str, Any], rows: list[Row]) -> list[Part]:
    """Tables and the plot."""
    prices = [row for row in rows if "priced" in row]
    trained = [row for row in rows if "network" in row]
    some = [_prices(settings, prices)] if prices else []
    return some + ([_accuracy(trained), _speakers(trained), _other_steps(trained)] if trained else [])


def _prices(settings: dict[str, Any], rows: list[Row]) -> Part:
    steps = sorted({row["n_steps"] for row in rows})
    found = {(row["priced"], row["n_steps"]): row for row in rows}
    table = []
    for name in dict.fromkeys(row["priced"] for row in rows):
        for what, digits, unit in (("bytes", 1, 1e-6), ("step_s", 2, 1.0)):
            cells = (found.get((name, n)) for n in steps)
            table.append((name, "MB" if what == "bytes" else "CPU s",
                          *("-" if row is None else f"{row[what] * unit:.{digits}f}" for row in cells)))  # fmt: skip
    text = (
        f"A step of {settings['priced_samples']} samples, 70-{settings['hidden']}-10, the loss in every time step: the "
        "most memory beyond that of a step of two time steps (which holds the online rule's traces, 0.2 MB, already; "
        "frames of the batch are not counted), and CPU time, the median of three. "
        "A recording lasts a second at each number of time steps."
    )
    return Part("What a training step takes", text, ("trained by", "", *map(str, steps)), table, "prices",
                partial(_paint, rows))  # fmt: skip


def _paint(rows: list[Row], figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    for name in dict.fromkeys(row["priced"] for row in rows):
        own = sorted((row for row in rows if row["priced"] == name), key=lambda row: row["n_steps"])
        x = [row["n_steps"] for row in own]
        left.plot(x, [row["bytes"] / 1e6 for row in own], marker="o", label=name)
        right.plot(x, [row["step_s"] for row in own], marker="o", label=name)
    for axes, said in ((left, "memory, MB"), (right, "CPU time, s")):
        axes.set(xlabel="time steps", ylabel=said, xscale="log", yscale="log")
    figure.legend(handles=left.get_lines(), loc="outside upper center", ncols=2)


def _groups(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    found: dict[tuple[str, int], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["n_steps"]):
        found.setdefault((row["network"], row["n_steps"]), []).append(row)
    return found


def by_recording(rows: list[Row], name: str) -> dict[tuple[int, int], float]:
    """Of each recording, (speaker, place), the share of seeds that decide it right."""
    votes: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        for i, bit in enumerate(row[name]):
            votes.setdefault((row["speaker"], i), []).append(int(bit))
    return {key: float(np.mean(bits)) for key, bits in votes.items()}


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences and the ends of its 95 % interval, by drawing recordings again; in points."""
    values = 100 * np.asarray(differences, float)
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)]
    return (float(values.mean()), *grid_measures.interval(np.array(means)))


def _said(found: tuple[float, float, float]) -> str:
    return f"{found[0]:+.1f} ({found[1]:+.1f} to {found[2]:+.1f})"


def _accuracy(rows: list[Row]) -> Part:
    groups = _groups(rows)
    table = []
    for (name, n), own in groups.items():
        right = by_recording(own, f"right at {n}")
        gamma = groups.get(("SpikingGamma", n), [])
        theirs = by_recording(gamma, f"right at {n}")
        both = [right[key] - theirs[key] for key in right.keys() & theirs.keys()]
        seeds = sorted({row["seed"] for row in own})
        means = [100 * np.mean([row[f"accuracy at {n}"] for row in own if row["seed"] == s]) for s in seeds]
        table.append((name, n, own[0]["epochs"], own[0]["parameters"], ", ".join(f"{m:.1f}" for m in means),
                      f"{np.mean([row[f'spikes at {n}'] for row in own]):.0f}", len(own), len(right),
                      "" if name == "SpikingGamma" or not both else _said(interval(both))))  # fmt: skip
    text = (
        "Trained and tested at the same number of time steps; accuracy a seed, over the speakers that were left out so "
        "far; hidden spikes a recording. The last column: points beside SpikingGamma, paired by recording, with the "
        "95 % interval of drawing recordings again."
    )
    columns = ("network", "time steps", "epochs", "parameters", "accuracy %, by seed", "spikes", "trainings",
               "recordings", "beside SpikingGamma")  # fmt: skip
    return Part("Accuracy and spikes", text, columns, table)


def _speakers(rows: list[Row]) -> Part:
    speakers = sorted({row["speaker"] for row in rows})
    table = []
    for (name, n), own in _groups(rows).items():
        cells = [[row[f"accuracy at {n}"] for row in own if row["speaker"] == s] for s in speakers]
        table.append((name, n, *(f"{100 * np.mean(x):.1f}" if x else "-" for x in cells)))
    columns = ("network", "time steps", *(f"without speaker {s}" for s in speakers))
    return Part("By speaker", "Accuracy %, means over seeds.", columns, table)


def _other_steps(rows: list[Row]) -> Part:
    table = []
    for (name, n), own in _groups(rows).items():
        other = STEPS[1] if n == STEPS[0] else STEPS[0]
        for kept in ("", ", lags kept"):
            at = f"{other}{kept}"
            some = [row for row in own if f"right at {at}" in row]
            if some:
                table.append((name, n, at, *_moved(some, n, at)))
    text = (
        "The same weights, time constants in seconds kept (`ir.time_step.at_time_step`), or the lags of buckets: "
        "points that the other time step gives, paired by recording, with the 95 % interval of drawing recordings "
        "again. A recurrent network has no other time step: what it feeds back is one time step late."
    )
    columns = ("network", "trained at", "tested at", "accuracy % as trained", "at the other", "difference",
               "spikes as trained, at the other", "recordings")  # fmt: skip
    return Part("Tested at another time step", text, columns, table)


def _moved(rows: list[Row], n: int, at: str) -> tuple[str, ...]:
    """Accuracy as trained and at the other time step, their difference, spikes of both, recordings."""
    here, there = (by_recording(rows, f"right at {x}") for x in (n, at))
    difference = interval([there[key] - here[key] for key in here])
    spikes = [np.mean([row[f"spikes at {x}"] for row in rows]) for x in (n, at)]
    accuracy = (f"{100 * np.mean(list(x.values())):.1f}" for x in (here, there))
    return (*accuracy, _said(difference), f"{spikes[0]:.0f}, {spikes[1]:.0f}", str(len(here)))
