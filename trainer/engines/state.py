"""The registers of a batch between the rounds of the reference engine: neurons by model, and the queue."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.engines.call import Call
from trainer.engines.live import LiveState
from trainer.engines.neurons import MODELS
from trainer.engines.neurons.model import Dynamics, Fired


class Neurons:
    """All neurons of a network, those of one model moved as one; a network of one model is never taken apart."""

    def __init__(self, call: Call) -> None:
        self.groups: list[tuple[Tensor | slice, Dynamics]] = []
        found = call.plan.groups()
        own = {name: torch.cat([call.neurons[p.at] for p in parts]) for name, parts in found.items()}
        for name, parts in found.items():
            at = own[name] if len(found) > 1 else slice(None)
            self.groups.append((at, MODELS[name].dynamics(call.members(parts, call.params.neurons[name]))))
        self.order = torch.cat(list(own.values())).argsort()

    def resume(self, state: LiveState) -> None:
        """Go on from a state."""
        for at, group in self.groups:
            group.resume({name: x[:, at] for name, x in state.states.items()}, state.fired[:, at])

    def all_states(self) -> dict[str, Tensor]:
        """(B, N) of every state that some group keeps."""
        names = dict.fromkeys(name for _, group in self.groups for name in group.states())
        return {name: self.state(name) for name in names}

    def begin(self, t: int) -> None:
        """Begin time step ``t``."""
        for _, group in self.groups:
            group.begin(t)

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        """One forward step of all neurons; arguments and result as ``Dynamics.advance``, (B, N) each."""
        fired = [group.advance(drive[:, at], k, active, resting[:, at]) for at, group in self.groups]
        if len(fired) == 1:
            return fired[0]
        return Fired(*(self._joined(list(rows)) for rows in zip(*fired)))

    def state(self, name: str) -> Tensor:
        """(B, N) of a state; 0 at neurons that have no such state."""
        return self._joined([state_of(group, name) for _, group in self.groups])

    def _joined(self, rows: list[Tensor]) -> Tensor:
        """Columns of each group, (B, n), in the order of the global index."""
        return rows[0] if len(rows) == 1 else torch.cat(rows, 1)[:, self.order]


def state_of(group: Dynamics, name: str) -> Tensor:
    """(B, n) of a group's state; 0 where its model has no such state."""
    states = group.states()
    return states[name] if name in states else torch.zeros_like(states["v"])


@dataclass
class BatchState:
    """Neurons, and registers of the batch, (B, N) each: refractory, queue, momentum, round of firing, what was
    sent in this time step."""

    neurons: Neurons
    r: Tensor
    q: Tensor
    waiting: Tensor
    m: Tensor
    k_fired: Tensor
    sent: Tensor


def fresh_state(call: Call) -> BatchState:
    """All registers zero, or as the run before has left them."""
    shape = (call.frames.shape[1], call.plan.n_neurons)
    zeros = torch.zeros(shape, dtype=call.params.like.dtype, device=call.frames.device)
    none = torch.zeros(shape, dtype=torch.bool, device=call.frames.device)
    neurons = Neurons(call)
    if call.state is not None:
        neurons.resume(call.state)
    return BatchState(neurons, none, zeros, none, zeros, torch.zeros_like(none, dtype=torch.int64), zeros)
