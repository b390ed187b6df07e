"""A ``Diff``: two runs, how far they are apart, where they part first, why, and what was tried against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ir.check import word
from ir.picture import bars, beside
from ir.shown import MOST_NAME, few, lines_of, wrapped
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.difference import Difference, PopulationDifference
from sim_reference.compare.divergence import Divergence
from unlayered.causes.experiment import Tried

MOST_LINES = 10
"""Of a diff that is printed."""

FORMAT = "unlayered diff 1"
"""What the JSON says of itself; unlayered/causes/schema.json describes it."""


@dataclass(frozen=True)
class Remedy:
    """Something against the loss that was tried, and what it did on samples that decided nothing.

    Attributes:
        command: what does it. what: in words.
        accuracy: of a, of b, and of the remedied network, on held-out samples.
        recovered: share of the lost accuracy that came back.
        samples: held out.
        ranked: the same three on training samples that the search did not see; which remedies are told, and in which
            order, is theirs to say. ranking_samples: how many.
        seconds: the trial took. cores, energy: of b and of the remedied network where they are mapped and the chip's
            file holds costs; energy of a sample in pJ.
        more: whether it takes what b does not have (more bits, more cores).
    """

    command: str
    what: str
    accuracy: tuple[float, float, float]
    recovered: float
    samples: int
    ranked: tuple[float, float, float]
    ranking_samples: int
    seconds: float
    cores: tuple[int, int] | None = None
    energy: tuple[float, float] | None = None
    more: bool = False


@dataclass(frozen=True, eq=False)
class Diff:
    """Two runs of the same samples, compared and explained.

    Attributes:
        names: of a and b, with the executor that ran them.
        executors: ``E0`` to ``E3``.
        difference: counts, rates, timing, decisions.
        first: the first event in which they part; between floats and integers spikes alone are compared.
        tried: settings in which they differ, each switched; empty where no spike differs or nothing is known of a side.
        left: share of the differing spikes that no setting explains; None where none was tried.
        runs: how often a network was run for that.
        remedies: what was tried against the loss, best first.
        notes: what could not be done, one sentence each.
        traces: the two runs.
    """

    names: tuple[str, str]
    executors: tuple[str, str]
    difference: Difference
    first: Divergence | None
    tried: tuple[Tried, ...] = ()
    left: float | None = None
    runs: int = 0
    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()
    traces: tuple[Trace, Trace] | None = field(default=None, repr=False)

    @property
    def causes(self) -> tuple[Tried, ...]:
        """The settings that change a spike, largest effect first; those of several populations one by one."""
        return tuple(sorted((x for x in self.tried if x.acts and not x.combined), key=lambda x: -x.effect))

    @property
    def differs(self) -> bool:
        """Whether any spike does, by time step or by forward step; between integers whether anything does."""
        return self.first is not None

    def __repr__(self) -> str:
        d = self.difference
        head = f"Diff of {word(self.names[0], 40)} and {word(self.names[1], 40)}: {counted(d.samples, 'sample')}, "
        head += f"{counted(d.differing, 'spike')} differing, {counted(len(d.flips), 'decision')} flipped"
        if d.accuracy is not None:
            head += f", accuracy {d.accuracy[0]:.3f} -> {d.accuracy[1]:.3f}"
        first = wrapped("  equal" if self.first is None else f"  first: {self.first}")
        left = [] if self.left is None else [f"  left unexplained: {percent(self.left)}"]
        remedy = [f"  remedy: {remedy_line(r)}" for r in self.remedies[:1]]
        begin, end = wrapped(head), [*left, *remedy]
        room = MOST_LINES - len(begin) - len(first) - len(end)
        populations = few([population_line(p) for p in d.populations], min(3, room - 1), "population")
        causes = few([f"  {cause_line(x)}" for x in self.causes], min(3, room - len(populations)), "cause")
        if self.tried and not causes:
            causes = ["  no setting that differs changes a spike"]
        return lines_of(*begin, *populations, *first, *causes, *end)

    def _repr_html_(self) -> str:
        """For notebooks: the same words, and how much each cause explains or each population differs."""
        if self.causes:
            return beside(repr(self), bars([(cause_name(x), x.effect) for x in self.causes[:8]], "share explained"))
        parts = [(p.name, float(p.differing)) for p in self.difference.populations]
        return beside(repr(self), bars(parts, "differing spikes"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; unlayered/causes/schema.json says what they are."""
        d = self.difference
        first = None if self.first is None else {**vars(self.first), "sentence": str(self.first)}
        accuracy = None if d.accuracy is None else list(d.accuracy)
        return {
            "format": FORMAT,
            "a": {"name": self.names[0], "executor": self.executors[0]},
            "b": {"name": self.names[1], "executor": self.executors[1]},
            "samples": d.samples,
            "differing": d.differing,
            "rate_error": d.rate_error,
            "accuracy": accuracy,
            "flips": d.flips.tolist(),
            "decisions": [x.tolist() for x in d.decisions],
            "tau_steps": d.tau_steps,
            "populations": [_population(p) for p in d.populations],
            "first": first,
            "tried": [{**vars(x), "effect": x.effect} for x in self.tried],
            "causes": [{"kind": x.kind, "population": x.population, "effect": x.effect} for x in self.causes],
            "left": self.left,
            "runs": self.runs,
            "remedies": [_plain(r) for r in self.remedies],
            "notes": list(self.notes),
        }


def _population(p: PopulationDifference) -> dict[str, Any]:
    return {
        "name": p.name,
        "neurons": p.n,
        "spikes": list(p.spikes),
        "differing": p.differing,
        "rate_error": p.rate_error,
        "correlation": p.correlation,
        "van_rossum": p.van_rossum,
        "count_difference": p.count_difference.tolist(),
        "van_rossum_of_neuron": np.round(p.van_rossum_of_neuron, 6).tolist(),
    }


def _plain(r: Remedy) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(r).items()}


def percent(share: float | None, sign: str = "") -> str:
    """A share as a person reads it."""
    return "-" if share is None else f"{100 * share:{sign}.1f} %"


def population_line(p: PopulationDifference) -> str:
    """A population in a line."""
    return (
        f"  {word(p.name, MOST_NAME)}: {p.spikes[0]:,} -> {p.spikes[1]:,} spikes, {p.differing:,} differ, "
        f"correlation {p.correlation:.3f}, van Rossum {p.van_rossum:.3g}"
    )


def cause_name(x: Tried) -> str:
    """Kind and population."""
    return x.kind if x.population is None else f"{x.kind} of {x.population}"


def cause_line(x: Tried) -> str:
    """A cause in a line: what it is, what switching it back removes, what it alone brings about."""
    shares = f"removes {percent(x.alone)}, alone brings {percent(x.added)}"
    return f"cause: {word(cause_name(x), 40)} ({shares}): {x.what}"


def remedy_line(r: Remedy) -> str:
    """A remedy in a line; its command has no room in one."""
    a, b, after = r.accuracy
    return f"{r.what}: accuracy {b:.3f} -> {after:.3f} (a: {a:.3f})"
