"""What the page says of a grid of trainings and tests: chosen prices, comparisons with intervals, tables, energy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.grid_measures import BUDGETS, compared, difference, ratio, resampled
from unlayered.experiments.definition import Part, Row

WITHIN = 0.005
"""Among prices of a spike the one with fewest spikes counts whose validation accuracy is so near the best."""

SHARES = (0.25, 0.5, 1.0)
"""Of the layered network's spikes, at which early decisions are compared."""

TESTED = ("random", "momentum", "fifo", "per-core fifo")
Chosen = dict[str, list[Row]]


def parts(settings: dict[str, Any], rows: list[Row]) -> list[Part]:
    """Tables and plots of every stage that has rows."""
    found: list[Part] = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = [row for row in rows if row["stage"] == stage]
        best = chosen(own)
        groups = [str(f) for f in settings["groups"]]
        found += [
            _networks(stage, own, best),
            *_comparisons(stage, own, best, settings["bootstrap"]),
            *_early(stage, own, best),
            _one_network(stage, best, groups),
            _grid(stage, best, groups, "accuracy by counts, %", lambda c: 100 * c["right"], 1),
            _grid(stage, best, groups, "accuracy by the first output spike, %", lambda c: 100 * c["first_right"], 1),
            _grid(stage, best, groups, "spikes a sample until drained", lambda c: c["drained_spikes"], 0),
            _grid(stage, best, groups, "forward steps until the first output spike", lambda c: c["first_steps"], 1),
            _grid(stage, best, groups, "forward steps until drained", lambda c: c["drained_steps"], 0),
            *_real(stage, best),
            _chips(stage, best),
        ]
    return found


def chosen(rows: list[Row]) -> Chosen:
    """The rows of each kind at the price that the validation split chooses; seeds together."""
    found: Chosen = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        prices: dict[float, list[Row]] = {}
        for row in rows:
            if row["kind"] == kind:
                prices.setdefault(row["price"], []).append(row)
        most = max(len(x) for x in prices.values())
        whole = {price: x for price, x in prices.items() if len(x) == most}  # of all seeds that any price has
        accuracy = {price: validated(x, "accuracy") for price, x in whole.items()}
        near = [price for price in whole if accuracy[price] >= max(accuracy.values()) - WITHIN]
        found[kind] = whole[min(near, key=lambda price: validated(whole[price], "density"))]
    return found


def validated(rows: list[Row], name: str) -> float:
    """Mean over seeds of what the validation split says."""
    return float(np.mean([row["validation"][name] for row in rows]))


def mean(rows: list[Row], cell: str, of: Callable[[dict[str, Any]], float], data: str = "test") -> float:
    """Mean over seeds of a number of a cell."""
    return float(np.mean([of(row[data][cell]) for row in rows]))


def _networks(stage: str, rows: list[Row], best: Chosen) -> Part:
    """Every training under its own schedule."""
    names = ("right", "first_right", "density", "drained_spikes", "first_spikes", "stands_spikes")
    times = ("drained_steps", "first_steps", "stands_steps")
    table = []
    for job in dict.fromkeys((row["kind"], row["price"]) for row in rows):
        own = [row for row in rows if (row["kind"], row["price"]) == job]
        cell = own[0]["own"]
        v = {name: mean(own, cell, lambda c, name=name: c[name]) for name in (*names, *times)}
        table.append((
            job[0], job[1], "yes" if own == best[job[0]] else "", len(own), f"{100 * validated(own, 'accuracy'):.1f}",
            f"{100 * v['right']:.1f}", f"{100 * v['first_right']:.1f}", f"{v['density']:.4f}",
            *(f"{v[a]:.0f} / {v[b]:.0f} / {v[c]:.0f}" for a, b, c in (names[4:6] + names[3:4], times[1:] + times[:1])),
        ))  # fmt: skip
    samples, epochs, tested = (rows[0][name] for name in ("samples", "epochs", "test_samples"))
    text = (
        f"{samples:,} samples, {epochs} epochs, tested on {tested:,} others under "
        "the schedule that each was trained for (drawn: momentum or fifo, F = 8). Every training had the same settings "
        f"tried, a price of a spike each; chosen is the price with fewest spikes on the validation split among those "
        f"within {100 * WITHIN:g} points of the best. Until the first output spike / until the class with most output "
        "spikes no longer changes / until drained; who never decides is wrong, and counted until drained."
    )
    columns = (
        "trained", "price", "chosen", "seeds", "validation %", "by counts %", "by first spike %", "density",
        "spikes: first / stands / drained", "forward steps: first / stands / drained",
    )  # fmt: skip
    return Part(f"{stage}: the trainings", text, columns, table, f"{stage}-spikes", partial(_paint, rows))


