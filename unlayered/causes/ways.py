"""Ways back to the accuracy that rounding took: each a command, and what makes the same network here."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from ir.chip import Chip
from ir.formats import Formats
from ir.mapped import MappedNetwork
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule, group_word
from unlayered.calibration import integers_of
from unlayered.causes.ward import SAMPLES, SHARE, Ward
from unlayered.commands import data_words, flags_of, tuning_command
from unlayered.console import Stages
from unlayered.mapping import MapOptions, map_whole
from unlayered.options import ScheduleFlags

WIDTHS = (8, 6, 4, 3, 2)

TUNINGS = ((5, 1e-3), (12, 1e-3), (12, 3e-3))
"""Epochs and learning rate of each tuning: gentle ones for a network that has learned all it can, a bold one else."""


@dataclass(frozen=True, eq=False)
class Way:
    """Something that can be tried.

    Attributes:
        what: in words. command: what does it, a line each.
        make: the same, here.
        more: whether it takes more bits.
    """

    what: str
    command: str
    make: Callable[[], MappedNetwork]
    more: bool = False


def width_of(network: QuantizedNetwork, chip: Chip) -> int:
    """The fewest bits whose grid holds all weights.

    >>> from exchange.chip_toml import find_chip
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


def ways_of(ward: Ward, chip: Chip, bits: int) -> list[Way]:
    """What can be tried, what keeps the bits first."""
    ways: list[Way] = []
    words = search_words(ward, chip, bits)
    if words is not None:
        what = f"scales, thresholds and decays searched on {ward.search.n_samples} training samples, {bits} bits"
        ways.append(Way(what, words, partial(_searched, ward, chip, bits)))
    for epochs, rate in TUNINGS:
        words = tuning_words(ward, chip, bits, epochs, rate)
        if words is not None:
            what = f"{epochs} epochs of training on the {bits}-bit grid, learning rate {rate:g}"
            ways.append(Way(what, words, partial(_tuned, ward, chip, bits, epochs, rate)))
    wide = min((x for x in WIDTHS if x > bits), default=bits)
    words = search_words(ward, chip, wide)
    if wide > bits and words is not None:
        ways.append(Way(f"{wide} bits instead of {bits}, searched", words, partial(_searched, ward, chip, wide), True))
    return ways


def search_words(ward: Ward, chip: Chip, bits: int) -> str | None:
    """The command that searches scales, thresholds and decays, and maps; None where no flags spell the schedule."""
    n, schedule = ward.search.n_samples, ward.integers.schedule
    flags = ScheduleFlags(schedule.kind, str(group_word(schedule.F)), schedule.order)
    if schedule.kind == "asynchronous" and flags.on(ward.floats.schedule) != schedule:
        return None
    words = f"unlayered map {_word(ward.file)} --chip {chip.name} --bits {bits}"
    words += f" {data_words(ward.data, ward.root, '--calibrate')}"
    words += "" if n == SAMPLES else f" --samples {n}"
    spelled = flags_of(replace(Schedule(schedule.kind), F=schedule.F, order=schedule.order))
    return f"{words} {spelled} --out remedied.npz"


def tuning_words(ward: Ward, chip: Chip, bits: int, epochs: int, rate: float) -> str | None:
    """The commands that train on the grid and map; None where the schedule needs a partition to train with."""
    schedule = ward.integers.schedule
    if schedule.kind == "asynchronous" and schedule.scope != "network":
        return None
    rest = [f"--bits {bits} --chip {chip.name} --epochs {epochs}"]
    rest += [f"--set {shlex.quote(word)}" for word in settings_of(ward, rate)]
    train = tuning_command(_word(ward.file), ward.data, ward.root, schedule, rest)
    return f"{train}\nunlayered map tuned --chip {chip.name} --out remedied.npz"


def settings_of(ward: Ward, rate: float) -> list[str]:
    """What a tuning sets beside the flags: a rate that falls, no sample that ranks, and what the first training had."""
    from trainer.config import TrainConfig

    usual = TrainConfig().to_dict()
    said: dict[str, Any] = {"learning_rate": rate, "rate_schedule": "cosine", "keep": "last", "validation_share": SHARE}
    for name, value in ward.trained.items():
        if isinstance(value, dict):
            said |= {f"{name}.{key}": x for key, x in value.items() if x != usual[name][key]}
        elif value != usual[name]:
            said[name] = value
    return [f"{name}={value}" for name, value in said.items()]


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _searched(ward: Ward, chip: Chip, bits: int) -> MappedNetwork:
    floats = replace(ward.floats, schedule=ward.integers.schedule)
    return _mapped(integers_of(floats, chip, bits, ward.search, lambda done, total: None).network, chip)


def _tuned(ward: Ward, chip: Chip, bits: int, epochs: int, rate: float) -> MappedNetwork:
    from trainer.config import TrainConfig
    from trainer.fit import train
    from trainer.said import said_to

    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.npz"
        npz.save(ward.floats, start)
        schedule = ward.integers.schedule
        schedule = schedule if schedule.kind == "asynchronous" else Schedule("layered")  # as the flags say it
        root = "" if ward.root is None else str(ward.root)
        config = TrainConfig(data=ward.data, root=root, start=str(start), schedule=schedule)
        config = replace(config, weight_bits=bits, chip=chip.name, epochs=epochs)
        network = train(said_to(config, settings_of(ward, rate)), Path(folder) / "tuned")
        assert network.quantization is not None
        return _mapped(network.quantization.quantized(network.export()), chip)


def _mapped(network: QuantizedNetwork, chip: Chip) -> MappedNetwork:
    with Stages("remedy", ("quantize", "partition", "place", "check"), quiet=True) as stages:
        return map_whole(network, chip, MapOptions(allow_unsafe=True), None, stages).mapped
