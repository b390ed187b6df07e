"""A ``Diff`` for a terminal: tables and sentences."""

from __future__ import annotations

from rich.table import Table

from ir.words import counted
from unlayered.causes.experiment import Tried
from unlayered.causes.value import Diff, Remedy, cause_name, percent
from unlayered.console import table

MOST_IDS, MOST_ROWS = 8, 12
"""Flipped samples that are named, and causes that have a row."""

POPULATIONS = ("population", "spikes a", "spikes b", "differ", "rate", "correlation", "van Rossum")
CAUSES = ("cause", "removes", "brings", "together", "what")


def told(diff: Diff) -> list[Table | str]:
    """Everything that a person reads of it."""
    d = diff.difference
    lines: list[Table | str] = [f"a = {diff.names[0]}, b = {diff.names[1]}; {counted(d.samples, 'sample')}"]
    rows = [(p.name, *p.spikes, p.differing, percent(p.rate_error, "+"), p.correlation, p.van_rossum)
            for p in d.populations]  # fmt: skip
    lines.append(table("Populations", POPULATIONS, rows))
    lines.append(_decisions(diff))
    if diff.first is None:
        return [*lines, "equal, spike for spike"]
    lines.append(f"first difference: {diff.first}")
    return [*lines, *_causes(diff), *diff.notes, *(line for r in diff.remedies for line in remedy_lines(r))]


def _decisions(diff: Diff) -> str:
    d = diff.difference
    ids = ", ".join(map(str, d.flips[:MOST_IDS].tolist())) + (", ..." if len(d.flips) > MOST_IDS else "")
    said = f"{counted(len(d.flips), 'decision')} flipped" + (f": samples {ids}" if len(d.flips) else "")
    return said if d.accuracy is None else f"{said}; accuracy {d.accuracy[0]:.4f} -> {d.accuracy[1]:.4f}"


def _causes(diff: Diff) -> list[Table | str]:
    if not diff.tried:
        return []
    acting = [x for x in diff.tried if x.acts]
    shown = sorted(acting, key=lambda x: -x.effect)[:MOST_ROWS]
    rows = [
        (
            _name(x),
            percent(x.alone),
            percent(x.added),
            percent(x.together),
            x.what,
        )
        for x in shown
    ]
    lines: list[Table | str] = [table(f"Causes, found with {counted(diff.runs, 'run')}", CAUSES, rows)] if rows else []
    more = len(acting) - len(shown)
    quiet = len(diff.tried) - len(acting) - sum(x.refused is not None for x in diff.tried)
    lines += [f"... and {counted(more, 'smaller one')}, with --json"] if more else []
    lines += [f"{counted(quiet, 'further setting')} differ and change no spike"] if quiet else []
    lines += [f"{cause_name(x)} could not be tried: {x.refused}" for x in diff.tried if x.refused is not None]
    if diff.left is not None:
        lines.append(f"left with all of them switched back: {percent(diff.left)} of the differing spikes")
    return lines


def _name(x: Tried) -> str:
    return f"{x.kind}, all" if x.combined else cause_name(x)


def remedy_lines(r: Remedy) -> list[str]:
    """A remedy: what, its effect, its cost, the command."""
    a, b, after = r.accuracy
    said = f"tried: {r.what}: accuracy {b:.4f} -> {after:.4f} (a: {a:.4f}) on {counted(r.samples, 'held-out sample')}, "
    said += f"{percent(r.recovered)} of the loss recovered, in {r.seconds:.0f} s"
    said += (
        f"; ranked by {counted(r.ranking_samples, 'training sample')} left out: {r.ranked[1]:.4f} -> {r.ranked[2]:.4f}"
    )
    if r.cores is not None:
        said += f"; cores {r.cores[0]} -> {r.cores[1]}"
    if r.energy is not None:
        said += f"; energy a sample {r.energy[0] / 1e3:.3g} -> {r.energy[1] / 1e3:.3g} nJ"
    return [said, *(f"  {line}" for line in r.command.split("\n"))]