def _paint(rows: list[Row], figure: Figure) -> None:
    axis = figure.subplots()
    for kind, mark in zip(dict.fromkeys(row["kind"] for row in rows), "os^vDPX"):
        own = [row["test"][row["own"]] for row in rows if row["kind"] == kind]
        axis.plot([c["drained_spikes"] for c in own], [100 * c["right"] for c in own], mark, alpha=0.7, label=kind)
    axis.set(xlabel="spikes a sample until drained", ylabel="accuracy by counts, %")
    axis.legend()


def _comparisons(stage: str, rows: list[Row], best: Chosen, draws: int) -> list[Part]:
    """Each asynchronous training, run as trained, beside the three that the layered one gives."""
    plain = [row for row in rows if row["kind"] == "layered" and row["price"] == 0]
    if not plain or set(best) <= {"layered"}:
        return []
    table: list[tuple[Any, ...]] = []
    for kind, own in best.items():
        if kind == "layered":
            continue
        cell = own[0]["own"]
        seeds = {row["seed"] for row in own}
        others = {
            f"layered, run {cell}": (plain, cell),
            f"layered at a price of {best['layered'][0]['price']:g}, run {cell}": (best["layered"], cell),
            "layered, run layered": (plain, "layered"),
        }
        for told, (theirs, theirs_cell) in others.items():
            both = seeds & {row["seed"] for row in theirs}
            if both:
                table.append((kind, told, len(both), *_compared(own, cell, theirs, theirs_cell, sorted(both), draws)))
    text = (
        "Means over seeds, in brackets the 95 % interval of a bootstrap over test samples, paired: the same for both "
        "networks. Accuracy is a difference in points; spikes and forward steps are ratios, below 1 in favour of "
        "the asynchronous training. Asked for are at least -0.2 points by counts, at most 0.5 of the spikes until "
        "drained, and at most 0.5 of the forward steps until the first output spike at no less accuracy by it; the "
        "last column names those that are met."
    )
    columns = (
        "trained, run as trained", "beside", "seeds", "by counts, points", "spikes until drained",
        "by first spike, points", "steps until first spike", "spikes until first spike", "met",
    )  # fmt: skip
    return [Part(f"{stage}: beside the layered training", text, columns, table)]


def _compared(
    ours: list[Row], cell: str, theirs: list[Row], their_cell: str, seeds: list[int], draws: int
) -> tuple[str, ...]:
    def values(rows: list[Row], name: str) -> dict[str, np.ndarray]:
        by_seed = {row["seed"]: compared(row["test"][name]["samples"]) for row in rows}
        return {key: np.stack([by_seed[s][key] for s in seeds]).astype(float) for key in by_seed[seeds[0]]}

    a, b = values(ours, cell), values(theirs, their_cell)
    places = resampled(a["right"].shape[1], draws)
    right, first = (difference(a[x], b[x], places) for x in ("right", "first_right"))
    drained, steps, spikes = (ratio(a[x], b[x], places) for x in ("drained_spikes", "first_steps", "first_spikes"))
    met = {
        "counts": right[0] >= -0.002,
        "spikes": drained[0] <= 0.5,
        "steps": steps[0] <= 0.5 and first[0] >= 0,
    }

    def points(x: tuple[float, float, float]) -> str:
        return f"{100 * x[0]:+.1f} [{100 * x[1]:+.1f}, {100 * x[2]:+.1f}]"

    def share(x: tuple[float, float, float]) -> str:
        return f"{x[0]:.2f} [{x[1]:.2f}, {x[2]:.2f}]"

    said = ", ".join(name for name, holds in met.items() if holds) or "-"
    return points(right), share(drained), points(first), share(steps), share(spikes), said


def _early(stage: str, rows: list[Row], best: Chosen) -> list[Part]:
    """Accuracy against spikes spent, beside the layered training with and without a price on spikes."""
    plain = [row for row in rows if row["kind"] == "layered" and row["price"] == 0]
    if not plain:
        return []
    curves = {"layered, run layered": np.mean([row["test"]["layered"]["curve"] for row in plain], 0)}
    priced = best["layered"]
    if priced != plain:
        told = f"layered at a price of {priced[0]['price']:g}, run layered"
        curves[told] = np.mean([row["test"]["layered"]["curve"] for row in priced], 0)
    for kind, own in best.items():
        if kind != "layered":
            curves[kind] = np.mean([row["test"][row["own"]]["curve"] for row in own], 0)
    spikes = mean(plain, "layered", lambda c: c["drained_spikes"])
    first = next(iter(curves.values()))
    table = []
    for name, accuracy in curves.items():
        at = [float(np.interp(share * spikes, BUDGETS, accuracy)) for share in SHARES]
        theirs = [float(np.interp(share * spikes, BUDGETS, first)) for share in SHARES]
        least = float((accuracy - first).min())
        met = least >= -0.005 and all(x - y >= 0.03 for x, y in zip(at[:2], theirs[:2]))
        table.append((name, *(f"{100 * x:.1f}" for x in at), f"{100 * least:+.1f}", "yes" if met else "no"))
    text = (
        f"A sample stops before the forward step that would spend more spikes than a budget, and the class with most "
        f"output spikes until then is decided for. The layered network spends {spikes:.0f} spikes a sample; asked for "
        "are 3 points more than it at 25 and at 50 % of them, and at no budget more than half a point less."
    )
    columns = ("trained", *(f"at {100 * x:.0f} %" for x in SHARES), "least difference, points", "met")
    title = f"{stage}: early decision, accuracy % at a share of the layered network's spikes"
    return [Part(title, text, columns, table, f"{stage}-early", partial(_paint_curves, curves))]


