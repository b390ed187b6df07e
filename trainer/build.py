"""From the words of a configuration to a network with initial weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from exchange.open import open_network
from ir.check import require, within
from ir.encoder import with_encoder
from ir.network import Network
from ir.schedule import stream
from ir.words import counted
from trainer.config import TrainConfig
from trainer.data import Kind, kind_of
from trainer.linear_map import SumPool2d, fold
from trainer.network import SpikingNetwork
from trainer.neuron import LIF, NeuronModule
from trainer.pooling import fold_pooling, pools
from trainer.trainable import TrainableNetwork

POOLINGS: dict[str, Callable[[int], nn.Module]] = {
    "avgpool": nn.AvgPool2d,
    "sumpool": SumPool2d,
    "maxpool": nn.MaxPool2d,
}
"""Words of layers without neurons after them; the largest of spikes has some of its own."""

NEURONS = 14
"""Purpose of the random stream that draws neurons' own numbers where training begins."""

MAX_WEIGHTS = 1 << 31
"""Most weights of one dense layer: 8 GB, more than training holds in memory."""


def build_network(config: TrainConfig, kind: Kind | None = None) -> SpikingNetwork:
    """Build the network; weights follow from ``config.seed``.

    Args:
        kind: of the data; None = ``config.data``'s.
    """
    data = kind_of(config) if kind is None else kind
    if config.start:
        return _started(config, data)
    modules: list[nn.Module] = []
    shape: tuple[int, ...] = data.input_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        for i, word in enumerate(config.layers):
            layers, fires = _layer(word, shape)
            modules += layers
            folded = fold_pooling if any(map(pools, layers)) else fold
            shape = folded(nn.Sequential(*layers), shape, torch.empty(0)).out_shape
            if any(map(pools, layers)):
                continue  # a population of its own
            if fires or i == len(config.layers) - 1:
                readout = config.loss == "membrane" and i == len(config.layers) - 1
                modules.append(_neuron(config, readout, data.dt_s))
    n = int(torch.Size(shape).numel())
    require(
        n == data.n_classes,
        f"the last layer has {counted(n, 'neuron')}; data set {config.data!r} has {data.n_classes} classes",
    )
    how: dict[str, Any] = {"dt_s": data.dt_s, "schedule": config.schedule, "encoder": config.encoder}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(config.seed, NEURONS) % (1 << 63))  # bucket weights are drawn, one set a neuron
        return SpikingNetwork.sequential(data.input_shape, *modules, **how)


def _started(config: TrainConfig, data: Kind) -> SpikingNetwork:
    """The network that training goes on from."""
    path = Path(config.start)
    opened = open_network(path / "network.npz" if path.is_dir() else path)
    with within(str(path)):
        if config.encoder and isinstance(opened, Network) and opened.encoder is None:
            opened = with_encoder(opened, config.encoder)
        network = TrainableNetwork(opened, config.schedule, config.train_threshold, config.per_neuron)
    n, out = network.frozen.n_data, math.prod(network.shapes[network.output])
    width, classes = math.prod(data.input_shape), data.n_classes
    require(
        (n, out) == (width, classes),
        f"{path} has {counted(n, 'input')} and {counted(out, 'output neuron')}; data {config.data!r} have "
        f"{counted(width, 'value')} a frame and {counted(classes, 'class')}; choose data of its size",
    )
    return network


def _neuron(config: TrainConfig, readout: bool, dt_s: float) -> NeuronModule:
    threshold = None if readout else config.v_threshold
    if config.neuron == "spiking_gamma":
        return config.gamma.neuron(dt_s, threshold, config.train_tau)
    return LIF(
        config.tau_mem_s,
        threshold,
        config.tau_syn_s or None,
        config.reset,
        train_threshold=config.train_threshold,
        train_tau=config.train_tau,
        train_tau_syn=config.train_tau_syn,
        per_neuron=config.per_neuron,
    )


def _layer(word: str, shape: tuple[int, ...]) -> tuple[list[nn.Module], bool]:
    """The layers that a word stands for, and whether neurons follow them."""
    kind, *rest = word.split() or [""]
    n, size = int(torch.Size(shape).numel()), _size(kind)
    if size and not rest:
        require(
            n * size <= MAX_WEIGHTS, f"layer {word!r} has {n * size} weights, at most {MAX_WEIGHTS}; make it smaller"
        )
        return [nn.Linear(n, size, bias=False)], True
    names, sizes = rest[2::2], [_size(x) for x in (*rest[:2], *rest[3::2])]
    extra = dict(zip(names, sizes[2:]))
    if kind == "conv" and len(rest) in (2, 4, 6, 8) and len(extra) == len(names):
        known = set(extra) <= {"stride", "pad", "avgpool"} and None not in sizes
        if known and all((*sizes[:2], extra.get("stride", 1), extra.get("avgpool", 1))):
            channels, kernel, *_ = map(int, rest[:2])
            stride, pad, pool = (int(extra.get(x) or 0) for x in ("stride", "pad", "avgpool"))
            pooled: list[nn.Module] = [nn.AvgPool2d(pool)] if pool else []
            return [nn.Conv2d(shape[0], channels, kernel, stride or 1, pad, bias=False), *pooled], True
    if kind in POOLINGS and len(sizes) == 1 and sizes[0]:
        return [POOLINGS[kind](sizes[0])], False
    require(
        not (kind == "conv" and "maxpool" in rest),
        f"layer {word!r} pools before its neurons, the largest of currents, which has no asynchronous meaning; name "
        "'maxpool N' as the next layer, behind the neurons",
    )
    raise ValueError(
        f"layer {word!r} is unknown; use a size, 'conv CHANNELS KERNEL [stride S] [pad P] [avgpool N]', 'avgpool N', "
        "'sumpool N' or 'maxpool N'"
    )


def _size(text: str) -> int | None:
    """The whole number that a word is; None = it is another word."""
    return int(text) if text.isascii() and text.isdigit() else None
