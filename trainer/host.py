"""The encoder of a network in training: its spikes with a gradient, and a chain of layers cut behind it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ir.check import require
from ir.encoder import encode
from ir.encoder.split import HOST
from ir.network import Network
from ir.schedule import Schedule
from trainer.engines import run as run_engine
from trainer.engines.call import Call
from trainer.engines.numbers import straight_through
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, Plan
from trainer.neuron import NeuronModule

Shape = tuple[int, ...]


class Encoder(Protocol):
    """What a ``trainer.network.SpikingNetwork`` offers."""

    def export(self) -> Network: ...
    def plan(self) -> Plan: ...
    def params(self) -> Params: ...


def sent(encoder: Encoder, frames: Tensor, ids: Tensor, options: TrainingOptions = EVALUATION) -> Tensor:
    """The output's spikes of an encoder, (T, B, n), as every executor has them, with a gradient behind.

    The one implementation is ``ir.encoder``; the layered engine's own spikes may differ where a sum rounds otherwise,
    and are looked at for their gradient alone.
    """
    exact = torch.as_tensor(encode(encoder.export(), frames.detach().flatten(2).cpu().numpy()), device=frames.device)
    with torch.autocast(frames.device.type, enabled=False):
        params = encoder.params()
        learns = frames.requires_grad or any(x.requires_grad for x in params.tensors())
        if not (learns and torch.is_grad_enabled()):
            return exact
        how = Schedule("layered", None), options.evaluated
        result = run_engine(Call(encoder.plan(), params, frames.flatten(2), ids, *how), "reference")
    return straight_through(exact, result.counts[:, :, encoder.plan().output])


def in_two(
    kind: Any,
    input_shape: Shape,
    populations: dict[str, NeuronModule],
    projections: list[tuple[str, str, nn.Module]],
    dt_s: float,
    schedule: Schedule | None,
    n: int,
) -> tuple[Any, ...]:
    """A chain with its first ``n`` populations on the host: the arguments of a ``kind`` of network."""
    names, most = list(populations), len(populations) - 1
    whole = isinstance(n, int) and not isinstance(n, bool)
    require(whole and 0 < n <= most, f"encoder is {n!r}; give how many of the first populations, 1 to {most}")
    first = {name: populations[name] for name in names[:n]}
    rest = {name: populations[name] for name in names[n:]}
    host = kind({"input": input_shape}, first, projections[:n], dt_s=dt_s, schedule=Schedule("layered", None))
    behind = [(HOST, *projections[n][1:]), *projections[n + 1 :]]
    return {HOST: host.shapes[names[n - 1]]}, rest, behind, None, dt_s, schedule, host
