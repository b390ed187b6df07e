"""A grid of trainings and tests on one data set: what ``nmnist_like.py`` and ``gesture_like.py`` run.

Seven trainings, each at each price of a spike, with the same samples, epochs and number of settings tried; the
validation split chooses among prices, the test set chooses nothing. Each network is tested layered and under four
orders with F from 1 to all, then in 8 and in 4 bits on Loihi 2's cores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.clockless_rows import on_cores
from experiments.grid_measures import BUDGETS, curve, decisions
from experiments.recordings import real_nmnist
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.schedule import Schedule, group_of, group_word
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from sim_reference.compare.statistics import statistics
from sim_reference.fast import run as run_integers
from stimuli.data_sets import DATA_SETS, load
from trainer import TrainConfig, train
from trainer import run as run_floats
from trainer.build import build_network
from trainer.engines.options import TrainingOptions
from trainer.kinds import check_kinds, known
from unlayered.costs import cost_of_run
from unlayered.experiments.definition import Job, Row

NEURONS_A_CORE = 32
NETWORKS = Path("runs") / "grid"
"""Where networks and checkpoints lie, a folder a job: a stopped training goes on from its last epoch."""

ORDERS = {
    "random": Schedule(order="random"),
    "momentum": Schedule(order="momentum"),
    "fifo": Schedule(order="fifo"),
    "per-core fifo": Schedule(order="fifo", scope="core"),
}
LAYERED = Schedule("layered", F=None)


@dataclass(frozen=True)
class Kind:
    """A way to train.

    Attributes:
        own: the schedule that the network is for.
        draws: F, and the order too.
    """

    own: Schedule
    draws: tuple[str, ...] = ()


KINDS = {
    "layered": Kind(LAYERED),
    **{name: Kind(schedule) for name, schedule in ORDERS.items()},
    "drawn F": Kind(ORDERS["momentum"], ("F",)),
    "drawn F and order": Kind(ORDERS["fifo"], ("F", "order")),
}


@dataclass(frozen=True)
class Stage:
    """How large the grid is: a small one first, the full one after it.

    Attributes:
        samples: to train on, validation among them. real_samples: real recordings to test on, at most 100 of MNIST's
            test part, whose images no training has seen, and 1,000 of its training part.
        prices: of a spike a neuron and time step: the settings tried for every training.
        kinds: names of ``KINDS``, most telling first; empty = all.
        cpu_s: planned for a job, measured on one of each kind.
    """

    samples: int
    epochs: int
    test_samples: int
    real_samples: int
    seeds: list[int]
    prices: list[float]
    cpu_s: float
    kinds: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        check_kinds(self)


@dataclass(frozen=True)
class Grid:
    """The settings that all stages share.

    Attributes:
        data: name of a data set. real: whether real recordings of it are tested, too.
    """

    data: str
    hidden: list[int]
    groups: list[Any]
    F: int = 8
    real: bool = False
    tau_mem_s: float = 1e-3
    loss: str = "rate"
    batch_size: int = 64
    learning_rate: float = 1e-3
    silent_gradient: str = "carried"
    refractory_dropout: float = 0.8
    refractory_dropout_decay: float = 1.0
    validation_share: float = 0.1
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        check_kinds(self)


def read(settings: dict[str, Any]) -> tuple[Grid, dict[str, Stage]]:
    """The settings of a file, checked."""
    shared = {name: value for name, value in settings.items() if name != "stages"}
    stages = {
        name: Stage(**known(found, Stage, f"settings: stages.{name}")) for name, found in settings["stages"].items()
    }
    return Grid(**known(shared, Grid, "settings")), stages


def jobs(settings: dict[str, Any]) -> list[Job]:
    """A job a stage, seed, price and kind; in a stage the first seed and the kinds in their order go first."""
    shared = {name: value for name, value in settings.items() if name not in ("stages", "bootstrap")}
    _, stages = read(settings)
    found: list[Job] = []
    for name, stage in stages.items():
        sizes = {k: v for k, v in vars(stage).items() if k not in ("seeds", "prices", "cpu_s", "kinds")}
        for seed in stage.seeds:
            for price in stage.prices:
                for kind in stage.kinds or KINDS:
                    what = {**shared, **sizes, "stage": name, "kind": kind, "price": price, "seed": seed}
                    told = f"{name}: {kind}, price {price:g}, seed {seed}"
                    found.append(Job(told, what, stage.cpu_s, name))
    return found


def configured(what: dict[str, Any], partition: str = "") -> TrainConfig:
    """How a job trains."""
    kind, epochs = KINDS[what["kind"]], what["epochs"]
    layered = kind.own.kind == "layered"
    escape = 0.0 if layered else what["refractory_dropout"]
    silent = "slots" if layered else what["silent_gradient"]
    noise = 1e-6 if kind.own.order == "momentum" and not layered else 0.0
    groups = tuple(map(group_of, what["groups"]))
    layers = tuple(map(str, [*what["hidden"], DATA_SETS[what["data"]].n_classes]))
    at = what["F"] if not kind.draws else min(f for f in groups if f is not None)
    return TrainConfig(
        data=what["data"], layers=layers, tau_mem_s=what["tau_mem_s"], loss=what["loss"], epochs=epochs,
        initial_density=0.1, limit=what["samples"], batch_size=what["batch_size"], learning_rate=what["learning_rate"],
        rate_schedule="cosine", weight_decay=1e-5, keep="last", validation_share=what["validation_share"],
        seed=what["seed"], spike_penalty=what["price"], spike_penalty_after=epochs // 4, partition=partition,
        schedule=kind.own if layered else replace(kind.own, F=what["F"]),
        f_curriculum=() if layered else ((0, 64), (epochs // 4, 16), (epochs // 2, at)),
        f_drawn=groups if "F" in kind.draws else (),
        order_drawn=("random", "momentum", "fifo") if "order" in kind.draws else (),
        refractory_dropout_decay=what["refractory_dropout_decay"],
        options=TrainingOptions(
            input_dropout=0.25, refractory_dropout=escape, silent_gradient=silent, momentum_noise=noise
        ),
    )  # fmt: skip


def cores_of(network: Any) -> list[np.ndarray]:
    """Neurons of each core: populations cut so that none holds more than ``NEURONS_A_CORE``."""
    return [part for p in network.populations for part in np.array_split(np.arange(p.n), -(-p.n // NEURONS_A_CORE))]


def mapped_of(network: Network, bits: int) -> MappedNetwork:
    """On Loihi 2, in so many bits."""
    integers = quantize(network, find_chip("loihi2"), bits)
    return on_cores(integers, find_chip("loihi2"), cores_of(integers))


def trained(job: Job) -> tuple[Network, dict[str, float]]:
    """The network of a job, and what the validation split says of it."""
    folder = NETWORKS / job.key
    folder.mkdir(parents=True, exist_ok=True)
    partition = ""
    if KINDS[job.what["kind"]].own.scope == "core":
        partition = str(folder / "partition.npz")
        npz.save(mapped_of(build_network(configured({**job.what, "kind": "fifo"})).export(), 8), partition)
    data = load(job.what["data"], None, "train", job.what["samples"], True, npz)
    network = train(configured(job.what, partition), folder, resume=True, stimulus=data).export()
    last = json.loads((folder / "metrics.json").read_text())[-1]
    return network, {"accuracy": last["accuracy"], "density": last["density"]}


def run(job: Job) -> list[Row]:
    """Train a network and test it under every schedule."""
    torch.set_num_threads(1)
    network, chosen_by = trained(job)
    test = load(job.what["data"], None, "test", job.what["test_samples"], True, npz)
    splits = ("test", "train") if job.what["real"] else ()
    real = {split: real_nmnist("nmnist", split, job.what["real_samples"]) for split in splits}
    own = own_cell(job.what)
    few = {own, "layered", *(f"{order}, F = {f}" for order in ORDERS for f in (1, job.what["F"], "all"))}
    cells = {name: cell(network, test, at, kept(job.what, name)) for name, at in schedules(job.what)}
    return [{
        "seed": job.what["seed"],
        "validation": chosen_by,
        "own": own,
        "test": cells,
        **{
            f"real {split}": {name: cell(network, x, at, False) for name, at in schedules(job.what) if name in few}
            for split, x in real.items()
        },
        "mapped": {f"{bits} bits": on_chip(network, test, bits, dict(schedules(job.what))[own]) for bits in (8, 4)},
    }]  # fmt: skip


def schedules(what: dict[str, Any]) -> Iterator[tuple[str, Schedule]]:
    """Every test, by name."""
    yield "layered", LAYERED
    for name, order in ORDERS.items():
        for f in what["groups"]:
            yield f"{name}, F = {f}", replace(order, F=group_of(f))


def own_cell(what: dict[str, Any]) -> str:
    """The test under the schedule that a job trains for."""
    own = KINDS[what["kind"]].own
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
    return {**said, "curve": curve(trace, BUDGETS), "samples": found.packed()} if samples else said


def on_chip(network: Network, stimulus: Stimulus, bits: int, schedule: Schedule) -> dict[str, Any]:
    """The same in integers on cores of Loihi 2, priced."""
    mapped = mapped_of(network, bits)
    trace = run_integers(mapped, stimulus, schedule)
    cost, numbers = cost_of_run(mapped, trace, stimulus), statistics(trace)
    assert cost is not None
    return {
        "accuracy": numbers.accuracy,
        "spikes": float(numbers.spikes_per_sample.mean()),
        "energy_pj": vars(cost.energy_pj),
        "time_ns": vars(cost.time_ns),
        "cores": len(mapped.cores),
    }
