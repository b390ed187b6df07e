"""A grid of trainings and tests on one data set: ``nmnist_like.py``, ``gesture_like.py`` and others run it.

Ten trainings with the same samples, epochs and number of settings tried, which are a learning rate and a price of a
spike; the validation split chooses among them, the test set chooses nothing. Each network is tested layered and under
four orders with F from 1 to all, then in 8 and in 4 bits on cores: layered on Loihi 1, else on Loihi 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import torch

from experiments.grid_measures import BUDGETS, STEPS, curve, decisions
from experiments.grid_training import (
    ALL,
    DEFAULTS,
    KINDS,
    LAYERED,
    ORDERS,
    Grid,
    chip_of,
    cores_of,
    data_of,
    mapped_of,
    trained,
)
from experiments.recordings import real_nmnist
from ir.check import TargetError, check_choice, require
from ir.encoder import body_of, spikes_of
from ir.network import Network
from ir.schedule import Schedule, group_of, group_word
from ir.stimulus import Stimulus
from sim_reference.compare.equality import equality
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run as run_integers
from trainer import run as run_floats
from trainer.kinds import check_kinds, known
from unlayered import api
from unlayered.costs import cost_of_run
from unlayered.experiments.definition import Job, Row

ON_LAVA = ("layered", "momentum", "order-free", "order-free, then drawn")
"""Whose networks run on Lava, too."""

OF_A_STAGE = ("seeds", "tried", "chosen", "settled", "cpu_s", "kinds", "lava_samples", "speakers")
"""Fields of a stage that say which jobs there are; a job itself has one value of each, or none."""


@dataclass(frozen=True)
class Stage:
    """How large the grid is: a small one first, the full one after it.

    Attributes:
        samples: to train on, validation among them. real_samples: real recordings to test on, at most 100 of MNIST's
            test part, whose images no training has seen, and 1,000 of its training part.
        cell_samples: of the test samples, the first so many for schedules whose samples are not kept; tables of all
            schedules are of these; 0 = all.
        tried: pairs [learning rate, price of a spike a neuron and time step], each a setting for every training.
        chosen: by kind, pairs of them that the validation split chose, or that others are compared with: other
            seeds than the first are trained with these alone; empty = with all.
        settled: name of the stage that made the choice: the first seed, too, is trained with what is chosen alone,
            of which a kind's first pair is that choice; empty = it is made here.
        speakers: each left out in turn, where the data are spoken.
        kinds: names of ``ALL``, most telling first; empty = all but the controls.
        lava_samples: how many of the test samples run on Lava, too, of those trainings in ``ON_LAVA`` whose last seed
            and first setting it is.
        cpu_s: planned for a job, measured on one of each kind.
    """

    samples: int
    epochs: int
    test_samples: int
    real_samples: int
    seeds: list[int]
    tried: list[list[float]]
    cpu_s: float
    kinds: list[str] = field(default_factory=list[str])
    chosen: dict[str, Any] = field(default_factory=dict[str, Any])
    settled: str = ""
    cell_samples: int = 0
    lava_samples: int = 0
    speakers: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        check_kinds(self)
        paired = bool(self.tried) and all(isinstance(x, list) and len(x) == 2 for x in self.tried)
        require(paired, f"tried is {self.tried!r}; give at least one pair [learning rate, price of a spike]")
        for kind, pairs in self.chosen.items():
            check_choice("chosen", kind, ALL)
            known = isinstance(pairs, list) and all(x in self.tried for x in pairs)
            require(known, f"chosen of {kind!r} is {pairs!r}; give pairs [rate, price] among those tried")
        missing = [kind for kind in self.trained if not self.chosen.get(kind)] if self.settled else []
        require(not missing, f"chosen has no pair for {', '.join(missing)}; a settled stage needs one for every kind")

    @property
    def trained(self) -> list[str]:
        """The kinds of this stage."""
        return self.kinds or list(KINDS)

    def settings(self, kind: str, seed: int) -> list[list[float]]:
        """The pairs [learning rate, price] that a kind is trained with."""
        first = seed == self.seeds[0] and not self.settled
        return self.tried if first else self.chosen.get(kind, self.tried)


def read(settings: dict[str, Any]) -> tuple[Grid, dict[str, Stage]]:
    """The settings of a file, checked."""
    shared = {name: value for name, value in settings.items() if name != "stages"}
    stages = {
        name: Stage(**known(found, Stage, f"settings: stages.{name}")) for name, found in settings["stages"].items()
    }
    for stage in stages.values():
        if stage.settled:
            check_choice("settled", stage.settled, tuple(stages))
    return Grid(**known(shared, Grid, "settings")), stages


def jobs(settings: dict[str, Any]) -> list[Job]:
    """A job a stage, seed, setting and kind; in a stage the first seed and the kinds in their order go first."""
    shared = {name: value for name, value in settings.items() if name not in ("stages", "bootstrap")}
    _, stages = read(settings)
    found: list[Job] = []
    for name, stage in stages.items():
        sizes = {k: v for k, v in vars(stage).items() if k not in OF_A_STAGE}
        choices = stage.seeds, range(len(stage.tried)), stage.trained, stage.speakers or [None]
        for seed, i, kind, speaker in product(*choices):
            pairs = stage.settings(kind, seed)
            if i >= len(pairs):
                continue
            rate, price = pairs[i]
            own = {"stage": name, "kind": kind, "learning_rate": rate, "price": price, "seed": seed}
            what = {**shared, **sizes, **own}
            if stage.lava_samples and kind in ON_LAVA and (seed, i) == (stage.seeds[-1], 0):
                what["lava_samples"] = stage.lava_samples
            told = f"{name}: {kind}, rate {rate:g}, price {price:g}, seed {seed}"
            if speaker is not None:
                what["speaker"], told = speaker, f"{told}, without speaker {speaker}"
            found.append(Job(told, what, stage.cpu_s, name))
    return found


def run(job: Job) -> list[Row]:
    """Train a network and test it under every schedule."""
    torch.set_num_threads(1)
    what = DEFAULTS | job.what
    whole, chosen_by = trained(job)
    network, test = body_of(whole), spikes_of(whole, data_of(what, "test"))
    splits = ("test", "train") if what["real"] and what["real_samples"] else ()
    real = {split: real_nmnist("nmnist", split, what["real_samples"]) for split in splits}
    own = own_cell(what)
    few = {own, "layered", *(f"{order}, F = {f}" for order in ORDERS for f in (1, what["F"], "all"))}
    some = test.select(np.arange(min(what["cell_samples"] or test.n_samples, test.n_samples)))
    cells = {}
    for name, at in schedules(what):
        samples = kept(what, name)
        cells[name] = cell(network, test if samples else some, at, samples)
    as_trained = dict(schedules(what))[own]
    row = {
        "seed": what["seed"],
        "validation": chosen_by,
        "own": own,
        "test": cells,
        **{
            f"real {split}": {name: cell(network, x, at, False) for name, at in schedules(what) if name in few}
            for split, x in real.items()
        },
        "mapped": {f"{bits} bits": on_chip(network, test, bits, as_trained) for bits in (8, 4)},
    }
    if "lava_samples" in what:
        row["lava"] = on_lava(network, test, what["lava_samples"], as_trained)
    return [row]


def schedules(what: dict[str, Any]) -> Iterator[tuple[str, Schedule]]:
    """Every test, by name."""
    yield "layered", LAYERED
    for name, order in ORDERS.items():
        for f in what["groups"]:
            yield f"{name}, F = {f}", replace(order, F=group_of(f))


def own_cell(what: dict[str, Any]) -> str:
    """The test under the schedule that a job trains for."""
    own = ALL[what["kind"]].own
    if own.kind == "layered":
        return "layered"
    (name,) = (name for name, order in ORDERS.items() if (order.order, order.scope) == (own.order, own.scope))
    return f"{name}, F = {group_word(what['F'])}"


def kept(what: dict[str, Any], name: str) -> bool:
    """Whether a test's samples are kept one by one: those that networks are compared by."""
    return name in (own_cell(what), "layered") or (what["kind"] == "layered" and name.endswith(f", F = {what['F']}"))


