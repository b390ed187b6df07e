"""How the networks of a grid are trained, each for its own schedule, and cut onto cores."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from exchange.chip_toml import find_chip
from experiments.clockless_rows import on_cores
from ir.connection import Dense
from ir.encoder import body_of
from ir.mapped import MappedNetwork
from ir.network import Network, Projection
from ir.schedule import Schedule, group_of
from ir.stimulus import Stimulus
from mapper.quantize import quantize
from stimuli.data_sets import DATA_SETS, load
from stimuli.spoken import recordings
from trainer import TrainConfig, train
from trainer.build import build_network
from trainer.engines.options import TrainingOptions
from trainer.fit import prepared
from trainer.kinds import check_kinds
from unlayered.experiments.definition import Job
from unlayered.experiments.running import commit_of

NEURONS_A_CORE = 32
NETWORKS = Path("runs") / "grid"
"""Where networks and checkpoints lie, a folder a job and commit: a stopped training goes on from its last epoch."""

BACK = 4.0
"""Times 1 / n: the largest of the weights by which n neurons feed back where training begins."""

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
        dropped: trained layered at first, so many of the spikes dropped on their way; ``own`` only for the last quarter
            of the epochs.
        order_free: trained layered under weights that keep every schedule alike (``TrainConfig.order_free``).
        begins_order_free: for the first half of the epochs alone, then for ``own`` and what is drawn.
        early: to decide early: the loss weighs output spikes less, the more forward steps came before their time step.
    """

    own: Schedule
    draws: tuple[str, ...] = ()
    dropped: float = 0.0
    order_free: bool = False
    begins_order_free: bool = False
    early: bool = False

    @property
    def layered(self) -> bool:
        """Whether it is trained layer by layer."""
        return self.order_free or self.own.kind == "layered"


KINDS = {
    "layered": Kind(LAYERED),
    **{name: Kind(schedule) for name, schedule in ORDERS.items()},
    "drawn F": Kind(ORDERS["momentum"], ("F",)),
    "drawn F and order": Kind(ORDERS["fifo"], ("F", "order")),
    "order-free": Kind(ORDERS["momentum"], order_free=True),
    "order-free, then drawn": Kind(ORDERS["fifo"], ("F", "order"), begins_order_free=True),
    "per-core fifo, early": Kind(ORDERS["per-core fifo"], early=True),
}
CONTROLS = {f"{p:g} dropped, then random": Kind(ORDERS["random"], dropped=p) for p in (0.2, 0.8)}
"""Is it asynchrony or regularization? Only where a stage names them."""
ALL = KINDS | CONTROLS


@dataclass(frozen=True)
class Grid:
    """The settings that all stages share.

    Attributes:
        data: name of a data set. real: whether real recordings of it are tested, too.
        hidden: sizes and kinds of the layers before the last, as ``TrainConfig.layers`` names them. encoder: so many of
            them run on the host and take currents; everything else sees their spikes.
        recurrent: whether hidden populations feed back on themselves.
        initial_density: spikes a neuron and time step where training begins. train_threshold: whether each neuron
            learns its threshold. input_dropout: share of the input spikes that training leaves out. gradient_norm: the
            longest gradient of a batch; 0 = any.
    """

    data: str
    hidden: list[Any]
    groups: list[Any]
    encoder: int = 0
    F: int = 8
    real: bool = False
    recurrent: bool = False
    tau_mem_s: float = 1e-3
    loss: str = "rate"
    batch_size: int = 64
    initial_density: float = 0.1
    train_threshold: bool = True
    input_dropout: float = 0.25
    gradient_norm: float = 0.0
    silent_gradient: str = "carried"
    refractory_dropout: float = 0.8
    refractory_dropout_decay: float = 1.0
    validation_share: float = 0.1
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        check_kinds(self)


DEFAULTS = {x.name: x.default for x in fields(Grid) if x.default is not MISSING}
"""Of settings that a file may leave out."""


def configured(what: dict[str, Any], partition: str = "") -> TrainConfig:
    """How a job trains."""
    what = DEFAULTS | what
    kind, epochs = ALL[what["kind"]], what["epochs"]
    layered = kind.layered
    escape = 0.0 if layered else what["refractory_dropout"]
    silent = "slots" if layered else what["silent_gradient"]
    noise = 1e-6 if kind.own.order == "momentum" and not layered else 0.0
    groups = tuple(map(group_of, what["groups"]))
    layers = tuple(map(str, [*what["hidden"], DATA_SETS[what["data"]].n_classes]))
    free = epochs // 2 if kind.begins_order_free else 0
    return TrainConfig(
        data=what["data"], layers=layers, encoder=what["encoder"], tau_mem_s=what["tau_mem_s"],
        initial_density=what["initial_density"], keep="last", seed=what["seed"],
        train_threshold=what["train_threshold"], per_neuron=what["train_threshold"],
        limit=what["samples"], validation_share=what["validation_share"], epochs=epochs, batch_size=what["batch_size"],
        learning_rate=what["learning_rate"], rate_schedule="cosine", weight_decay=1e-5,
        loss="early" if kind.early else what["loss"], gradient_norm=what["gradient_norm"],
        spike_penalty=what["price"], spike_penalty_after=free or epochs // 4, partition=partition,
        schedule=LAYERED if layered else replace(kind.own, F=what["F"]),
        f_curriculum=() if layered else _curriculum(what), f_drawn=groups if "F" in kind.draws else (),
        order_drawn=("random", "momentum", "fifo") if "order" in kind.draws else (),
        order_free=kind.order_free or kind.begins_order_free, order_free_epochs=free,
        refractory_dropout_decay=what["refractory_dropout_decay"],
        options=TrainingOptions(
            input_dropout=what["input_dropout"], refractory_dropout=escape, silent_gradient=silent,
            momentum_noise=noise,
        ),
    )  # fmt: skip


