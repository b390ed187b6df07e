"""The training loop, readable top to bottom: epochs, batches, validation, checkpoints that resume bit for bit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exchange import npz
from ir.check import FormatError, require
from ir.mapped import MappedNetwork
from ir.schedule import Schedule, key, stream
from ir.words import counted
from stimuli.own.data import Data
from trainer import order_free
from trainer.alike import digest_of, facts
from trainer.batches import augmented, batch_of, batches, pieces, split
from trainer.build import build_network
from trainer.config import TrainConfig
from trainer.data import Kind, Samples, training_data
from trainer.evaluation import Among, evaluate
from trainer.initial import scale_to_density
from trainer.kinds import groups_from
from trainer.network import SpikingNetwork
from trainer.optimizers import learning_rate, set_rate
from trainer.processes import agree, join, rank, wait_for_all, world
from trainer.quantize_aware import train_on_grid
from trainer.rules import RULES
from trainer.rules.blocks import check_together, one_thread
from trainer.train_folder import check_apart, clear_litter, from_checkpoint, keep, resumed

F_DRAW = 12
"""Purpose of the random stream that draws group sizes and orders."""

FOLLOWING = 15
"""Of the one that draws the small weights of an order-free network."""


@dataclass(frozen=True)
class Metrics:
    """One epoch in numbers.

    Attributes:
        accuracy: on held-out training samples, under the training schedule.
        density: spikes a neuron and time step.
        latency: mean forward steps a sample until drained.
    """

    epoch: int
    loss: float
    accuracy: float
    density: float
    latency: float
    samples_per_s: float


Report = Callable[[Metrics, int, int], None]
"""Called with the metrics so far, batches done and batches of the epoch."""


def train(
    config: TrainConfig,
    out: str | Path,
    resume: bool = False,
    report: Report | None = None,
    stimulus: Samples | None = None,
    kept: Callable[[int], None] | None = None,
) -> SpikingNetwork:
    """Train a network; ``out`` gets ``network.npz``, ``config.json``, ``metrics.json``, ``best.pt`` and ``last.pt``.

    Args:
        resume: go on from ``out/last.pt``; without one, begin. An earlier run that is not resumed stays whole until
            this one's first checkpoint takes its place.
        report: called after every batch and epoch, e.g. by a progress bar.
        stimulus: training data instead of ``config.data``'s: frames of its shape, or :class:`Data` of any.
        kept: called after every checkpoint with the number of epochs from which a run can be resumed.

    Returns:
        The network of the best epoch (``config.keep``).

    Raises:
        FormatError: data absent, or ``out`` holds another run's checkpoint, or a file that this one begins from.
    """
    out = Path(out)
    check_apart(out, config.start, config.partition)
    join()
    check_together(config.rule, RULES[config.rule])
    config, data, kind = training_data(config, stimulus)
    fit_set, held_out = split(data, config)
    with one_thread() if config.same_bits else nullcontext():
        network = prepared(config, fit_set, kind)
    if world() > 1:
        agree(facts(config, fit_set, network))
    optimizer = RULES[config.rule].optimizer(network, config)
    history: list[Metrics] = []
    if _is_first_process():
        out.mkdir(parents=True, exist_ok=True)
        clear_litter(out)
    if resume:
        history = [Metrics(**m) for m in resumed(out, network, optimizer, config)]
    writer = _tensorboard(out) if config.tensorboard and _is_first_process() else None
    for epoch in range(len(history), config.epochs):
        if has_stalled(history, config):
            break
        metrics = run_epoch(network, optimizer, fit_set, held_out, config, epoch, report)
        history.append(metrics)
        if world() > 1 and not getattr(RULES[config.rule], "by_blocks", False):  # a rule of one's own may be mistaken
            agree({f"weights after epoch {epoch}": digest_of(network)})
        if _is_first_process():
            keep(out, network, optimizer, config, [asdict(m) for m in history])
        wait_for_all()
        if kept is not None:
            kept(len(history))
        if writer is not None:
            for name, value in asdict(metrics).items():
                writer.add_scalar(name, value, epoch)
    return finished(network, out, config)


def has_stalled(history: list[Metrics], config: TrainConfig) -> bool:
    """Whether the last ``patience`` epochs brought no better accuracy."""
    if not config.patience or not history:
        return False
    return history[-1].epoch - max(history, key=lambda m: m.accuracy).epoch >= config.patience


def check_device(device: str) -> None:
    """Raise unless torch sees the device."""
    n = torch.cuda.device_count()
    known = device == "cpu" or int(device.partition(":")[2] or 0) < n
    seen = f"{counted(n, 'GPU')}, numbered from 0" if n else "no GPU"
    require(known, f"device is {device!r} and torch sees {seen}; use {'another, or ' if n else ''}'cpu'")


def prepared(config: TrainConfig, data: Samples, kind: Kind | None = None) -> SpikingNetwork:
    """The network before training: scaled to fire, on the chip's grid, in its cores where the configuration says so."""
    check_device(config.device)
    network = build_network(config, kind).to(config.device)
    if config.initial_density:
        scale_to_density(network, data, config.initial_density)
    if config.order_free:
        density = config.initial_density or order_free.DENSITY
        order_free.begin(network, data, density, config.v_threshold, stream(config.seed, FOLLOWING) % (1 << 63))
    if config.weight_bits:
        train_on_grid(network, config.chip, config.weight_bits)
    if config.partition:
        mapped = npz.load(config.partition, MappedNetwork)
        theirs, ours = [p.n for p in mapped.network.populations], [n for _, n in network.plan().populations()]
        require(theirs == ours, f"{config.partition} maps populations of {theirs} neurons, this network has {ours}")
        network.core_of_neuron = mapped.core_of_neuron
    return network