def cell(network: Network, stimulus: Stimulus, schedule: Schedule, samples: bool) -> dict[str, Any]:
    """What a network does under a schedule, and of each sample where asked."""
    cores = np.concatenate([np.full(len(part), i) for i, part in enumerate(cores_of(network))]).astype(np.int32)
    core_of_neuron = cores if schedule.scope == "core" else None
    trace = run_floats(network, stimulus, schedule, record=(), core_of_neuron=core_of_neuron)
    found = decisions(trace)
    density = found.drained_spikes.mean() / (network.n_neurons * stimulus.n_steps)
    said = {**found.means(), "density": round(float(density), 6)}
    if not samples:
        return said
    spent = {"curve": curve(trace, BUDGETS), "curve_steps": curve(trace, STEPS, by_steps=True)}
    return {**said, **spent, "samples": found.packed()}


def on_chip(network: Network, stimulus: Stimulus, bits: int, schedule: Schedule) -> dict[str, Any]:
    """The same in integers on a chip's cores, priced."""
    mapped = mapped_of(network, bits, chip_of(schedule))
    trace = run_integers(mapped, stimulus, schedule)
    cost, numbers = cost_of_run(mapped, trace, stimulus), statistics(trace)
    assert cost is not None
    return {
        "chip": chip_of(schedule),
        "accuracy": numbers.accuracy,
        "spikes": float(numbers.spikes_per_sample.mean()),
        "energy_pj": vars(cost.energy_pj),
        "time_ns": vars(cost.time_ns),
        "cores": len(mapped.cores),
    }


def on_lava(network: Network, stimulus: Stimulus, n_samples: int, schedule: Schedule) -> dict[str, Any]:
    """Some samples in 8 bits on Lava beside the reference, value by value, and what they cost; where Lava
    does not compute as the chip does, its sentence."""
    few = stimulus.select(np.arange(min(n_samples, stimulus.n_samples)))
    mapped = mapped_of(network, 8, chip_of(schedule))
    ours = api.run(mapped, few, schedule)
    try:
        theirs = api.run(mapped, few, schedule, on="lava")
    except (TargetError, ValueError) as error:
        return {"chip": chip_of(schedule), "refused": str(error)}
    found, cost = equality(ours, theirs), cost_of_run(mapped, ours, few)
    assert cost is not None
    return {**vars(found), "chip": chip_of(schedule), "energy_pj": vars(cost.energy_pj), "time_ns": vars(cost.time_ns)}
