"""A timed run before and after: what all samples share, and what one leaves behind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ir.arrays import Array
from ir.chip import Chip
from ir.mapped import MappedNetwork
from ir.runnable import check_record
from ir.stimulus import Stimulus
from ir.timing import EffectLog
from targets.clockless.board import Board, Routes, routes_of
from targets.clockless.options import Timekeeping, check_timed, entering
from targets.clockless.wiring import Wiring, wiring_of


@dataclass(frozen=True, eq=False)
class Job:
    """What every sample of a run shares."""

    mapped: MappedNetwork
    wiring: Wiring
    routes: Routes
    stimulus: Stimulus
    time: Timekeeping
    record: tuple[str, ...]
    logs: bool

    def inputs(self, b: int) -> list[tuple[Array, Array]]:
        """Of each frame of a sample the inputs in their order, and when each enters."""
        return [entering(self.stimulus, b, t, self.time) for t in range(self.stimulus.n_steps)]


@dataclass(frozen=True, eq=False)
class Done:
    """What one sample left behind.

    Attributes:
        rows: (n, 5) of (t, k, neuron, m, ps), in the order of firing.
        times: (3, T) frames, quiescence, forward steps.
        states: by name, (T, N).
    """

    rows: Array
    times: Array
    states: dict[str, Array]
    end_ps: int
    operations: Array
    counts: Array
    cores: Array
    link_flits: Array
    limits: Array
    log: EffectLog | None


def job_of(
    mapped: MappedNetwork, stimulus: Stimulus, chip: Chip | None, time: Timekeeping, record: Collection[str], logs: bool
) -> Job:
    """Lay everything out.

    Raises:
        ValueError: the network, the stimulus, the chip and the way of keeping time do not go together.
    """
    chip = mapped.chip if chip is None else chip
    if chip is None:
        raise ValueError("an unmapped network has no chip to take its time by; map it, or name a chip, e.g. seneca")
    core = time.core(chip)
    check_timed(mapped.network, stimulus, time)
    check_record(mapped.network, record)
    wiring = wiring_of(mapped, chip, core)
    board = Board.of(mapped.cores, chip.mesh)
    routes = routes_of(board, wiring.core, wiring.entry_start, wiring.entry_core, core.multicast)
    return Job(mapped, wiring, routes, stimulus, time, tuple(record), logs)
