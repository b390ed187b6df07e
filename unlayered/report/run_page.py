"""``unlayered report``: one page about trainings, maps, runs, differences and sweeps, whatever of them is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from ir.chip import Range
from ir.schedule import Schedule, group_word
from ir.stimulus import Stimulus
from ir.words import counted
from unlayered.commands import flags_of
from unlayered.costs import in_units
from unlayered.mapping import percent
from unlayered.report import figures, result_figures
from unlayered.report.map_panels import board_section, energy_sections, placed, player_sections
from unlayered.report.material import Material, Training
from unlayered.report.page import escaped, figures_of, folded, html_table, listed, page, section
from unlayered.report.player import SCRIPT
from unlayered.report.results import Pair
from unlayered.report.run_panels import Two, pairs_of, run_sections, verdict_of
from unlayered.sweeping import Sweep, paint
from unlayered.timed import PJ
from unlayered.versions import versions

MOST_IDS = 20
NS = (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9))


def run_page(
    title: str, material: Material, stimulus: Stimulus | None, sample: int | None, command: str
) -> tuple[str, dict[str, Any]]:
    """The whole page, and what it says in plain values.

    Args:
        stimulus: what the runs were given, where that is known.
        sample: to draw and play; None = one in which runs part, or the first.
        command: that makes the page again.
    """
    pairs = pairs_of(material.traces)
    if sample is None:
        sample = next((two.first.sample for two in pairs if two.first is not None and two.by_right), None)
    maps = [placed(name, one, material.traces, stimulus) for name, one in material.maps]
    sections = [
        _head(material, pairs),
        *_trainings([x for _, x in material.trainings]),
        *(board_section(one) for one in maps),
        *(part for one in maps for part in player_sections(one, sample)),
        *run_sections(material.traces, pairs, sample),
        *(part for one in maps for part in energy_sections(one)),
        *(part for name, pair in material.pairs for part in _difference(name, pair)),
        *(_sweep(name, sweep) for name, sweep in material.sweeps),
        _again(material, command),
    ]
    text = "".join(sections)
    script = SCRIPT.read_text(encoding="utf-8") if 'class="player"' in text else ""
    value = {
        "sources": [vars(source) for source in material.sources],
        "pairs": [{"a": t.names[0], "b": t.names[1], "equal": t.first is None, "first": _first(t)} for t in pairs],
        "sample": sample,
        "player": bool(script),
    }
    return page(title, [text], script), value


def _first(two: Two) -> str | None:
    return None if two.first is None else str(two.first)


def _head(material: Material, pairs: Sequence[Two]) -> str:
    """What is on the page, and the first thing to know of it."""
    numbers = (
        (len(material.trainings), "training"),
        (len(material.maps), "map"),
        (len(material.traces), "run"),
        (len(material.pairs), "difference"),
        (len(material.sweeps), "sweep"),
    )
    held = ", ".join(counted(n, what) for n, what in numbers if n)
    alike = [two for two in pairs if two.by_right]
    apart = next((two for two in alike if two.first is not None), None)
    if apart is not None:
        return f'<p>{held}.</p><p class="verdict bad">{escaped(verdict_of(apart))}</p>'
    if alike:
        n = counted(len(alike), "pair")
        return f'<p>{held}.</p><p class="verdict good">Runs that must be equal are, spike for spike: {n}.</p>'
    return f"<p>{held}.</p>"


def _trainings(trainings: Sequence[Training]) -> list[str]:
    if not trainings:
        return []
    rows: list[tuple[object, ...]] = []
    for one in trainings:
        best = max((m["accuracy"] for m in one.metrics), default=None)
        network, config = one.network, one.config
        sizes = " ".join(str(p.n) for p in network.populations)
        rows.append(
            (one.name, str(config.get("data", "-")), sizes, _schedule(network.schedule), len(one.metrics), best)
        )
    columns = ("folder", "data", "neurons, by layer", "schedule", "epochs", "best validation accuracy")
    curves = {one.name: one.metrics for one in trainings if one.metrics}
    shown = figures_of([("Training", partial(figures.training, metrics=curves), 2.6)]) if curves else ""
    parts = [html_table(columns, rows), *([shown] if shown else [])]
    parts += [folded(f"Configuration of {x.name}", _pre(json.dumps(x.config, indent=1))) for x in trainings if x.config]
    return [section("Training", *parts)]


def _pre(text: str) -> str:
    """Lines as they are."""
    return "<pre>" + "\n".join(escaped(line) for line in text.split("\n")) + "</pre>"


def _schedule(s: Schedule) -> str:
    return "layered" if s.kind == "layered" else f"asynchronous, F = {group_word(s.F)}, {s.order}"


POPULATION_COLUMNS = ("population", "spikes a", "spikes b", "differing", "rate", "correlation", "van Rossum")
CAUSE_COLUMNS = ("cause", "removes", "brings", "together", "what")
CAUSE_WORDS = (
    "Each setting in which the two differ was switched and run. Removes: share of the differing spikes that goes where "
    "b alone is given a's setting; brings: share that comes where a alone is given b's; together: share that is gone "
    "once this and all before it are switched back. Shares need not add up."
)


def _difference(name: str, pair: Pair) -> list[str]:
    """A pair of ``unlayered diff``."""
    said = (
        f"a = {pair.a}, b = {pair.b}; {counted(pair.samples, 'sample')}, {counted(pair.differing, 'spike')} differing, "
    )
    said += f"{counted(len(pair.flips), 'decision')} flipped"
    if pair.accuracy is not None:
        said += f", accuracy {pair.accuracy[0]:.4f} to {pair.accuracy[1]:.4f}"
    rows = [(*p[:4], percent(p[4], "+"), *p[5:]) for p in pair.populations]
    kind = "bad" if pair.first else "good"
    first = f"First difference: {pair.first}" if pair.first else "Equal, spike for spike."
    parts = [f"{said}.", f'<p class="{kind}">{escaped(first)}</p>', html_table(POPULATION_COLUMNS, rows)]
    if pair.flips:
        more = ", ..." if len(pair.flips) > MOST_IDS else ""
        parts.append(f"Samples whose decision flips: {', '.join(map(str, pair.flips[:MOST_IDS]))}{more}")
    if pair.causes:
        paint = partial(result_figures.causes, pair=pair)
        title = f"Causes, found with {counted(pair.runs, 'run')}"
        height = 1.2 + 0.36 * min(len(pair.causes), result_figures.MOST_BARS)
        causes = [(c[0], *(percent(x) for x in c[1:4]), c[4]) for c in pair.causes]
        parts += [CAUSE_WORDS, figures_of([(title, paint, height)], f"{name}, {pair.a}, {pair.b}")]
        parts.append(html_table(CAUSE_COLUMNS, causes))
    if pair.quiet:
        parts.append(f"{counted(pair.quiet, 'further setting')} differ and change no spike.")
    if pair.left is not None:
        parts.append(f"Left with all of them switched back: {percent(pair.left)} of the differing spikes.")
    lists = listed([*(f"could not be tried: {x}" for x in pair.refused), *pair.notes])
    parts += [lists] if lists else []
    parts += [part for remedy in pair.remedies for part in _remedy(remedy)]
    return [section(f"Difference: {name}", *parts)]


def _remedy(remedy: dict[str, Any]) -> list[str]:
    """Something that was tried: what it did, what it costs, the command that does it."""
    a, b, after = remedy["accuracy"]
    said = (
        f"Tried: {remedy['what']}: accuracy {b:.4f} to {after:.4f} (a: {a:.4f}) on {remedy['samples']:,.0f} held-out "
    )
    said += f"samples, {percent(remedy['recovered'])} of the loss recovered, in {remedy['seconds']:.0f} s"
    if remedy["cores"]:
        said += f"; cores {remedy['cores'][0]:,} to {remedy['cores'][1]:,}"
    if remedy["energy"]:
        said += f"; energy a sample {remedy['energy'][0] / 1e3:.3g} to {remedy['energy'][1] / 1e3:.3g} nJ"
    return [f"{said}.", _pre(remedy["command"])]


SWEEP_COLUMNS = ("schedule", "F", "order", "accuracy", "spikes", "forward steps", "first output spike", "decided",
                 "undecided", "energy", "time")  # fmt: skip
SWEEP_WORDS = (
    "Means of {}. Spikes and energy of a sample; forward steps of a time step; first output spike and decision in "
    "forward steps from the start of a sample; undecided: samples without an output spike."
)


def _sweep(name: str, sweep: Sweep) -> str:
    """A sweep: its plot and its table."""
    rows: list[tuple[object, ...]] = []
    for r in sweep.rows:
        costs = ((r.energy_pj, PJ), (r.time_ns, NS))
        spent = ("-" if x is None else in_units(Range(*x), units) for x, units in costs)
        numbers = (r.accuracy, r.spikes, r.forward_steps, r.latency, r.decided)
        rows.append((r.schedule, r.F, r.order, *numbers, percent(r.undecided), *spent))
    plot = [(f"Accuracy against spikes, {sweep.network}", partial(paint, sweep=sweep), 3.2)]
    shown = figures_of(plot, name) if any(r.accuracy is not None for r in sweep.rows) else ""
    words = SWEEP_WORDS.format(counted(sweep.samples, "sample"))
    return section(f"Sweep: {name}", words, *([shown] if shown else []), html_table(SWEEP_COLUMNS, rows))


def _again(material: Material, command: str) -> str:
    """Everything needed to make the same again."""
    files = html_table(("file", "is a", "SHA-256"), [(s.name, s.kind, s.sha256) for s in material.sources])
    runs = [(name, trace.executor, trace.contract, flags_of(trace.schedule)) for name, trace in material.traces]
    tables = [html_table(("run", "executor", "contract", "schedule, as flags of unlayered run"), runs)] if runs else []
    made = html_table(("package", "version"), list(versions().items()))
    words = "A run is a pure function of network, input and schedule: the same three give the same spikes."
    return section("To make the same again", _pre(command), words, *tables, files, made)
