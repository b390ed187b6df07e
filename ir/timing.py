"""What a timed run leaves beside its spikes: when frames came and ended, what each core did, and the log of effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.arrays import Array, set_field, whole_array
from ir.check import check_type, check_words, require

OPERATIONS = (
    *("controller", "npe", "memory_read_bits", "memory_write_bits"),
    *("queue_read_bits", "queue_write_bits", "hop_bits"),
)
"""What a clockless chip's dynamic energy is counted in; ``[costs]`` of its file prices each."""

COUNTS = (
    *("events", "synapses", "touched", "leaked", "biased", "spikes", "packets", "flits", "hops"),
    *("late", "missed_bias"),
)
"""What happened in a sample, for people: events that services took, synapses, states that they read and wrote, states
that leaked, neurons that a bias or current entered, spikes, packets, their flits, links that they crossed, events of an
earlier frame than the one they met, biases whose frame ended before they came."""

PER_CORE = ("busy_ps", "held_ps", "services", "queue_peak", "sent", "taken", "dropped", "left")
"""What each core did: worked, waited with a packet that found no place, services, the longest queue; of the copies of
events that were sent to it: how many it took, how many were dropped, how many were left at the end."""

FRAME, INPUT, BIAS, SERVICE = range(4)
"""Kinds of log entries."""

LOG_COLUMNS = ("kind", "core", "t", "start_ps", "end_ps", "first", "size")
"""``first`` and ``size``: its part of the events; of a bias ``first`` is the population, and ``size`` 0."""


@dataclass(frozen=True, eq=False)
class Timing:
    """Time, traffic and work of a timed run of B samples with T time steps on K cores and L links.

    Attributes:
        frame_ps: (T, B) when each frame came, from the start of the sample.
        quiescent_ps: (T, B) when nothing of it was left to do; -1 where the next frame came before.
        first_output_ps, first_correct_ps: (B,) of the first spike of the output, and of the right class; -1 none.
        end_ps: (B,) of the run.
        operations: (B, len(OPERATIONS)).
        counts: (B, len(COUNTS)).
        cores: (B, len(PER_CORE), K).
        links: (L, 4) from x, y to x, y on the board.
        link_flits: (B, L).
        said: how time was kept: leak, frame detection, period, ... by name, for reports.
    """

    frame_ps: Array
    quiescent_ps: Array
    first_output_ps: Array
    first_correct_ps: Array
    end_ps: Array
    operations: Array
    counts: Array
    cores: Array
    links: Array
    link_flits: Array
    said: dict[str, str]

    def __post_init__(self) -> None:
        check_words("what is said of a timing", self.said)
        for name in (*ALONG, "links"):
            set_field(self, name, whole_array(f"timing {name}", getattr(self, name)))
        require(
            self.frame_ps.ndim == 2 and self.cores.ndim == 3, "a timing's frames are (T, B), its cores (B, rows, K)"
        )
        (t, b), k, n_links = self.frame_ps.shape, self.cores.shape[2], len(self.links)
        shapes = {
            "quiescent_ps": (t, b),
            **dict.fromkeys(("first_output_ps", "first_correct_ps", "end_ps"), (b,)),
            "operations": (b, len(OPERATIONS)),
            "counts": (b, len(COUNTS)),
            "cores": (b, len(PER_CORE), k),
            "links": (n_links, 4),
            "link_flits": (b, n_links),
        }
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            require(found == shape, f"timing {name} has shape {found}; of this run it is {shape}")

    def of_cores(self, name: str) -> Array:
        """(B, K) one of ``PER_CORE``."""
        return self.cores[:, PER_CORE.index(name)]

    def counted(self, name: str) -> Array:
        """(B,) one of ``COUNTS``."""
        return self.counts[:, COUNTS.index(name)]

    def select(self, which: Any) -> Timing:
        """The samples ``which``."""
        parts = {
            name: np.take(getattr(self, name), np.arange(self.n_samples)[which], axis) for name, axis in ALONG.items()
        }
        return Timing(**parts, links=self.links, said=self.said)

    @property
    def n_samples(self) -> int:
        return int(self.frame_ps.shape[1])


ALONG = {
    **dict.fromkeys(("frame_ps", "quiescent_ps"), 1),
    **dict.fromkeys(
        ("first_output_ps", "first_correct_ps", "end_ps", "operations", "counts", "cores", "link_flits"), 0
    ),
}
"""The axis of the samples in each array."""


def join_timings(parts: list[Timing | None]) -> Timing | None:
    """Timings of successive batches as one; None where one lacks it."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    first = known[0]
    require(all(p.said == first.said for p in known), "timings differ in how time was kept; join batches of one run")
    joined = {name: np.concatenate([getattr(p, name) for p in known], axis) for name, axis in ALONG.items()}
    return Timing(**joined, links=first.links, said=first.said)


@dataclass(frozen=True, eq=False)
class EffectLog:
    """One sample's effects in their order (docs/clockless.md, "The law").

    Attributes:
        entries: (n, len(LOG_COLUMNS)).
        events: (m, 2) of (t, source), what the entries took; sources as in keys: input i is N + i.
        holds: (h, 3) of (core, from ps, to ps): when a packet of the core found no place.
    """

    entries: Array
    events: Array
    holds: Array

    def __post_init__(self) -> None:
        for name, columns in (("entries", len(LOG_COLUMNS)), ("events", 2), ("holds", 3)):
            set_field(self, name, whole_array(f"log {name}", getattr(self, name)))
            check_type(f"log {name}", getattr(self, name), np.ndarray, "an array")
            shape = getattr(self, name).shape
            require(len(shape) == 2 and shape[1] == columns, f"log {name} has shape {shape}; give (n, {columns})")

    def column(self, name: str) -> Array:
        """(n,) one of ``LOG_COLUMNS``."""
        return self.entries[:, LOG_COLUMNS.index(name)]
