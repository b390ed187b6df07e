"""What is asked of a grid, each held against its bar: comparisons with intervals, early decisions, one network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.grid_choice import Chosen, by_setting, layered_ones, mean, validated
from experiments.grid_measures import BUDGETS, STEPS, compared, difference, ratio, resampled
from unlayered.experiments.definition import Part, Row

SHARES = (0.25, 0.5, 1.0)
"""Of the layered network's spikes, at which early decisions are compared."""

TESTED = ("random", "momentum", "fifo", "per-core fifo")


def comparisons(stage: str, rows: list[Row], best: Chosen, draws: int) -> list[Part]:
    """Each asynchronous training, run as trained, beside the three that the layered one gives."""
    plain, priced = layered_ones(rows)
    if not (plain or priced) or set(best) <= {"layered"}:
        return []
    table: list[tuple[Any, ...]] = []
    for kind, own in best.items():
        if kind == "layered":
            continue
        cell = own[0]["own"]
        others = {f"layered, run {cell}": (plain, cell)} if plain else {}
        if priced:
            others[f"{_at_price(priced)}, run {cell}"] = (priced, cell)
        others[f"{'layered' if plain else _at_price(priced)}, run layered"] = (plain or priced, "layered")
        for told, (theirs, theirs_cell) in others.items():
            if both := _both_tested(own, theirs):
                table.append((kind, told, len(both), *_compared(own, cell, theirs, theirs_cell, both, draws)))
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


def _at_price(priced: list[Row]) -> str:
    return f"layered at a price of {priced[0]['price']:g}"


def _test_of(row: Row) -> tuple[int, int]:
    """The seed, and the speaker left out; -1 = nobody is."""
    return row["seed"], row.get("speaker", -1)


def _both_tested(ours: list[Row], theirs: list[Row]) -> list[list[tuple[int, int]]]:
    """The tests of each seed that both have of all speakers that both have of any: samples stand side by side."""
    tests = set(map(_test_of, ours)) & set(map(_test_of, theirs))
    speakers = sorted({speaker for _, speaker in tests})
    whole = [[(seed, speaker) for speaker in speakers] for seed in sorted({seed for seed, _ in tests})]
    return [some for some in whole if tests.issuperset(some)]


def _compared(
    ours: list[Row], cell: str, theirs: list[Row], their_cell: str, seeds: list[list[tuple[int, int]]], draws: int
) -> tuple[str, ...]:
    def values(rows: list[Row], name: str) -> dict[str, np.ndarray]:
        found = {_test_of(row): compared(row["test"][name]["samples"]) for row in rows}
        return {
            key: np.stack([np.concatenate([found[x][key] for x in some]) for some in seeds]).astype(float)
            for key in found[seeds[0][0]]
        }

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


@dataclass(frozen=True)
class Spent:
    """What an early decision spends: the curve of a cell, its budgets, and what a whole sample spends."""

    word: str
    curve: str
    budgets: tuple[int, ...]
    whole: str


SPENT = (Spent("spikes", "curve", BUDGETS, "drained_spikes"),
         Spent("forward steps", "curve_steps", STEPS, "drained_steps"))  # fmt: skip


def early(stage: str, rows: list[Row], best: Chosen) -> list[Part]:
    """Accuracy against spikes and forward steps spent, beside the layered training with and without a price."""
    plain, priced = layered_ones(rows)
    if not (plain or priced):
        return []
    curves = {"layered, run layered": (plain, "layered")} if plain else {}
    if priced:
        curves[f"{_at_price(priced)}, run layered"] = (priced, "layered")
    curves |= {kind: (own, own[0]["own"]) for kind, own in best.items() if kind != "layered"}
    return [_early(stage, spent, curves) for spent in SPENT]


