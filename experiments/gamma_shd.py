"""Spoken digits of a speaker left out: SpikingGamma trained without a pass back in time beside LIF with surrogate
gradients; what a training step takes; and networks tested at another time step than their own.

Leave one of six speakers out: five speakers' 2,500 recordings to train on, 500 of the sixth to test. The networks are
of the preset spiking-gamma-shd, LIF of as many hidden neurons, feed-forward or recurrent. ``unlayered experiments run
experiments/gamma_shd.py`` runs what has no rows yet.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.gamma_shd_price import PRICED, priced
from experiments.gamma_shd_tables import parts
from ir.network import Network
from ir.neurons import SpikingGamma
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.time_step import at_time_step
from stimuli.spoken import SECONDS, Recordings, recordings
from trainer.batches import batch_of, batches
from trainer.config import TrainConfig, preset
from trainer.evaluation import decide
from trainer.fit import prepared, run_batch
from trainer.initial import scale_to_density
from trainer.kinds import check_kinds, known
from trainer.network import SpikingNetwork
from trainer.neuron import LIF
from trainer.optimizers import learning_rate, set_rate
from trainer.rules import RULES
from trainer.trainable import TrainableNetwork
from unlayered.experiments.definition import Job, Row

__all__ = ["jobs", "parts", "run"]

LAYERED = Schedule("layered")
COARSE, FINE = 100, 1000
"""Time steps of a recording."""

GAMMA = preset("spiking-gamma-shd")
BOTH = "SpikingGamma, trained at both"
NETWORKS = {"SpikingGamma": "trace", BOTH: "trace", "LIF": "surrogate", "recurrent LIF": "surrogate"}
"""Each network and the rule that trains it; ``BOTH``: one in fine and in coarse time steps, a batch in turn."""

LIF_RATE, LIF_DENSITY = 5e-3, 0.03
TAU_S, READOUT_TAU_S, BACK = 0.02, 0.5, 0.5
"""Of LIF: time constants where training begins, which learn; the size of recurrent weights, times sqrt(n), there."""

CPU_S = {"SpikingGamma": 7e-6, BOTH: 4e-6, "LIF": 2e-6, "recurrent LIF": 2.4e-6}
"""Planned for a training sample, time step and epoch."""

AT_ONCE = 250
"""Recordings of a test that are run together."""


@dataclass(frozen=True)
class Spoken:
    """The settings of ``gamma_shd.toml``."""

    epochs: int = 12
    fine_epochs: int = 6
    samples: int = 0
    test_samples: int = 0
    hidden: int = 64
    priced_samples: int = 50
    seeds: list[int] = field(default_factory=list[int])
    speakers: list[int] = field(default_factory=list[int])
    priced_steps: list[int] = field(default_factory=list[int])


def jobs(settings: dict[str, Any]) -> list[Job]:
    """What a training step takes; then each speaker left out, the first seed and the coarse time step first."""
    ours = Spoken(**known(settings, Spoken, "gamma_shd.toml"))
    check_kinds(ours)
    found = [
        Job(f"price of {name}, {n} steps", {"priced": name, "n_steps": n, "samples": ours.priced_samples,
            "hidden": ours.hidden}, 1e-5 * n * ours.priced_samples, "prices")
        for name in PRICED for n in ours.priced_steps
    ]  # fmt: skip
    gamma, others = "SpikingGamma", ("LIF", "recurrent LIF")
    for seed in ours.seeds:
        rows = [(gamma, COARSE, s) for s in ours.speakers]
        rows += [(name, COARSE, s) for s in ours.speakers[:1] for name in others]
        rows += [(gamma, FINE, s) for s in ours.speakers[:1]]
        rows += [(name, COARSE, s) for s in ours.speakers[1:] for name in others]
        rows += [(gamma, FINE, s) for s in ours.speakers[1:]]
        rows += [(name, FINE, s) for s in ours.speakers for name in others]
        rows += [(BOTH, FINE, s) for s in ours.speakers]
        found += [_training(ours, name, n_steps, speaker, seed) for name, n_steps, speaker in rows]
    return found


def _training(ours: Spoken, name: str, n_steps: int, speaker: int, seed: int) -> Job:
    epochs = ours.epochs if n_steps == COARSE else ours.fine_epochs * (2 if name == BOTH else 1)
    what = {"network": name, "n_steps": n_steps, "speaker": speaker, "seed": seed, "epochs": epochs}
    what |= {"samples": ours.samples, "test_samples": ours.test_samples, "hidden": ours.hidden}
    what |= {"config": _plain(asdict(config_of(name, n_steps, ours.hidden, epochs, seed)))}
    cpu_s = CPU_S[name] * (ours.samples or 2500) * n_steps * epochs
    return Job(f"{name}, {n_steps} steps, without speaker {speaker}, seed {seed}", what, cpu_s, f"{n_steps} steps")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration a result depends on, as JSON has it."""
    left = (
        "layers",
        "seed",
        "epochs",
        "schedule",
        "options",
        "root",
        "data_options",
        "device",
        "engine",
        "tensorboard",
        "same_bits",
    )
    off = ("order_free", "order_free_epochs", "gradient_norm")  # came after the first rows, whose keys stay as they are
    kept = {name: value for name, value in values.items() if name not in left and not (name in off and not value)}
    return {name: value for name, value in kept.items() if not isinstance(value, tuple)}