def finished(network: SpikingNetwork, out: Path, config: TrainConfig) -> SpikingNetwork:
    """The network of the best (or last) epoch, saved as it leaves the trainer."""
    from_checkpoint(out / f"{config.keep}.pt", network, None, config)
    network.eval()
    if _is_first_process():
        npz.save(network.export(), out / "network.npz")
        if network.quantization is not None:
            npz.save(network.quantization.quantized(network.export()), out / "quantized.npz")
    wait_for_all()
    return network


def schedule_of(config: TrainConfig, epoch: int, batch: int) -> Schedule:
    """The schedule of one batch: a seed an epoch, F by curriculum or drawn, order drawn where several are given."""
    seed = int(key(config.seed, epoch, 0, 0, 0))
    f, order, draws = config.f_at(epoch), config.schedule.order, stream(config.seed, F_DRAW)
    if config.f_drawn:
        among = groups_from(f, config.f_drawn) if config.f_curriculum else config.f_drawn
        f = among[int(key(draws, epoch, batch, 0, 0)) % len(among)]
    if config.order_drawn:
        order = config.order_drawn[int(key(draws, epoch, batch, 1, 0)) % len(config.order_drawn)]
    return replace(config.schedule, F=f, order=order, seed=seed)


def run_epoch(
    network: SpikingNetwork,
    optimizer: torch.optim.Optimizer,
    fit_set: Samples,
    held_out: Samples,
    config: TrainConfig,
    epoch: int,
    report: Report | None,
) -> Metrics:
    """Train once over the data, then validate."""
    begin, total, seen = time.perf_counter(), 0.0, 0
    n_batches = -(-fit_set.n_samples // config.batch_size)
    network.train()
    config = replace(config, options=config.options_at(epoch))
    changing = config.rate_schedule != "constant" or config.warmup_epochs > 0
    for i, index in enumerate(batches(fit_set.n_samples, config, epoch)):
        if changing:
            set_rate(optimizer, learning_rate(config, epoch + (i + 0.5) / n_batches))
        whole = min(config.batch_size, fit_set.n_samples - i * config.batch_size)
        loss = run_batch(network, optimizer, fit_set, index, config, (epoch, i), whole)
        total, seen = total + loss * whole, seen + whole
        if report is not None:
            speed = seen / (time.perf_counter() - begin)
            report(Metrics(epoch, total / seen, float("nan"), float("nan"), float("nan"), speed), i + 1, n_batches)
    if changing:
        set_rate(optimizer, config.learning_rate)  # as a checkpoint keeps it
    speed = seen / (time.perf_counter() - begin)
    most = config.batch_size if isinstance(held_out, Data) else 256  # what is read piece by piece does not fit memory
    schedule = replace(config.schedule, F=config.f_at(config.epochs - 1))
    among = Among.SAME_BITS if config.same_bits else Among.ALL
    judged = evaluate(network, held_out, schedule, config.engine, most, config.truncate, among)
    metrics = Metrics(epoch, total / max(seen, 1), *judged, speed)
    if report is not None:
        report(metrics, n_batches, n_batches)
    return metrics


def run_batch(
    network: SpikingNetwork,
    optimizer: torch.optim.Optimizer,
    data: Samples,
    index: np.ndarray,
    config: TrainConfig,
    at: tuple[int, int],
    whole: int,
) -> float:
    """Train on a batch, piece by piece in time where the configuration truncates; the mean loss of a time step.

    Args:
        at: epoch and number of the batch.
        whole: samples of the batch, of which this process has those at ``index``.
    """
    epoch, total, states = at[0], 0.0, ()
    for steps in pieces(data.n_steps, config.truncate):
        batch = batch_of(data, index, steps if config.truncate else None)
        batch = augmented(batch, config, epoch, network.data_shape).to(network.device)
        batch = replace(batch, states=states, whole=whole)
        schedule = schedule_of(config, *at)
        loss, states = RULES[config.rule].step(network, optimizer, batch, schedule, config, epoch)
        if config.is_order_free(epoch):
            order_free.restrict(network)
        total += loss * max(len(steps), 1)
    return total / max(data.n_steps, 1)


def _is_first_process() -> bool:
    return rank() == 0


def _tensorboard(out: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError as error:
        raise FormatError(
            "TensorBoard is not installed; pip install tensorboard, or leave --tensorboard out"
        ) from error
    return SummaryWriter(os.fspath(out))
