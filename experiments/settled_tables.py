"""What the page says of ``experiments/settled.py``: ends, spikes at matched accuracy, the published code's figures."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unlayered.experiments.definition import Part, Row

MEASURED = {"accuracy": (78.0, 84.0), "spikes": (152.0, 153.0)}
"""The published code on the same recordings and sizes, two seeds, 20 epochs, tested at F = 8 (docs/training.md)."""

LEVELS = (0.7, 0.75, 0.8, 0.85)
"""Accuracies at which spikes are compared."""

DEFAULT = (
    'The queue carried over is `silent_gradient = "carried"` now, which every network of the grid `nmnist_like.py` is '
    "trained with. It is not the default of every training: the GPU engine does not know it, and the figures of the "
    "presets were measured without. The open surrogate and the first neurons in the silent slots spare spikes "
    "only together with it, and cost accuracy on emulated recordings."
)
"""What becomes of the better setting."""


def by_job(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by their jobs, in the order of the rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["job"], []).append(row)
    return found


def last(rows: list[Row], name: str) -> np.ndarray:
    """(seeds,) the value of each seed at the end of training."""
    return np.array([row[name][-1] if isinstance(row[name], list) else row[name] for row in rows], float)


def spread(values: np.ndarray, factor: float = 1.0, digits: int = 1) -> str:
    """Mean and standard deviation over seeds."""
    error = f" ± {factor * values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * values.mean():.{digits}f}{error}"


def spikes_at(row: Row, level: float, data: str) -> float:
    """Spikes a sample where a seed's accuracy first reaches ``level``, between epochs by a straight line; NaN where it
    never does."""
    accuracy, spikes = row[f"{data} accuracy"], row[f"{data} spikes"]
    for i, a in enumerate(accuracy):
        if a >= level:
            if i == 0:
                return spikes[0]
            share = (level - accuracy[i - 1]) / (a - accuracy[i - 1])
            return spikes[i - 1] + share * (spikes[i] - spikes[i - 1])
    return float("nan")


def at_level(rows: list[Row], level: float) -> str:
    """Mean spikes of the seeds that reach it, and how many those are where not all do."""
    found = np.array([spikes_at(row, level, "emulated") for row in rows])
    reach = int(np.isfinite(found).sum())
    if reach == 0:
        return "-"
    return f"{np.nanmean(found):.0f}" + ("" if reach == len(rows) else f" ({reach} of {len(rows)} seeds)")


def parts(settings: dict[str, Any], rows: list[Row]) -> list[Part]:
    """Tables and plots."""
    jobs = by_job(rows)
    switched = {name: found for name, found in jobs.items() if "price" not in name}
    bases = {base_of(name) for name in jobs if ", price" in name}
    priced = {name: found for name, found in jobs.items() if base_of(name) in bases}
    return [
        _ends(settings, switched),
        *_verdict(settings, switched),
        *_conclusion(switched),
        _matched(switched),
        _prices(priced),
    ]


def _ends(settings: dict[str, Any], jobs: dict[str, list[Row]]) -> Part:
    table = [
        (
            name,
            spread(last(rows, "real accuracy"), 100),
            spread(last(rows, "real spikes"), digits=0),
            spread(last(rows, "emulated accuracy"), 100),
            spread(last(rows, "emulated spikes"), digits=0),
            f"{100 * last(rows, 'F=1 emulated accuracy').mean():.1f}, {last(rows, 'F=1 emulated spikes').mean():.0f}",
            f"{100 * last(rows, 'escaping real accuracy').mean():.1f}, {last(rows, 'escaping real spikes').mean():.0f}",
        )
        for name, rows in jobs.items()
    ]
    columns = (
        "trained", "real, accuracy %", "real, spikes", "emulated, accuracy %", "emulated, spikes",
        "emulated at F = 1", "real, tested with refractory dropout",
    )  # fmt: skip
    text = (
        f"After {settings['epochs']} epochs of {settings['samples']} real recordings, tested at momentum F = "
        f"{settings['F']} on {settings['test_samples']} real recordings and on {settings['emulated_samples']} of MNIST "
        "before the emulated camera; mean ± standard deviation over seeds. The last column tests as the published code "
        "does, whose refractory dropout goes on in evaluation."
    )
    return Part("Each difference switched alone, from ours and back, and all", text, columns, table)


def _verdict(settings: dict[str, Any], jobs: dict[str, list[Row]]) -> list[Part]:
    if not {"ours", "published"} <= set(jobs):
        return []
    begin, end = (last(jobs[name], "real spikes").mean() for name in ("ours", "published"))
    table = []
    for name, rows in jobs.items():
        if name not in ("ours", "published"):
            base = "ours" if name.startswith("ours") else "published"
            spikes = last(rows, "real spikes") - last(jobs[base], "real spikes")
            accuracy = last(rows, "real accuracy") - last(jobs[base], "real accuracy")
            toward = spikes.mean() / (end - begin) * (1 if base == "ours" else -1)
            table.append((name, spread(spikes, digits=0), spread(accuracy, 100), f"{100 * toward:.0f} %"))
    low, high = MEASURED["accuracy"]
    text = (
        f"Ours ends at {begin:.0f} spikes, with everything switched {end:.0f}. The published code itself, "
        f"two seeds: {low:.0f} and {high:.0f} %, {MEASURED['spikes'][0]:.0f} and {MEASURED['spikes'][1]:.0f} spikes. "
        "Below, real recordings, paired by seed: what a switch changes, and which share of the way from ours to the "
        "published code (from there: back) that is in spikes. Shares need not add up to 100 %."
    )
    return [
        Part("What each switch changes", text, ("trained", "spikes", "accuracy, points", "share of the way"), table)
    ]


def _conclusion(jobs: dict[str, list[Row]]) -> list[Part]:
    """Which differences explain the spikes, by their shares of the way in both directions; whether all of them do."""
    if not {"ours", "published"} <= set(jobs):
        return []
    way = last(jobs["ours"], "real spikes").mean() - last(jobs["published"], "real spikes").mean()
    shares: dict[str, list[float]] = {}
    for name, rows in jobs.items():
        base, _, told = name.partition(", but ")
        if told and told != "silent slots by noise":  # neither ours nor the published code's
            change = (last(jobs[base], "real spikes") - last(rows, "real spikes")).mean() / way
            shares.setdefault(told.removeprefix("not "), []).append(change if base == "ours" else -change)
    both = {told: x for told, x in shares.items() if len(x) == 2}
    ranked = sorted(both, key=lambda told: -sum(both[told]))
    told = "; ".join(f"{name} {100 * both[name][0]:.0f} and {100 * both[name][1]:.0f} %" for name in ranked)
    within = all(_within(last(jobs["published"], f"real {name}"), MEASURED[name]) for name in MEASURED)
    ends = (
        "With everything switched, the published code's own two seeds lie within two standard deviations of ours in "
        "accuracy and in spikes: no difference is missing."
        if within
        else "With everything switched, the published code's own two seeds do not all lie within two standard "
        "deviations of ours in accuracy and in spikes."
    )
    text = f"Shares of the way in spikes, from ours and from the published code: {told}. {ends} {DEFAULT}"
    return [Part("Settled", text)]


def _within(values: np.ndarray, measured: tuple[float, float]) -> bool:
    """Whether measured figures, of accuracy in percent, lie within two standard deviations of the mean over seeds."""
    scale = 100.0 if values.max() <= 1 else 1.0
    error = 2 * scale * values.std(ddof=1) if len(values) > 1 else 0.0
    return all(abs(x - scale * values.mean()) <= error for x in measured)


def _matched(jobs: dict[str, list[Row]]) -> Part:
    table = [(name, *(at_level(rows, level) for level in LEVELS)) for name, rows in jobs.items()]
    text = (
        "Spikes a sample (emulated recordings, F as trained) in the course of training, where a seed's accuracy first "
        "reaches a level; means over the seeds that reach it."
    )
    columns = ("trained", *(f"{100 * level:.0f} %" for level in LEVELS))
    few = {
        name: rows for name, rows in jobs.items() if name in ("ours", "published") or name.startswith("ours, but queue")
    }
    return Part("Spikes at matched accuracy, over epochs", text, columns, table, "epochs", partial(_paint, few))


def base_of(name: str) -> str:
    """The setting of a job, whatever a spike costs."""
    return name.rsplit(", price")[0]


def _prices(jobs: dict[str, list[Row]]) -> Part:
    columns = ("trained", "price", "real, accuracy %", "real, spikes", "emulated, accuracy %", "emulated, spikes")
    table = []
    for name, rows in sorted(jobs.items(), key=lambda item: (base_of(item[0]), item[1][0]["price"])):
        accuracy, spikes = (
            [last(rows, f"{data} {x}") for data in ("real", "emulated")] for x in ("accuracy", "spikes")
        )
        cells = (spread(accuracy[0], 100), spread(spikes[0], digits=0), spread(accuracy[1], 100))
        table.append((base_of(name), rows[0]["price"], *cells, spread(spikes[1], digits=0)))
    text = "A price on each spike a neuron and time step, added to the loss; the plot has a point a price and seed."
    title = "Spikes at matched accuracy, over a price on spikes"
    return Part(title, text, columns, table, "prices", partial(_paint_ends, jobs))


def _paint(jobs: dict[str, list[Row]], figure: Figure) -> None:
    axis = figure.subplots()
    for name, rows in jobs.items():
        spikes, accuracy = (np.mean([row[f"emulated {x}"] for row in rows], 0) for x in ("spikes", "accuracy"))
        axis.plot(spikes, 100 * accuracy, marker=".", label=name)
    axis.set(xlabel="spikes a sample, epoch by epoch", ylabel="accuracy %, emulated")
    axis.legend()


def _paint_ends(jobs: dict[str, list[Row]], figure: Figure) -> None:
    axis = figure.subplots()
    for base, mark in zip(dict.fromkeys(map(base_of, jobs)), "osD^"):
        chosen = [row for name, rows in jobs.items() if base_of(name) == base for row in rows]
        axis.plot(last(chosen, "emulated spikes"), 100 * last(chosen, "emulated accuracy"), mark, alpha=0.7, label=base)
    axis.set(xlabel="spikes a sample", ylabel="accuracy %, emulated")
    axis.legend()
