"""What a page shows of runs: their numbers, spikes population by population, rasters, confusions, latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ir.trace import Trace
from ir.trace_parts import select
from ir.words import counted
from sim_reference.compare.divergence import Divergence
from sim_reference.compare.equality import equality
from sim_reference.compare.statistics import statistics
from sim_reference.compare.summary import summary
from unlayered.causes.pair import where_they_part
from unlayered.mapping import percent
from unlayered.report import figures
from unlayered.report.page import Panel, escaped, figures_of, html_table, listed, section
from unlayered.report.player import schedule_title
from unlayered.report.raster import raster
from unlayered.report.spike_statistics import (
    of_sample,
    population_pairs,
    population_spikes,
    same_rounds,
    shared,
)
from unlayered.safety import overflows

RASTER_IN = 4.2
MOST_CONFUSIONS = 4

COLUMNS = {
    "executor": "E0 trainer, floats; E1 trainer, the chip's integers; E2 reference simulator; E3 Lava; E4 timed",
    "accuracy": "share of samples decided right: the most output spikes, or the largest output membrane, decide",
    "spikes_per_sample": "mean network spikes a sample",
    "density": "spikes / (neurons x time steps)",
    "forward_steps": "mean rounds of serving spikes in a time step; layered: the number of layers",
    "latency": "mean forward steps from the start of a sample to its first output spike, its own round included",
    "latency_correct": "the same to the first spike of the right class",
}


@dataclass(frozen=True, eq=False)
class Two:
    """Two runs on the samples that both have.

    Attributes:
        first: the first event in which they differ; None = equal.
    """

    names: tuple[str, str]
    a: Trace
    b: Trace
    first: Divergence | None

    @property
    def by_right(self) -> bool:
        """Whether the contract makes the two equal, if they are of one network: one schedule, both in integers or
        both in floats. A timed run has no schedule."""
        return same_rounds(self.a, self.b) and (self.a.executor == "E0") == (self.b.executor == "E0")


def pairs_of(traces: Sequence[tuple[str, Trace]]) -> list[Two]:
    """Each run with the nearest one before it that can be held to it."""
    found: list[Two] = []
    for i, (name, trace) in enumerate(traces):
        for other, before in reversed(traces[:i]):
            both = shared(before, trace)
            if both is not None:
                found.append(Two((other, name), *both, where_they_part(*both)))
                break
    return found


def run_sections(traces: Sequence[tuple[str, Trace]], pairs: Sequence[Two], sample: int | None) -> list[str]:
    """Everything about the runs.

    Args:
        sample: to draw; None = the one in which a pair parts, or the first.
    """
    if not traces:
        return []
    alike, said = on_shared_samples(traces)
    recorded = [(name, trace) for name, trace in alike if trace.spikes is not None]
    return [
        section("Runs", *_runs(traces)),
        *([section("Run against run", _verdicts(pairs), *_tables(pairs))] if pairs else []),
        *_section("Every spike of one sample", rasters(recorded, pairs, sample)),
        section("Spikes by population", *said, POPULATION_WORDS, _populations(alike)),
        figures_of(_rates(recorded, pairs)),
        *_section("Decisions", [*_confusions(alike), *_latencies(recorded)]),
    ]


def on_shared_samples(traces: Sequence[tuple[str, Trace]]) -> tuple[list[tuple[str, Trace]], list[str]]:
    """Runs cut to the samples that all of them hold, so that numbers side by side are of the same; with a sentence.

    Where they share none, they stay whole.
    """
    held = [set(trace.sample_ids.tolist()) for _, trace in traces]
    both = set.intersection(*held)
    if all(ids == both for ids in held):
        return list(traces), []
    if not both:
        return list(traces), ["The runs share no sample: numbers side by side are of different ones."]
    cut = [(name, select(trace, np.isin(trace.sample_ids, list(both)))) for name, trace in traces]
    return cut, [f"Here and below: the {counted(len(both), 'sample')} that all runs hold."]


def _section(title: str, panels: Sequence[Panel]) -> list[str]:
    return [section(title, figures_of(panels))] if panels else []


def _runs(traces: Sequence[tuple[str, Trace]]) -> list[str]:
    rows: list[list[object]] = []
    for name, trace in traces:
        numbers = summary(trace, statistics(trace))
        rows.append([name, trace.executor, schedule_title(trace), numbers["samples"], numbers["time_steps"],
                     *(numbers[c] for c in COLUMNS if c != "executor")])  # fmt: skip
    columns = ("run", "executor", "schedule", "samples", "time_steps", *(c for c in COLUMNS if c != "executor"))
    words = "".join(f"<dt>{c.replace('_', ' ')}</dt><dd>{escaped(said)}</dd>" for c, said in COLUMNS.items())
    reached = [f"{name}: {line}" for name, trace in traces for line in overflows(trace.limits_reached)]
    meant = f"<details><summary>What the columns mean</summary><dl>{words}</dl></details>"
    return [html_table(columns, rows), meant, *([listed(reached, "bad")] if reached else [])]


def verdict_of(two: Two) -> str:
    """A pair in a sentence."""
    found = equality(two.a, two.b)
    who = f"{two.names[0]} ({two.a.executor}) and {two.names[1]} ({two.b.executor}), {counted(found.samples, 'sample')}"
    if two.first is None:
        return f"{who}: equal, {counted(found.spikes_compared, 'spike')} compared"
    why = "" if same_rounds(two.a, two.b) else f" ({schedule_title(two.a)} against {schedule_title(two.b)})"
    return f"{who}{why}: first difference: {two.first}"


def _verdicts(pairs: Sequence[Two]) -> str:
    lines = [(verdict_of(two), "good" if two.first is None else "bad" if two.by_right else "") for two in pairs]
    return "<ul>" + "".join(f'<li class="{kind}">{escaped(line)}</li>' for line, kind in lines) + "</ul>"


def _tables(pairs: Sequence[Two]) -> list[str]:
    """Populations of each pair that differs; of equal ones there is nothing to say."""
    shown: list[str] = []
    for two in pairs:
        if two.first is None:
            continue
        a, b = two.names
        rows = [
            (p.name, *p.spikes, _change(*p.spikes), *p.alone, p.correlation) for p in population_pairs(two.a, two.b)
        ]
        columns = ("population", f"spikes, {a}", f"spikes, {b}", "change", f"only {a}", f"only {b}", "correlation")
        shown.append(html_table(columns, rows))
        flips = statistics(two.a).decision != statistics(two.b).decision
        ids = ", ".join(map(str, two.a.sample_ids[flips][:10])) + (", ..." if flips.sum() > 10 else "")
        shown.append(f"{counted(int(flips.sum()), 'decision')} of {len(flips):,} differ{': samples ' * bool(ids)}{ids}")
    return shown


def _change(x: int, y: int) -> str:
    return percent(y / x - 1, "+") if x else "-"


POPULATION_WORDS = (
    "Rate: spikes a neuron and time step. Silent: neurons that never spike. Interval: mean time steps between two "
    "spikes of a neuron in a sample; irregularity: standard deviation of the intervals over their mean (0 = a clock, "
    "about 1 = at random)."
)


def _populations(traces: Sequence[tuple[str, Trace]]) -> str:
    tables = [(name, trace, population_spikes(trace)) for name, trace in traces]
    rows: list[list[object]] = []
    names = dict.fromkeys(p.name for _, _, found in tables for p in found)
    for population in names:
        for name, trace, found in tables:
            for p in found:
                if p.name == population:
                    rows.append([population, f"{name} ({trace.executor})", p.neurons, p.spikes, p.rate,
                                 percent(p.silent), p.interval, p.irregularity])  # fmt: skip
    columns = ("population", "run", "neurons", "spikes", "rate", "silent", "interval", "irregularity")
    return html_table(columns, rows)


def rasters(traces: Sequence[tuple[str, Trace]], pairs: Sequence[Two], sample: int | None) -> list[Panel]:
    """A panel a pair, and one for each run that is in no pair; empty runs have none."""
    panels: list[Panel] = []
    inside = {name for two in pairs for name in two.names}
    for two in pairs:
        found = _sample_of(two.a, sample, two.first)
        if found is None:
            continue
        first = two.first
        if first is not None and first.sample != found:
            first = where_they_part(of_sample(two.a, found), of_sample(two.b, found))
        runs = {f"{name} ({t.executor})": t for name, t in zip(two.names, (two.a, two.b))}
        names = list(runs) if len(runs) == 2 else [f"{name}, {i + 1}" for i, name in enumerate(two.names)]
        title = f"Sample {found}: {names[0]} and {names[1]}"
        panels.append((title, partial(raster, runs=dict(zip(names, (two.a, two.b))), sample=found, first=first),
                       RASTER_IN))  # fmt: skip
    for name, trace in traces:
        found = _sample_of(trace, sample, None)
        if name not in inside and found is not None:
            title = f"Sample {found}: {name} ({trace.executor})"
            panels.append((title, partial(raster, runs={name: trace}, sample=found), RASTER_IN))
    return panels


def _sample_of(trace: Trace, asked: int | None, first: Divergence | None) -> int | None:
    if asked is not None:
        return asked if asked in trace.sample_ids else None
    if first is not None:
        return first.sample
    return int(trace.sample_ids[0]) if len(trace.sample_ids) else None


def _rates(traces: Sequence[tuple[str, Trace]], pairs: Sequence[Two]) -> list[Panel]:
    """Layer by layer: runs of the same populations side by side; each neuron in one run against the other."""
    panels: list[Panel] = []
    for alike in _alike(traces):
        title = "Spikes a sample, layer by layer" + _of(alike, traces)
        named = {f"{name} ({trace.executor})": trace for name, trace in alike.items()}
        panels.append((title, partial(figures.spikes_per_layer, roads=[("", named)]), 2.8))
        height = min(1.2 + 1.1 * len(next(iter(alike.values())).populations), 8.0)
        if len(next(iter(alike.values())).populations) <= MOST_LAYERS:
            panels.append(
                (f"Rates over time{_of(alike, traces)}", partial(figures.rates_over_time, traces=named), height)
            )
    for two in pairs:
        if two.first is not None and two.a.spikes is not None:
            one, other = ((f"{name} ({t.executor})", t) for name, t in zip(two.names, (two.a, two.b)))
            title = f"Neuron by neuron: {one[0]} against {other[0]}"
            panels.append((title, partial(figures.neuron_by_neuron, a=one, b=other), 3.4))
    return panels


MOST_LAYERS = 8
"""So many populations have their rates over time drawn; of more the bars tell."""


def _alike(traces: Sequence[tuple[str, Trace]]) -> list[dict[str, Trace]]:
    """Runs of the same populations and time steps together, in order."""
    groups: dict[object, dict[str, Trace]] = {}
    for name, trace in traces:
        groups.setdefault((trace.populations, len(trace.forward_steps)), {})[name] = trace
    return list(groups.values())


def _of(alike: dict[str, Trace], traces: Sequence[tuple[str, Trace]]) -> str:
    return "" if len(alike) == len(traces) else f": {', '.join(alike)}"


def _confusions(traces: Sequence[tuple[str, Trace]]) -> list[Panel]:
    """One a run; runs that decide alike share one."""
    found: list[tuple[list[str], Trace, np.ndarray]] = []
    for name, trace in traces:
        if trace.labels is None or not len(trace.labels):
            continue
        decided = statistics(trace).decision
        same = next((x for x in found if np.array_equal(x[2], decided) and _same_labels(x[1], trace)), None)
        if same is not None:
            same[0].append(name)
        else:
            found.append(([name], trace, decided))
    return [
        (f"Confusion: {' = '.join(names)}", partial(figures.confusion, trace=trace), 3.3)
        for names, trace, _ in found[:MOST_CONFUSIONS]
    ]


def _same_labels(a: Trace, b: Trace) -> bool:
    return np.array_equal(a.sample_ids, b.sample_ids) and a.output == b.output


def _latencies(traces: Sequence[tuple[str, Trace]]) -> list[Panel]:
    if not traces:
        return []
    named = {f"{name} ({trace.executor})": trace for name, trace in traces}
    title = "Until the first output spike: forward steps, and spikes of the network"
    return [(title, partial(figures.latency, traces=named), 2.8)]
