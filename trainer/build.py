"""From the words of a configuration to a network with initial weights."""

from __future__ import annotations

import torch
from torch import nn

from ir.check import require
from trainer.config import TrainConfig
from trainer.data import DATA_SETS
from trainer.linear_map import SumPool2d, fold
from trainer.network import SpikingNetwork
from trainer.neuron import LIF


def build_network(config: TrainConfig) -> SpikingNetwork:
    """Build the network; weights follow from ``config.seed``."""
    data = DATA_SETS[config.data]
    modules: list[nn.Module] = []
    shape: tuple[int, ...] = data.input_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        for i, word in enumerate(config.layers):
            layers, fires = _layer(word, shape)
            modules += layers
            shape = fold(nn.Sequential(*layers), shape).out_shape
            if fires or i == len(config.layers) - 1:
                readout = config.loss == "membrane" and i == len(config.layers) - 1
                modules.append(_neuron(config, readout))
    n = int(torch.Size(shape).numel())
    require(
        n == data.n_classes, f"the last layer has {n} neurons; data set {config.data!r} has {data.n_classes} classes"
    )
    return SpikingNetwork.sequential(data.input_shape, *modules, dt_s=data.dt_s, schedule=config.schedule)


def _neuron(config: TrainConfig, readout: bool) -> LIF:
    threshold = None if readout else config.v_threshold
    return LIF(config.tau_mem_s, threshold, train_threshold=config.train_threshold, train_tau=config.train_tau)


def _layer(word: str, shape: tuple[int, ...]) -> tuple[list[nn.Module], bool]:
    """The layers that a word stands for, and whether neurons follow them."""
    kind, *rest = word.split()
    n = int(torch.Size(shape).numel())
    if kind.isdigit() and not rest:
        return [nn.Linear(n, int(kind), bias=False)], True
    if kind == "conv" and len(rest) in (2, 4, 6, 8) and all(x.isdigit() for x in (*rest[:2], *rest[3::2])):
        extra = dict(zip(rest[2::2], (int(x) for x in rest[3::2])))
        if set(extra) <= {"stride", "pad", "avgpool"}:
            stride, pad = extra.get("stride", 1), extra.get("pad", 0)
            pooled: list[nn.Module] = [nn.AvgPool2d(extra["avgpool"])] if "avgpool" in extra else []
            return [nn.Conv2d(shape[0], int(rest[0]), int(rest[1]), stride, pad, bias=False), *pooled], True
    if kind in ("avgpool", "sumpool") and len(rest) == 1 and rest[0].isdigit():
        return [(nn.AvgPool2d if kind == "avgpool" else SumPool2d)(int(rest[0]))], False
    raise ValueError(
        f"layer {word!r} is unknown; use a size, 'conv CHANNELS KERNEL [stride S] [pad P] [avgpool N]', 'avgpool N' "
        "or 'sumpool N'"
    )
