"""The numbers of a run that never lies in memory whole: what each piece adds, and the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ir.arrays import Ints
from ir.trace import Trace
from ir.trace_parts import join
from sim_reference.compare.statistics import Latency, Statistics, decision, readout_of, statistics


class Numbers(NamedTuple):
    """What some samples of a run add to its statistics.

    Attributes:
        rest: their trace without spikes and states.
        first_output, first_correct: as of ``Statistics``.
        by_membrane: (B,) classes by the last membranes; None where none were recorded.
    """

    rest: Trace
    first_output: Latency | None
    first_correct: Latency | None
    by_membrane: Ints | None


def numbers_of(trace: Trace) -> Numbers:
    """What a piece adds."""
    found = statistics(trace, "count")
    last = decision(trace, "membrane") if trace.v is not None and len(trace.v) else None
    return Numbers(replace(trace, spikes=None, states={}), found.first_output, found.first_correct, last)


def statistics_of(parts: Sequence[Numbers]) -> tuple[Trace, Statistics]:
    """The whole run without spikes and states, and its numbers, which are those of ``statistics``."""
    rest = join([part.rest for part in parts])
    found, last = statistics(rest, "count"), [x.by_membrane for x in parts if x.by_membrane is not None]
    more = {name: _joined([getattr(part, name) for part in parts]) for name in ("first_output", "first_correct")}
    if readout_of(rest, has_membranes=len(last) == len(parts)) == "count":
        return rest, replace(found, **more)
    decided = np.concatenate(last)
    right = None if rest.labels is None or not len(decided) else float((decided == rest.labels).mean())
    return rest, replace(found, **more, decision=decided, accuracy=right, readout="membrane")


def _joined(parts: Sequence[Latency | None]) -> Latency | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Latency(np.concatenate([x.forward_steps for x in known]), np.concatenate([x.spikes for x in known]))
