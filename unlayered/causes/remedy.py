"""Remedies that were tried: the command against a loss of accuracy, and what it did on held-out samples."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.formats import Formats
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule, group_word
from ir.stimulus import Stimulus
from sim_reference.compare.difference import decided
from unlayered.calibration import integers_of
from unlayered.causes.value import Diff, Remedy
from unlayered.console import Stages
from unlayered.costs import cost_of_run
from unlayered.mapping import MapOptions, map_whole
from unlayered.sources import chip_names

SAMPLES, EPOCHS = 256, (5, 12)
"""Samples that guide a search of scales, and epochs of the tunings."""

WIDTHS = (8, 6, 4, 3, 2)


@dataclass(frozen=True, eq=False)
class Ward:
    """What a remedy is looked for.

    Attributes:
        floats: a, as trained, and the file it came from. b: its integers, mapped or not.
        data: as it is spelled on the command line; searches see its training part.
        held_out: samples that no search sees, with labels.
    """

    floats: Network
    file: Path
    b: QuantizedNetwork | MappedNetwork
    data: str
    root: Path | None
    held_out: Stimulus
    training: Stimulus

    @property
    def integers(self) -> QuantizedNetwork:
        """b without addresses."""
        return self.b.network if isinstance(self.b, MappedNetwork) else self.b

    @property
    def chip(self) -> Chip | None:
        """Whose integers b has; None = no chip's that ships."""
        if isinstance(self.b, MappedNetwork) and self.b.chip is not None:
            return self.b.chip
        return find_chip(self.integers.arithmetic) if self.integers.arithmetic in chip_names() else None


def width_of(network: QuantizedNetwork, chip: Chip) -> int:
    """The fewest bits whose grid holds all weights.

    >>> from ir.connection import Dense
    >>> from ir.network import Input
    >>> from ir.quantized import FixedPopulation, FixedProjection
    >>> chain = (FixedPopulation("a", (1,)),), (FixedProjection("in", "a", Dense(np.array([[64, -192]]))),)
    >>> width_of(QuantizedNetwork((Input("in", (2,)),), *chain, "a"), find_chip("loihi2"))
    3
    """
    weights = [np.asarray(e.connection.weight, np.int64).reshape(-1) for e in network.projections]
    step = int(np.gcd.reduce(np.concatenate(weights))) if weights else 0
    fitting = [bits for bits in WIDTHS if step == 0 or step % Formats.of(chip, bits).weight.step == 0]
    return min(fitting, default=max(WIDTHS))


def remedied(diff: Diff, ward: Ward) -> Diff:
    """The diff with the remedies that brought accuracy back, those that keep bits, chip and schedule first."""
    if diff.difference.accuracy is None:
        return replace(diff, notes=(*diff.notes, "without labels there is no accuracy to win back"))
    chip = ward.chip
    if chip is None or chip.name not in chip_names():
        said = "no remedy was tried: b is on no chip that ships"
        return replace(diff, notes=(*diff.notes, said))
    before, after = _accuracy(ward.floats, ward), _accuracy(ward.b, ward)
    if before <= after:
        said = f"b decides as well as a on {ward.held_out.n_samples} held-out samples: no remedy was tried"
        return replace(diff, notes=(*diff.notes, said))
    bits, tried = width_of(ward.integers, chip), list[Remedy]()
    for what, command, make, more in _ways(ward, chip, bits):
        begin = time.perf_counter()
        made = make()
        seconds = time.perf_counter() - begin
        tried.append(_weighed(ward, made, (before, after), (what, command), seconds, more))
    found = sorted((r for r in tried if r.recovered > 0), key=lambda r: (r.more, -r.recovered))
    notes = () if found else ("none of the remedies that were tried brought accuracy back",)
    return replace(diff, remedies=tuple(found), notes=(*diff.notes, *notes))


def _ways(ward: Ward, chip: Chip, bits: int) -> list[tuple[str, str, Callable[[], MappedNetwork], bool]]:
    """What can be tried: (in words, the command, what makes it, whether it takes more bits)."""
    search = f"unlayered map {_word(ward.file)} --chip {chip.name} --bits {{}} --calibrate {_data(ward)}"
    search += f"{_schedule_flags(ward.integers.schedule)} --out remedied.npz"
    ways = [
        (f"scales, thresholds and decays searched on {SAMPLES} training samples, {bits} bits", search.format(bits),
         lambda: _searched(ward, chip, bits), False),
    ]  # fmt: skip
    for epochs in EPOCHS:
        tune = tuning_words(ward, chip, bits, epochs)
        if tune is not None:
            what = f"{epochs} epochs of training on the {bits}-bit grid"
            ways.append((what, tune, partial(_tuned, ward, chip, bits, epochs), False))
    if bits < max(WIDTHS):
        wide = min(x for x in WIDTHS if x > bits)
        what = f"{wide} bits instead of {bits}, searched"
        ways.append((what, search.format(wide), lambda: _searched(ward, chip, wide), True))
    return ways