def _paint_curves(curves: dict[str, np.ndarray], figure: Figure) -> None:
    axis = figure.subplots()
    for name, accuracy in curves.items():
        axis.plot(BUDGETS, 100 * accuracy, marker=".", label=name)
    axis.set(xscale="log", xlabel="spikes a sample may spend", ylabel="accuracy by counts, %")
    axis.legend()


def _one_network(stage: str, best: Chosen, groups: list[str]) -> Part:
    """What each network loses at F = 1, order by order."""
    table = []
    for kind, rows in best.items():
        cells, lost = [], {}
        for order in TESTED:
            by_f = [100 * mean(rows, f"{order}, F = {f}", lambda c: c["right"]) for f in groups]
            lost[order] = max(by_f) - by_f[0]
            cells.append(f"{by_f[0]:.1f} ({-lost[order]:+.1f})")
        holds = max(lost["random"], lost["momentum"]) <= 1 and lost["fifo"] <= 2
        table.append((kind, *cells, "yes" if holds else "no"))
    text = (
        f"Accuracy by counts at F = {groups[0]} and, in brackets, points below the network's best F in that order. "
        "Asked for is at most 1 point in random and momentum order, and 2 in fifo, which is nearest to a chip's."
    )
    return Part(f"{stage}: one network for every schedule", text, ("trained", *TESTED, "met"), table)


def _grid(
    stage: str, best: Chosen, groups: list[str], title: str, of: Callable[[dict[str, Any]], float], digits: int
) -> Part:
    table = []
    for kind, rows in best.items():
        table.append((kind, "layered", *[""] * (len(groups) - 1), f"{mean(rows, 'layered', of):.{digits}f}"))
        for order in TESTED:
            table.append((kind, order, *(f"{mean(rows, f'{order}, F = {f}', of):.{digits}f}" for f in groups)))
    return Part(f"{stage}: {title}", "", ("trained", "tested", *(f"F = {f}" for f in groups)), table)


def _real(stage: str, best: Chosen) -> list[Part]:
    """On real recordings: own schedule, layered, and the schedules at F = 1."""
    if not all("real test" in row for rows in best.values() for row in rows):
        return []
    table = []
    for kind, rows in best.items():
        names = dict.fromkeys((rows[0]["own"], "layered", "momentum, F = 1", "random, F = 1", "fifo, F = 1"))
        for name in names:
            told = [
                f"{100 * mean(rows, name, lambda c: c['right'], data):.1f}, "
                f"{mean(rows, name, lambda c: c['drained_spikes'], data):.0f}"
                for data in ("test", "real train", "real test")
            ]
            table.append((kind, name, *told))
    text = (
        "Accuracy by counts and spikes a sample; nothing was trained or chosen on real recordings. Those of MNIST's "
        "training part show images that training saw before the emulated camera; those of its test part, 100, do not."
    )
    columns = ("trained", "tested", "emulated", "real, training part", "real, test part")
    return [Part(f"{stage}: real N-MNIST recordings", text, columns, table)]


def _chips(stage: str, best: Chosen) -> Part:
    """Rounded, on cores, priced."""
    table = []
    for kind, rows in best.items():
        for bits in rows[0]["mapped"]:
            own = [row["mapped"][bits] for row in rows]
            energy, time = (
                {k: np.mean([x[name][k] for x in own]) * scale for k in ("value", "low", "high")}
                for name, scale in (("energy_pj", 1e-6), ("time_ns", 1e-3))
            )
            told = [f"{x['value']:.2f} ({x['low']:.2f} to {x['high']:.2f})" for x in (energy, time)]
            accuracy, spikes = (float(np.mean([x[name] for x in own])) for name in ("accuracy", "spikes"))
            table.append((kind, rows[0]["own"], bits, own[0]["cores"], f"{100 * accuracy:.1f}", f"{spikes:.0f}", *told))
    text = (
        "Run as trained in the compiled reference simulator, rounded after training without calibration, at most 32 "
        "neurons a core; energy and time of a sample by the chip file's constants, in brackets what they leave open: "
        "dynamic energy alone. A tick is a forward step, layered a time step."
    )
    columns = ("trained", "run", "weights", "cores", "accuracy %", "spikes", "energy, uJ", "time, us")
    return Part(f"{stage}: in integers on Loihi 2", text, columns, table)
