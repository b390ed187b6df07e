"""Where a run of an engine begins and ends, as tensors: what ``ir.State`` is as a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.state import State, fingerprint


class LiveHost(NamedTuple):
    """Where the encoder on the host ended.

    Attributes:
        exact: as every executor has it: the next spikes come from there.
        live: the same as a layered engine has it, for the gradient.
    """

    exact: State
    live: LiveState


@dataclass(frozen=True, eq=False)
class LiveState:
    """A batch at the end of a time step; a call that is given it goes on as if it had never been cut.

    Attributes:
        t: time steps since the samples began.
        sample_ids: (B,) int64.
        states: (B, N) each, by name: ``v``, ``u``, ...; 0 in neurons without it. Those of the plain engine carry
            gradients into the call before; see :meth:`detach`.
        fired: (B, N) bool, who fired in the last time step.
        sent: (H, B, N) what neurons sent in the last time steps, oldest first, H as ``ir.State`` says.
        inputs: (H, B, N_in) what the inputs did.
        host: the encoder's; None where the network has none.
    """

    t: int
    sample_ids: Tensor
    states: dict[str, Tensor]
    fired: Tensor
    sent: Tensor
    inputs: Tensor
    host: LiveHost | None = None

    def detach(self) -> LiveState:
        """The same without gradients: backpropagation through time ends here."""
        return self._each(torch.Tensor.detach)

    def to(self, like: Tensor) -> LiveState:
        """The same on the device and in the number type of ``like``."""
        moved = self._each(lambda x: x.to(like.device, like.dtype))
        return replace(moved, fired=self.fired.to(like.device), sample_ids=self.sample_ids.to(like.device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> LiveState:
        return replace(
            self,
            states={name: change(x) for name, x in self.states.items()},
            sent=change(self.sent),
            inputs=change(self.inputs),
            host=self.host and self.host._replace(live=self.host.live._each(change)),
        )

    def tensors(self) -> list[Tensor]:
        """Those that may carry a gradient."""
        own = [*self.states.values(), self.sent, self.inputs]
        return own if self.host is None else [*own, *self.host.live.tensors()]

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient would go into the call that left it."""
        return any(x.requires_grad for x in self.tensors())

    def saved(self, network: Network | QuantizedNetwork) -> State:
        """The same as a value that files hold; whole numbers of an integer network."""
        integers = isinstance(network, QuantizedNetwork)

        def array(x: Tensor) -> np.ndarray:
            values = x.detach().cpu().numpy()
            return values.astype(np.int64) if integers else values

        states = {name: array(x) for name, x in self.states.items()}
        ids, fired = (x.cpu().numpy() for x in (self.sample_ids, self.fired))
        host = self.host and self.host.exact
        return State(fingerprint(network), self.t, ids, states, fired, array(self.sent), array(self.inputs), host)


def live(state: State, like: Tensor) -> LiveState:
    """A saved state as tensors, on the device and in the number type of ``like``."""

    def tensor(x: np.ndarray) -> Tensor:
        return torch.as_tensor(x.astype(np.float64)).to(like.device, like.dtype)

    states = {name: tensor(x) for name, x in state.states.items()}
    ids, fired = (torch.as_tensor(np.array(x)).to(like.device) for x in (state.sample_ids, state.fired))
    host = None if state.host is None else LiveHost(state.host, live(state.host, like))
    return LiveState(state.t, ids, states, fired, tensor(state.sent), tensor(state.inputs), host)


def latest(before: Tensor | None, rows: Tensor, most: int) -> Tensor:
    """(h, B, n): the last ``most`` of what came before and of ``rows``, copied, so that nothing longer is held."""
    kept = rows[max(0, len(rows) - most) :]
    missing = most - len(kept)
    if missing > 0 and before is not None:
        return torch.cat([before[max(0, len(before) - missing) :], kept])
    return kept.clone()