def tuning_words(ward: Ward, chip: Chip, bits: int, epochs: int) -> str | None:
    """The commands that train on the grid and map; None where no flags spell the schedule."""
    schedule = ward.integers.schedule
    if replace(schedule, seed=0) != _spelled(schedule):
        return None
    train = f"unlayered train --start {_word(ward.file)} --data {_data(ward)}{_schedule_flags(schedule)}"
    train += f" --bits {bits} --chip {chip.name} --epochs {epochs} --out tuned"
    return f"{train}\nunlayered map tuned --chip {chip.name} --out remedied.npz"


def _schedule_flags(schedule: Schedule) -> str:
    flags = f" --schedule {schedule.kind}"
    if schedule.kind == "asynchronous":
        flags += f" --F {group_word(schedule.F)} --order {schedule.order}"
    return flags


def _spelled(schedule: Schedule) -> Schedule:
    """The schedule that kind, F and order alone spell."""
    if schedule.kind == "layered":
        return replace(schedule, seed=0)
    return Schedule(F=schedule.F, order=schedule.order)


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _data(ward: Ward) -> str:
    root = "" if ward.root is None else f" --root {_word(ward.root)}"
    return f"{shlex.quote(ward.data)}{root}"


def _searched(ward: Ward, chip: Chip, bits: int) -> MappedNetwork:
    floats = replace(ward.floats, schedule=ward.integers.schedule)
    return _mapped(integers_of(floats, chip, bits, ward.training, lambda done, total: None).network, chip)


def _tuned(ward: Ward, chip: Chip, bits: int, epochs: int) -> MappedNetwork:
    from trainer.config import TrainConfig
    from trainer.fit import train

    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.npz"
        npz.save(ward.floats, start)
        changes: dict[str, Any] = {"root": "" if ward.root is None else str(ward.root)}
        schedule = replace(TrainConfig().schedule, **_kind_f_order(ward.integers.schedule))
        changes |= {"weight_bits": bits, "chip": chip.name, "epochs": epochs}
        config = TrainConfig(data=ward.data, start=str(start), schedule=schedule, **changes)
        network = train(config, Path(folder) / "tuned")
        assert network.quantization is not None
        return _mapped(network.quantization.quantized(network.export()), chip)


def _kind_f_order(schedule: Schedule) -> dict[str, Any]:
    if schedule.kind == "layered":
        return {"kind": "layered"}
    return {"kind": schedule.kind, "F": schedule.F, "order": schedule.order}


def _mapped(network: QuantizedNetwork, chip: Chip) -> MappedNetwork:
    with Stages("remedy", ("quantize", "partition", "place", "check"), quiet=True) as stages:
        return map_whole(network, chip, MapOptions(allow_unsafe=True), None, stages).mapped


def _run(network: Network | QuantizedNetwork | MappedNetwork, stimulus: Stimulus) -> Any:
    if isinstance(network, Network):
        from trainer.execute import run as run_floats

        return run_floats(network, stimulus)
    from sim_reference.fast import run

    return run(network, stimulus)


def _accuracy(network: Network | QuantizedNetwork | MappedNetwork, ward: Ward) -> float:
    labels = ward.held_out.labels
    assert labels is not None
    return float((decided(_run(network, ward.held_out)) == labels).mean())


def _weighed(
    ward: Ward, made: MappedNetwork, lost: tuple[float, float], said: tuple[str, str], seconds: float, more: bool
) -> Remedy:
    """A remedy with its effect and cost on the held-out samples."""
    before, after = lost
    now = _accuracy(made, ward)
    cores = energy = None
    if isinstance(ward.b, MappedNetwork):
        cores = (len(ward.b.cores), len(made.cores))
        costs = [cost_of_run(m, _run(m, ward.held_out), ward.held_out) for m in (ward.b, made)]
        known = [c.energy_pj.value for c in costs if c is not None]
        energy = (known[0], known[1]) if len(known) == 2 else None
    recovered = (now - after) / (before - after)
    what, command = said
    return Remedy(command, what, (before, after, now), recovered, ward.held_out.n_samples, seconds, cores, energy, more)