def config_of(name: str, n_steps: int, hidden: int, epochs: int, seed: int) -> TrainConfig:
    """The preset, or LIF in its place; the loss is that of the same tenths of a second at each time step."""
    data = "shd-like" if n_steps == COARSE else "shd-like-1000"
    here = {"data": data, "layers": (str(hidden), "10"), "epochs": epochs, "seed": seed}
    here |= {"loss_steps": GAMMA.loss_steps * n_steps // COARSE, "rule": NETWORKS[name]}
    if NETWORKS[name] == "trace":
        return replace(GAMMA, **here)
    lif = {"neuron": "lif", "gamma": TrainConfig().gamma, "tau_mem_s": TAU_S, "train_tau": True, "per_neuron": True}
    return replace(GAMMA, learning_rate=LIF_RATE, initial_density=LIF_DENSITY, **lif, **here)


def begun(name: str, config: TrainConfig, coarse: Stimulus) -> SpikingNetwork:
    """The network before training, scaled to fire on recordings in coarse time steps, whatever its own time step."""
    gamma = NETWORKS[name] == "trace"
    if gamma:
        network = prepared(replace(config, data="shd-like"), coarse)
    else:
        network = lif_network(int(config.layers[0]), config.seed, name == "recurrent LIF")
        scale_to_density(network, coarse, config.initial_density)
        _feed_back(network, config.seed)
    if config.data == "shd-like":
        return network
    if gamma:
        other = prepared(replace(config, initial_density=0.0), coarse)
    else:
        other = lif_network(int(config.layers[0]), config.seed, name == "recurrent LIF", SECONDS / FINE)
    with torch.no_grad():
        for here, there in zip(other.parameters(), network.parameters()):
            here.copy_(there)
    return other


def lif_network(n: int, seed: int, recurrent: bool, dt_s: float = SECONDS / COARSE) -> SpikingNetwork:
    """70-n-10 of LIF, time constants one a neuron; the readout's are longer. Recurrent weights begin at 0."""
    torch.manual_seed(seed)
    layers: list[tuple[str, str, nn.Module]] = [
        ("input", "hidden", nn.Sequential(nn.Flatten(), nn.Linear(70, n, bias=False)))
    ]
    if recurrent:
        layers.append(("hidden", "hidden", nn.Linear(n, n, bias=False)))
        nn.init.zeros_(layers[-1][2].weight)  # type: ignore[arg-type]
    layers.append(("hidden", "out", nn.Linear(n, 10, bias=False)))
    learning: dict[str, Any] = {"train_tau": True, "per_neuron": True}
    neurons = {"hidden": LIF(TAU_S, 1.0, **learning), "out": LIF(READOUT_TAU_S, None, **learning)}
    return SpikingNetwork({"input": (1, 70)}, neurons, layers, dt_s=dt_s, schedule=LAYERED)


def _feed_back(network: SpikingNetwork, seed: int) -> None:
    """Draw recurrent weights, where there are some."""
    random = torch.Generator().manual_seed(seed)
    for (pre, post), layer in zip(network.ends, network.layers):
        if pre == post:
            assert isinstance(layer, nn.Linear)
            bound = BACK / layer.in_features**0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=random)


