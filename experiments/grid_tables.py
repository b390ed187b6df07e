"""What the page says of a grid of trainings and tests: chosen settings, comparisons with intervals, tables, energy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.grid_choice import WITHIN, Chosen, Setting, by_setting, chosen, mean, setting, validated
from experiments.grid_verdicts import TESTED, comparisons, early, one_network, per_core
from unlayered.experiments.definition import Part, Row


def parts(settings: dict[str, Any], rows: list[Row]) -> list[Part]:
    """Tables and plots of every stage that has rows."""
    found: list[Part] = []
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = [row for row in rows if row["stage"] == stage]
        sizes = settings["stages"].get(stage, {})
        by = sizes.get("settled")
        best = chosen(own, sizes["chosen"] if by else None)
        choice = _chosen_in(by, settings["stages"][by].get("speakers")) if by else _chosen_here(own)
        groups = [str(f) for f in settings["groups"]]
        found += [
            _networks(stage, own, best, choice),
            *comparisons(stage, own, best, settings["bootstrap"]),
            *early(stage, own, best),
            *per_core(stage, own, best),
            one_network(stage, best, groups),
            _grid(stage, best, groups, "accuracy by counts, %", lambda c: 100 * c["right"], 1),
            _grid(stage, best, groups, "accuracy by the first output spike, %", lambda c: 100 * c["first_right"], 1),
            _grid(stage, best, groups, "spikes a sample until drained", lambda c: c["drained_spikes"], 0),
            _grid(stage, best, groups, "forward steps until the first output spike", lambda c: c["first_steps"], 1),
            _grid(stage, best, groups, "forward steps until drained", lambda c: c["drained_steps"], 0, True),
            *_real(stage, best),
            _chips(stage, best),
            *_lava(stage, own),
        ]
    return found


def _chosen_in(stage: str, left_out: list[int] | None) -> str:
    """That another stage chose the settings, and which speakers it left out."""
    told = f"Settings were chosen in stage {stage}; others stand beside them to be compared with."
    if left_out:
        words = ", ".join(map(str, left_out))
        told += f" There speaker {words} was left out: recordings of the other speakers were part of that choice."
    return told


def _chosen_here(rows: list[Row]) -> str:
    """How a stage chose its own settings."""
    text = (
        "Every training had the same settings "
        "tried, a learning rate and a price of a spike; chosen is the one with fewest spikes on the validation split "
        f"among those within {100 * WITHIN:g} points of the best."
    )
    kinds = {row["kind"] for row in rows}
    if len({frozenset(setting(row) for row in rows if row["kind"] == kind) for kind in kinds}) > 1:
        text += " **Not all settings have been run yet**: kinds with fewer rows have had fewer to choose from."
    return text


def _networks(stage: str, rows: list[Row], best: Chosen, choice: str) -> Part:
    """Every training under its own schedule."""
    names = ("right", "first_right", "density", "drained_spikes", "first_spikes", "stands_spikes")
    times = ("drained_steps", "first_steps", "stands_steps")
    table = []
    for job, own in by_setting(rows).items():
        cell = own[0]["own"]
        v = {name: mean(own, cell, lambda c, name=name: c[name], whole=True) for name in (*names, *times)}
        seeds = len({row["seed"] for row in own})
        table.append((
            *job, "yes" if own == best.get(job[0]) else "", seeds, f"{100 * validated(own, 'accuracy'):.1f}",
            f"{100 * v['right']:.1f}", f"{100 * v['first_right']:.1f}", f"{v['density']:.4f}",
            *(f"{v[a]:.0f} / {v[b]:.0f} / {v[c]:.0f}" for a, b, c in (names[4:6] + names[3:4], times[1:] + times[:1])),
        ))  # fmt: skip
    samples, epochs, tested = (rows[0][name] for name in ("samples", "epochs", "test_samples"))
    text = (
        f"{f'{samples:,}' if samples else 'All'} samples, {epochs} epochs, tested on "
        f"{f'{tested:,}' if tested else 'all'} others under "
        f"the schedule that each was trained for (drawn: momentum or fifo, F = 8, but validated at F = 1, "
        f"the least that they draw). {choice} Until the first output "
        "spike / until the class with most output spikes no longer changes / until drained; who never decides is "
        "wrong, and counted until drained."
    )
    columns = (
        "trained", "rate", "price", "chosen", "seeds", "validation %", "by counts %", "by first spike %", "density",
        "spikes: first / stands / drained", "forward steps: first / stands / drained",
    )  # fmt: skip
    return Part(f"{stage}: the trainings", text, columns, table, f"{stage}-spikes", partial(_paint, rows))


LEAST_DRAWN = 10.0
"""Points below the best setting; one that is worse lies on the lower edge of the plot."""


def _paint(rows: list[Row], figure: Figure) -> None:
    """A mark for each kind and setting: means over seeds and speakers."""
    axis, found = figure.subplots(), dict[Setting, tuple[float, float]]()
    for at, own in by_setting(rows).items():
        spikes, right = (
            mean(own, own[0]["own"], lambda c, name=name: c[name], whole=True) for name in ("drained_spikes", "right")
        )
        found[at] = spikes, 100 * right
    edge = max(right for _, right in found.values()) - LEAST_DRAWN
    for kind, mark in zip(dict.fromkeys(kind for kind, *_ in found), "os^vDPX*<>dph"):
        marks = [(spikes, max(right, edge)) for (name, *_), (spikes, right) in found.items() if name == kind]
        axis.plot(*zip(*marks), mark, alpha=0.7, label=kind)
    below = any(right < edge for _, right in found.values())
    told = "\nnetworks worse than shown lie on the lower edge" if below else ""
    axis.set(xlabel=f"spikes a sample until drained{told}", ylabel="accuracy by counts, %")
    axis.legend()


def _grid(
    stage: str,
    best: Chosen,
    groups: list[str],
    title: str,
    of: Callable[[dict[str, Any]], float],
    digits: int,
    whole: bool = False,
) -> Part:
    def told(rows: list[Row], cell: str) -> str:
        return f"{mean(rows, cell, of, whole=whole):.{digits}f}"

    table = []
    for kind, rows in best.items():
        table.append((kind, "layered", *[""] * (len(groups) - 1), told(rows, "layered")))
        for order in TESTED:
            table.append((kind, order, *(told(rows, f"{order}, F = {f}") for f in groups)))
    few = next(iter(best.values()))[0]["cell_samples"]
    text = f"On the first {few:,} test samples{', or all that a cell was tested on' if whole else ''}." if few else ""
    return Part(f"{stage}: {title}", text, ("trained", "tested", *(f"F = {f}" for f in groups)), table)


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
            run = rows[0]["own"], own[0]["chip"], bits, own[0]["cores"]
            table.append((kind, *run, f"{100 * accuracy:.1f}", f"{spikes:.0f}", *told))
    text = (
        "Run as trained in the compiled reference simulator, rounded after training without calibration, at most 32 "
        "neurons a core; energy and time of a sample by the chip file's constants, in brackets what they leave open: "
        "dynamic energy alone. A tick is a forward step, layered a time step."
    )
    columns = ("trained", "run", "chip", "weights", "cores", "accuracy %", "spikes", "energy, uJ", "time, us")
    return Part(f"{stage}: in integers on cores", text, columns, table)


def _lava(stage: str, rows: list[Row]) -> list[Part]:
    """Runs on Lava beside the reference simulator."""
    table = []
    for row in rows:
        if "lava" in row:
            x = row["lava"]
            if "refused" in x:
                table.append((row["kind"], row["own"], x["chip"], x["refused"], *[""] * 5))
                continue
            counted = (f"{x[name]:,}" for name in ("samples", "spikes_compared", "values_compared", "differing"))
            energy, time = (f"{x[k]['value'] * s:.2f}" for k, s in (("energy_pj", 1e-6), ("time_ns", 1e-3)))
            table.append((row["kind"], row["own"], x["chip"], *counted, energy, time))
    text = "In 8 bits on cores: every spike, its membrane and forward step, and the states that both recorded."
    columns = (
        "trained",
        "run",
        "chip",
        "samples",
        "spikes compared",
        "values compared",
        "differing",
        "energy, uJ",
        "time, us",
    )
    return [Part(f"{stage}: on Lava beside the reference", text, columns, table)] if table else []