def _early(stage: str, spent: Spent, curves: dict[str, tuple[list[Row], str]]) -> Part:
    """Curves beside the first one, at shares of what its network spends; the bar is held seed by seed."""
    shared = min(len(row["test"][cell][spent.curve]) for rows, cell in curves.values() for row in rows)
    budgets = spent.budgets[:shared]  # earlier rows end sooner

    def by_seed(rows: list[Row], cell: str) -> dict[int, np.ndarray]:
        seeds = dict.fromkeys(row["seed"] for row in rows)
        return {s: np.mean([r["test"][cell][spent.curve][:shared] for r in rows if r["seed"] == s], 0) for s in seeds}

    first, *_ = found = {name: by_seed(*where) for name, where in curves.items()}
    whole = mean(curves[first][0], "layered", lambda c: c[spent.whole], whole=True)

    def at(accuracy: np.ndarray) -> np.ndarray:
        found = np.array([np.interp(share * whole, budgets, accuracy) for share in SHARES])
        return np.where(np.array(SHARES) * whole <= budgets[-1], found, np.nan)

    table = []
    for name, seeds in found.items():
        both = [(accuracy, found[first][s]) for s, accuracy in seeds.items() if s in found[first]]
        held = sum((x - y).min() >= -0.005 and bool((at(x) - at(y))[:2].min() >= 0.03) for x, y in both)
        least = np.mean([(x - y).min() for x, y in both])
        shares = at(np.mean(list(seeds.values()), 0))
        values = ("beyond the budgets" if np.isnan(x) else f"{100 * x:.1f}" for x in shares)
        table.append((name, *values, f"{100 * least:+.1f}", f"{held} of {len(both)}"))
    text = (
        f"A sample stops before the forward step that would spend more {spent.word} than a budget, and the class with "
        f"most output spikes until then is decided for. The layered network spends {whole:.0f} {spent.word} a sample; "
        "asked for are 3 points more than it at 25 and at 50 % of them, and at no budget, of which the largest is "
        f"{budgets[-1]:,}, more than half a point less; "
        "the last column counts the seeds that hold it."
    )
    columns = ("trained", *(f"at {100 * x:.0f} %" for x in SHARES), "least difference, points", "seeds that hold")
    title = f"{stage}: early decision, accuracy % at a share of the layered network's {spent.word}"
    drawn = {name: np.mean(list(seeds.values()), 0) for name, seeds in found.items()}
    plot = f"{stage}-early-{spent.word.replace(' ', '-')}"
    return Part(title, text, columns, table, plot, partial(_paint_curves, spent.word, budgets, drawn))


def _paint_curves(word: str, budgets: tuple[int, ...], curves: dict[str, np.ndarray], figure: Figure) -> None:
    axis = figure.subplots()
    for name, accuracy in curves.items():
        axis.plot(budgets, 100 * accuracy, marker=".", label=name)
    axis.set(xscale="log", xlabel=f"{word} a sample may spend", ylabel="accuracy by counts, %")
    axis.legend()


def per_core(stage: str, rows: list[Row], best: Chosen) -> list[Part]:
    """Trained with its own mapping in the loop, beside trained network-wide in random order, both run core by core: at
    the settings that validation chose; likewise, among those that fire no more than the random one's; and wherever both
    were trained at the same."""
    if not {"per-core fifo", "random"} <= set(best):
        return []
    cell = best["per-core fifo"][0]["own"]
    pairs = {"chosen by validation": (best["per-core fifo"], best["random"])}
    settings = by_setting(rows)
    limit = validated(best["random"], "density")
    frugal = [x for (kind, *_), x in settings.items() if kind == "per-core fifo" and validated(x, "density") <= limit]
    if frugal and validated(best["per-core fifo"], "density") > limit:
        told = "chosen by validation, the mapping's among those that fire no more there"
        pairs[told] = max(frugal, key=lambda x: validated(x, "accuracy")), best["random"]
    for (kind, rate, price), ours in settings.items():
        if kind == "per-core fifo":
            pairs[f"both at rate {rate:g}, price {price:g}"] = ours, settings.get(("random", rate, price), [])
    found = [(told, both, _both_tested(*both)) for told, both in pairs.items()]
    table = [(told, *_looped(cell, *both, seeds)) for told, both, seeds in found if seeds]
    text = (
        f"Both run as {cell} a core. Asked for is at least one point more at no more spikes, or at most 85 % of the "
        "spikes at an accuracy within half a point."
    )
    columns = (
        "settings", "seeds", "with the mapping: by counts %", "spikes", "random: by counts %", "spikes", "points",
        "share of spikes", "met",
    )  # fmt: skip
    return [Part(f"{stage}: trained with the mapping in the loop", text, columns, table)]


def _looped(cell: str, ours: list[Row], theirs: list[Row], seeds: list[list[tuple[int, int]]]) -> tuple[Any, ...]:
    both = {test for tests in seeds for test in tests}
    shared = ([x for x in rows if _test_of(x) in both] for rows in (ours, theirs))
    (right, spikes), (their_right, their_spikes) = (
        (mean(rows, cell, lambda c: c["right"]), mean(rows, cell, lambda c: c["drained_spikes"])) for rows in shared
    )
    points, share = right - their_right, spikes / max(their_spikes, 1e-9)
    met = (points >= 0.01 and share <= 1) or (points >= -0.005 and share <= 0.85)
    said = f"{100 * right:.1f}", f"{spikes:.0f}", f"{100 * their_right:.1f}", f"{their_spikes:.0f}"
    return len(seeds), *said, f"{100 * points:+.1f}", f"{share:.2f}", "yes" if met else "no"


def one_network(stage: str, best: Chosen, groups: list[str]) -> Part:
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
