"""The encoder of a network in training: its spikes with a gradient, and a chain of layers cut behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ir.check import require
from ir.encoder import body_of, host_of
from ir.encoder.run import encode, fresh_state, host_state, saved_state
from ir.encoder.split import HOST
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State, check_state
from trainer.engines import run as run_engine
from trainer.engines.call import Call
from trainer.engines.live import LiveHost, LiveState, live
from trainer.engines.numbers import straight_through
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, Plan
from trainer.engines.result import Result
from trainer.neuron import NeuronModule

Shape = tuple[int, ...]


class Encoder(Protocol):
    """What a ``trainer.network.SpikingNetwork`` offers."""

    def export(self) -> Network: ...
    def plan(self) -> Plan: ...
    def params(self) -> Params: ...


class Sent(NamedTuple):
    """What an encoder did with a batch.

    Attributes:
        spikes: (T, B, n) its output's, with a gradient.
        ended: gives where it ended.
    """

    spikes: Tensor
    ended: Callable[[], LiveHost]

    def beside(self, result: Result) -> Result:
        """What the body did with the spikes, its state with the encoder's."""
        ended = result.ended
        assert ended is not None, "every engine says where it ended"
        result.ended = lambda: replace(ended(), host=self.ended())
        return result


def sent(
    encoder: Encoder,
    frames: Tensor,
    ids: Tensor,
    options: TrainingOptions = EVALUATION,
    state: LiveState | None = None,
) -> Sent:
    """The output's spikes of an encoder as every executor has them, with a gradient behind.

    The one implementation is ``ir.encoder``; the layered engine's own spikes may differ where a sum rounds otherwise,
    and are looked at for their gradient alone.

    Args:
        state: where the samples go on from; None = they begin.

    Raises:
        ValueError: the state is of a network without an encoder.
    """
    before = None if state is None else host_of(state.host)
    frozen = encoder.export()
    own = fresh_state(frozen, frames.shape[1]) if before is None else host_state(frozen, before.exact)
    exact = torch.as_tensor(encode(frozen, frames.detach().flatten(2).cpu().numpy(), own), device=frames.device)

    with torch.autocast(frames.device.type, enabled=False):
        params = encoder.params()

        def stopped() -> LiveHost:
            state = saved_state(frozen, own, ids.cpu().numpy())
            return LiveHost(state, live(state, params.like))

        learns = frames.requires_grad or any(x.requires_grad for x in params.tensors())
        if not (learns and torch.is_grad_enabled()):
            return Sent(exact, stopped)
        how = Schedule("layered", None), options.evaluated
        begun = None if before is None else before.live
        result = run_engine(Call(encoder.plan(), params, frames.flatten(2), ids, *how, state=begun), "reference")
    spikes = straight_through(exact, result.counts[:, :, encoder.plan().output])
    return Sent(spikes, lambda: stopped()._replace(live=result.state))


def resumed(network: Network | QuantizedNetwork, saved: State, ids: Tensor, like: Tensor) -> LiveState:
    """A saved state of a network and of these samples as tensors, the encoder's with it.

    Raises:
        ValueError: it is another network's, or lacks a sample.
    """
    numbers, host = ids.cpu().numpy(), saved.host
    if network.encoder is not None and host is not None:
        host = check_state(network.encoder, host, numbers)
    body = check_state(body_of(network), replace(saved, host=None), numbers)
    return live(replace(body, host=host), like)


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
