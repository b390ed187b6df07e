"""Which schedule of training comes closest to a chip without a barrier: runs of both, compared spike count by count."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.chip import Chip
from ir.mapped import Core, MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.schedule import ORDERS, Schedule, group_word
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run as run_reference
from sim_reference.simulate import run as run_plain
from targets.clockless.options import Timekeeping
from targets.clockless.run import run as run_timed
from unlayered.commands import flags_of, tuning_command

GROUPS = (1, 2, 4, 8, 16, 32, 64, None)
"""The group sizes F that are tried."""

MOST_AT_RECEIVERS = 1_000
"""The most neurons of a network for which queues at receivers are tried unasked: the plain simulator runs them."""

TUNING_EPOCHS = 6
"""Of the command that ``fit-schedule`` ends with."""

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Fit:
    """A schedule beside the chip.

    Attributes:
        distance: sum of |spike count of the schedule - of the chip| over samples and neurons / spikes of the chip.
        accuracy: of the schedule; None without labels.
    """

    schedule: Schedule
    distance: float
    accuracy: float | None

    def row(self) -> dict[str, Any]:
        """What is told of it."""
        s = self.schedule
        layered = s.kind == "layered"
        return {
            "schedule": s.kind,
            "F": None if layered else group_word(s.F),
            "order": None if layered else s.order,
            "scope": None if layered else s.scope,
            "input": None if layered else s.input,
            "distance": self.distance,
            "accuracy": self.accuracy,
        }


@dataclass(frozen=True)
class Fitted:
    """What a search found.

    Attributes:
        fits: all candidates on the samples and the mapping of the search, closest first.
        held_out: of the closest, on other samples, the same mapping; elsewhere: on these and another mapping.
        chip_accuracy: of the timed run, by the same names; None without labels.
    """

    fits: tuple[Fit, ...]
    held_out: Fit
    elsewhere: Fit
    layered: Fit
    chip_accuracy: dict[str, float | None]

    @property
    def best(self) -> Fit:
        return self.fits[0]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "best": self.best.row(),
            "held_out": self.held_out.row(),
            "other_mapping": self.elsewhere.row(),
            "layered_held_out": self.layered.row(),
            "chip_accuracy": self.chip_accuracy,
            "all": [fit.row() for fit in self.fits],
            "flags": flags(self.best.schedule),
        }


def candidates(cores: int, group: int = 0) -> Iterator[Schedule]:
    """Schedules that are tried: every F and order, of one queue and, over several cores, of one a core; layered.

    Args:
        group: events that the chip takes at once; over several cores queues at receivers are tried around it. 0 = none.
    """
    for F in GROUPS:
        for order in ORDERS:
            for rule in ("first", "queued"):
                yield Schedule(F=F, order=order, input=rule)  # type: ignore[arg-type]
            if cores > 1:
                yield Schedule(F=F, order=order, scope="core")
    around = sorted({max(group // 2, 1), group, 2 * group}) if group and cores > 1 else []
    yield from (Schedule(F=n, order="fifo", scope="receiver", input="queued") for n in around)
    yield Schedule(kind="layered", F=None)


def distance(of: Array, chip: Array) -> float:
    """sum |count difference| / spikes of the chip.

    >>> distance(np.array([[1, 2]]), np.array([[3, 2]]))
    0.4
    """
    return float(np.abs(of.astype(np.int64) - chip).sum() / max(int(chip.sum()), 1))


def a_core_a_population(mapped: MappedNetwork) -> MappedNetwork:
    """The same integers on the same chip, every population on a core of its own, in a row as far as it reaches."""
    chip = mapped.chip
    assert chip is not None
    n, width = len(mapped.network.populations), chip.mesh.width
    require(
        n <= chip.mesh.usable_cores,
        f"{counted(n, 'population')} need a core each, {chip.title} has {chip.mesh.usable_cores}",
    )
    core = np.repeat(np.arange(n), [p.n for p in mapped.network.populations])
    cores = tuple(Core(i, x=i % width, y=i // width) for i in range(n))
    return replace(mapped, core_of_neuron=core, cores=cores, report={})


def at_receivers(network: QuantizedNetwork, asked: bool | None) -> bool:
    """Whether queues at receivers are tried: where asked for, and by itself on small networks."""
    return network.n_neurons <= MOST_AT_RECEIVERS if asked is None else asked


def fit(
    mapped: MappedNetwork, chip: Chip, stimulus: Stimulus, time: Timekeeping, tick: Tick, receivers: bool | None = None
) -> Fitted:
    """Search on the first half of the samples and the mapping given, and judge on the rest and on another mapping.

    Args:
        receivers: try queues at receivers; None = on networks of at most ``MOST_AT_RECEIVERS`` neurons.

    Raises:
        ValueError: fewer than two samples.
    """
    require(stimulus.n_samples >= 2, "give at least 2 samples: half of them choose, the rest judge")
    mapped = replace(mapped, chip=chip)
    half = stimulus.n_samples // 2
    choose, judge = stimulus.select(slice(half)), stimulus.select(slice(half, None))
    group = time.core(chip).group if at_receivers(mapped.network, receivers) else 0
    tried = list(candidates(len(mapped.cores), group))

    def timed(network: MappedNetwork, samples: Stimulus) -> Trace:
        return run_timed(network, samples, time=time, record=())

    on_chip = timed(mapped, choose)
    fits: list[Fit] = []
    for i, schedule in enumerate(tried):
        fits.append(_fit(mapped, choose, schedule, on_chip))
        tick(i + 1, len(tried))
    fits.sort(key=lambda found: found.distance)
    other = a_core_a_population(mapped)
    held, elsewhere = timed(mapped, judge), timed(other, judge)
    return Fitted(
        tuple(fits),
        _fit(mapped, judge, fits[0].schedule, held),
        _fit(other, judge, fits[0].schedule, elsewhere),
        _fit(mapped, judge, Schedule(kind="layered", F=None), held),
        {"held_out": statistics(held).accuracy, "other_mapping": statistics(elsewhere).accuracy},
    )


def _fit(mapped: MappedNetwork, stimulus: Stimulus, schedule: Schedule, on_chip: Trace) -> Fit:
    if schedule.scope == "receiver":
        trace = run_plain(mapped, stimulus, schedule, record=())
    else:
        trace = run_reference(mapped, stimulus, schedule, record_spikes=False, record=())
    return Fit(schedule, distance(trace.counts, on_chip.counts), statistics(trace).accuracy)


def flags(schedule: Schedule) -> str:
    """The schedule as ``unlayered run`` takes it, whatever schedule the network carries."""
    return flags_of(schedule, always=("scope", "input"))


def tuning(schedule: Schedule, network: Path, floats: bool, data: str, root: Path | None) -> str:
    """The command that goes on training a network under a schedule.

    A neuron fires once a time step there, so the loss looks at counts of whole samples: rates lie too near together.

    Args:
        floats: whether ``network`` is one of floats; of integers ``NET`` stands for the network that they were.
    """
    rest = [f"--set loss=count --epochs {TUNING_EPOCHS}"]
    if schedule.kind != "layered" and schedule.scope != "network":
        partition = shlex.quote(f'partition="{"MAPPED" if floats else network}"')
        rest = [f"--set {partition}", *rest]
    return tuning_command(shlex.quote(str(network)) if floats else "NET", data, root, schedule, rest)