def run(job: Job) -> list[Row]:
    """Train a network and test it at both time steps, or measure what a training step takes; one row."""
    torch.set_num_threads(1)
    what = job.what
    if "priced" in what:
        return [{"seed": 0, **priced(what["priced"], what["n_steps"], what["samples"], what["hidden"])}]
    found = recordings()
    learn, test = found.left_out(what["speaker"])
    learn, test = learn[: what["samples"] or None], test[: what["test_samples"] or None]
    config = config_of(what["network"], what["n_steps"], what["hidden"], what["epochs"], what["seed"])
    network = trained(what["network"], config, found, learn, what["n_steps"])
    return [{"seed": what["seed"], "parameters": sum(p.numel() for p in network.parameters()),
             **tested(network, found, test, what["network"] == "recurrent LIF")}]  # fmt: skip


def trained(name: str, config: TrainConfig, found: Recordings, learn: np.ndarray, n_steps: int) -> SpikingNetwork:
    """The loop of ``trainer.fit`` without a part held out: recordings of the same speakers say little of another."""
    network = begun(name, config, found.frames(learn[:256], COARSE))
    turns = [(network, found.frames(learn, n_steps), config)]
    if name == BOTH:
        coarse = config_of(name, COARSE, int(config.layers[0]), config.epochs, config.seed)
        turns.append((begun(name, coarse, found.frames(learn[:256], COARSE)), found.frames(learn, COARSE), coarse))
        share(network, turns[1][0])
    optimizer = RULES[config.rule].optimizer(network, config)
    n_batches = -(-len(learn) // config.batch_size)
    for epoch in range(config.epochs):
        for i, index in enumerate(batches(len(learn), config, epoch)):
            set_rate(optimizer, learning_rate(config, epoch + (i + 0.5) / n_batches))
            one, data, settings = turns[(epoch * n_batches + i) % len(turns)]
            run_batch(one.train(), optimizer, data, index, settings, (epoch, i), len(index))
    return network.eval()


def share(network: SpikingNetwork, other: SpikingNetwork) -> None:
    """Give another network the very parameters of one: what one learns, the other has."""
    for ours, theirs in zip(network.modules(), other.modules()):
        for name, parameter in ours.named_parameters(recurse=False):
            setattr(theirs, name, parameter)


def tested(network: SpikingNetwork, found: Recordings, test: np.ndarray, own_only: bool) -> Row:
    """At its own time step and, where it has a meaning there, at the other: what is right, one 0 or 1 a recording,
    and hidden spikes a recording."""
    frozen, row = network.export(), {}
    for n_steps in (COARSE, FINE):
        dt_s = SECONDS / n_steps
        same = abs(frozen.dt_s / dt_s - 1) < 1e-6
        if own_only and not same:
            continue
        data = found.frames(test, n_steps)
        for lags in (False,) if same or not has_lags(frozen) else (False, True):
            here = TrainableNetwork(frozen if same else at_time_step(frozen, dt_s, lags), LAYERED)
            right, spikes = answers(here, data)
            at = f"{n_steps}{', lags kept' if lags else ''}"
            row |= {f"right at {at}": "".join(map(str, right)), f"spikes at {at}": round(spikes, 2)}
            row |= {f"accuracy at {at}": sum(right) / max(len(right), 1)}
    return row


def has_lags(network: Network) -> bool:
    """Whether its neurons are filters of several buckets."""
    return any(isinstance(p.neuron, SpikingGamma) for p in network.populations)


@torch.no_grad()
def answers(network: SpikingNetwork, data: Stimulus) -> tuple[list[int], float]:
    """Which recordings are decided right, by the readout's last membranes; spikes a recording."""
    right: list[int] = []
    spikes = 0.0
    for start in range(0, data.n_samples, AT_ONCE):
        batch = batch_of(data, np.arange(start, min(start + AT_ONCE, data.n_samples)))
        result = network(batch.frames, LAYERED, batch.ids)
        decided: Tensor = decide(result, network.plan())
        right += (decided == batch.labels).int().tolist()
        spikes += float(result.counts.sum())
    return right, spikes / max(data.n_samples, 1)
