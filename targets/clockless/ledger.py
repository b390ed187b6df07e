"""What a timed sample writes down: spikes, states, times, operations, the log; and the law of conservation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ir.arrays import Array, Ints
from ir.clockless import Clockless
from ir.neurons import FixedLIF
from ir.timing import COUNTS, LOG_COLUMNS, OPERATIONS, PER_CORE, EffectLog
from targets.clockless.board import Route
from targets.clockless.registers import Registers


@dataclass
class Ledger:
    """One sample's, empty at first.

    Attributes:
        rows: (t, k, neuron, m, ps) of each spike.
        states: (T, N) by name.
        frame_ps, quiescent_ps, forward_steps: (T,).
        of_core: (K,) each of ``PER_CORE``.
    """

    model: Clockless
    states: dict[str, Ints]
    frame_ps: Ints
    quiescent_ps: Ints
    forward_steps: Ints
    link_flits: Ints
    of_core: dict[str, Ints]
    logs: bool
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    entries: list[list[int]] = field(default_factory=list)
    events: list[tuple[int, int]] = field(default_factory=list)
    holds: list[tuple[int, int, int]] = field(default_factory=list)
    end_ps: int = 0

    @staticmethod
    def empty(model: Clockless, n_steps: int, n_neurons: int, n_cores: int, n_links: int, logs: bool) -> Ledger:
        """Of a network on cores and links."""
        states = {name: np.zeros((n_steps, n_neurons), np.int64) for name in FixedLIF.STATES}
        frames, quiescent, steps = (np.full(n_steps, x, np.int64) for x in (0, -1, 0))
        of_core = {name: np.zeros(n_cores, np.int64) for name in PER_CORE}
        links = np.zeros(n_links, np.int64)
        return Ledger(model, states, frames, quiescent, steps, links, of_core, logs)

    def add(self, name: str, n: int) -> None:
        """Count."""
        self.counts[name] += n

    def keep(self, t: int, i: int, registers: Registers) -> None:
        """States of a neuron at the end of a frame."""
        for name, values in self.states.items():
            values[t, i] = getattr(registers, name)[i]

    def spike(self, t: int, k: int, i: int, m: int, ps: int) -> None:
        """A neuron fired."""
        self.rows.append((t, k, i, m, ps))
        self.counts["spikes"] += 1

    def peak(self, core: int, n: int) -> None:
        """A queue is so long."""
        self.of_core["queue_peak"][core] = max(int(self.of_core["queue_peak"][core]), n)

    def packet(self, flits: int, n_spikes: int, route: Route) -> None:
        """A packet was made; its copies count as sent."""
        self.counts["packets"] += 1
        self.counts["flits"] += flits
        for target in route.targets:
            self.of_core["sent"][target] += n_spikes

    def queue_bits(self, flits: int) -> None:
        """A packet is written into a queue, and will be read."""
        self.operations["queue_write_bits"] += flits * self.model.flit_bits
        self.operations["queue_read_bits"] += flits * self.model.flit_bits

    def crosses(self, link: int, flits: int) -> None:
        """A packet crosses a link."""
        self.link_flits[link] += flits
        self.counts["hops"] += 1
        self.operations["hop_bits"] += flits * self.model.flit_bits

    def hold(self, core: int, since: int, now: int) -> None:
        """A packet of a core waited."""
        self.of_core["held_ps"][core] += now - since
        if self.logs:
            self.holds.append((core, since, now))

    def log(self, kind: int, core: int, t: int, start: int, end: int, events: Sequence[tuple[int, int]] | int) -> None:
        """An effect, in the order of effects; of a bias ``events`` is the population."""
        if not self.logs:
            return
        if isinstance(events, int):
            self.entries.append([kind, core, t, start, end, events, 0])
        else:
            self.entries.append([kind, core, t, start, end, len(self.events), len(events)])
            self.events += events

    def effect_log(self) -> EffectLog:
        """The log as arrays."""
        entries = np.array(self.entries, np.int64).reshape(-1, len(LOG_COLUMNS))
        events, holds = np.array(self.events, np.int64).reshape(-1, 2), np.array(self.holds, np.int64).reshape(-1, 3)
        return EffectLog(entries, events, holds)

    def table(self) -> Array:
        """(len(PER_CORE), K)."""
        return np.stack([self.of_core[name] for name in PER_CORE])