def _curriculum(what: dict[str, Any]) -> tuple[tuple[int, int | None], ...]:
    """F by epoch: all that waits at first, so that every neuron begins to spike, then less and less."""
    kind, epochs = ALL[what["kind"]], what["epochs"]
    if not kind.draws:
        return (0, None), (epochs // 5, 16), (2 * epochs // 5, what["F"])
    least = min(f for f in map(group_of, what["groups"]) if f is not None)
    if kind.begins_order_free:
        return (0, None), (epochs // 2, least)
    return (0, None), (epochs // 2, 16), (6 * epochs // 10, what["F"]), (7 * epochs // 10, least)


def data_of(what: dict[str, Any], split: str) -> Stimulus:
    """The samples of a job, ``train`` or ``test``; of a speaker left out where the job names one."""
    n = what["samples"] if split == "train" else what["test_samples"]
    if "speaker" not in what:
        return load(what["data"], None, split, n, store=npz)
    found = recordings()
    which = found.left_out(what["speaker"])[split == "test"]
    some = np.sort(np.random.default_rng(0).permutation(len(which))[: n or len(which)])
    return found.frames(which[some], DATA_SETS[what["data"]].n_steps)


def _with_loops(config: TrainConfig, data: Stimulus, path: Path) -> TrainConfig:
    """The same training of a network whose hidden populations feed back on themselves, by weights drawn small."""
    frozen, rng = prepared(config, data).export(), np.random.default_rng(config.seed)
    hidden = [p for p in frozen.populations if p.name != frozen.output]
    drawn = [rng.uniform(-1, 1, (p.n, p.n)).astype(np.float32) * np.float32(BACK / p.n) for p in hidden]
    loops = tuple(Projection(p.name, p.name, Dense(weight)) for p, weight in zip(hidden, drawn))
    npz.save(replace(frozen, projections=(*frozen.projections, *loops)), path)
    return _from(config, path)


def _from(config: TrainConfig, start: Path) -> TrainConfig:
    """The same training of a network that is there; it brings its own layers and neurons."""
    own = {name: getattr(TrainConfig(), name) for name in ("layers", "tau_mem_s", "initial_density")}
    return replace(config, **own, start=str(start))


def _fine_tuning(what: dict[str, Any], config: TrainConfig, before: Path, data: Stimulus) -> TrainConfig:
    """The last quarter of a control's epochs, once the others have been trained layered with dropped spikes; either
    part's learning rate falls from the same height."""
    last = max(what["epochs"] // 4, 1)
    layered = configured({**what, "kind": "layered", "epochs": max(what["epochs"] - last, 1)})
    options = replace(layered.options, spike_dropout=ALL[what["kind"]].dropped)
    layered = replace(layered, options=options)
    if what.get("recurrent"):
        layered = _with_loops(layered, data, before.with_name("start.npz"))
    train(layered, before, resume=True, stimulus=data)
    return replace(_from(config, before), epochs=last, f_curriculum=(), spike_penalty_after=0)


def cores_of(network: Any) -> list[np.ndarray]:
    """Neurons of each core: populations cut so that none holds more than ``NEURONS_A_CORE``."""
    return [part for p in network.populations for part in np.array_split(np.arange(p.n), -(-p.n // NEURONS_A_CORE))]


def mapped_of(network: Network, bits: int, chip: str = "loihi2") -> MappedNetwork:
    """On a chip's cores, in so many bits."""
    integers = quantize(network, find_chip(chip), bits)
    return on_cores(integers, find_chip(chip), cores_of(integers))


def chip_of(schedule: Schedule) -> str:
    """The chip that a schedule is run on: Loihi 1, which has no other, where it is layered."""
    return "loihi1" if schedule.kind == "layered" else "loihi2"


def folder_of(job: Job) -> Path:
    """Of a job's network; another commit may train another one."""
    commit = commit_of(Path(__file__))
    return NETWORKS / f"{job.key}-{commit[:9]}{'+' * commit.endswith('+')}"


def trained(job: Job) -> tuple[Network, dict[str, float]]:
    """The network of a job, and what the validation split says of it."""
    folder, kind = folder_of(job), ALL[job.what["kind"]]
    folder.mkdir(parents=True, exist_ok=True)
    partition = ""
    if kind.own.scope == "core":
        partition = str(folder / "partition.npz")
        unmapped = build_network(configured({**job.what, "kind": "fifo"})).export()
        npz.save(mapped_of(body_of(unmapped), 8), partition)
    data = data_of(job.what, "train")
    config = configured(job.what, partition)
    if kind.dropped:
        config = _fine_tuning(job.what, config, folder / "before", data)
    elif job.what.get("recurrent"):
        config = _with_loops(config, data, folder / "start.npz")
    network = train(config, folder, resume=True, stimulus=data).export()
    last = json.loads((folder / "metrics.json").read_text())[-1]
    return network, {"accuracy": last["accuracy"], "density": last["density"]}
