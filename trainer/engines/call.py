"""One call of an engine: everything that a run depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.schedule import Schedule
from ir.state import look_back
from trainer.engines.live import LiveState, latest
from trainer.engines.monitor import Monitor
from trainer.engines.neurons.model import Members
from trainer.engines.numbers import FloatNumbers, Numbers
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.parts import NeuronParams, Part
from trainer.engines.plan import Params, Plan
from trainer.engines.result import Recording


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of one run, the same for every engine.

    Attributes:
        frames: (T, B, N_in) counts (or currents, with ``input = "first"``).
        sample_ids: (B,) the ids in the keys.
        options: dropouts, noise and gradient choices; the default is evaluation.
        numbers: floats, or a chip's integers.
        core_of_neuron: (N,), needed by ``scope = "core"``.
        events: time-stamped events of ``ir.Stimulus``, for paced and queued input.
        recording: gets every spike, for ``trace_of``; None = nothing is kept.
        state: where the samples go on from; None = they begin.
        monitor: notes what a user watches; None = nothing is watched.
        from_host: the frames are the spikes of an encoder, which learns: under gradual input, too, a spike that is
            served has a gradient. Of other frames events that are served one by one have none.
    """

    plan: Plan
    params: Params
    frames: Tensor
    sample_ids: Tensor
    schedule: Schedule
    options: TrainingOptions = EVALUATION
    numbers: Numbers = field(default_factory=FloatNumbers)
    core_of_neuron: np.ndarray | None = None
    events: np.ndarray | None = None
    recording: Recording | None = None
    state: LiveState | None = None
    monitor: Monitor | None = None
    from_host: bool = False

    @property
    def t0(self) -> int:
        """Time steps before the first of ``frames``."""
        return 0 if self.state is None else self.state.t

    @property
    def look_back(self) -> int:
        """How many time steps of spikes a run that goes on may need."""
        if "look back" not in self.plan.derived:
            self.plan.derived["look back"] = look_back(self.plan.network)
        return self.plan.derived["look back"]

    def ended(self, states: dict[str, Tensor], counts: Tensor, sent: Tensor) -> LiveState:
        """Where the run ends.

        Args:
            states: (B, N) each, by name.
            counts: (T, B, N) spikes.
            sent: (h, B, N) what neurons sent in the last time steps of this run.
        """
        before, n_steps = self.state, len(self.frames)
        if n_steps == 0 and before is not None:
            return before
        none = torch.zeros(counts.shape[1:], dtype=torch.bool, device=counts.device)
        fired = counts[-1].detach() > 0 if n_steps else none
        known = (None, None) if before is None else (before.sent, before.inputs)
        history = latest(known[0], sent, self.look_back), latest(known[1], self.frames, self.look_back)
        return LiveState(self.t0 + n_steps, self.sample_ids, states, fired, *history)

    @cached_property
    def neurons(self) -> Tensor:
        """(N,) global indices."""
        return torch.arange(self.plan.n_neurons, device=self.frames.device)

    @cached_property
    def depth(self) -> Tensor:
        """(N,) of each neuron's population."""
        return self._per_neuron([p.depth for p in self.plan.parts])

    @cached_property
    def refractory(self) -> Tensor:
        """(N,) whether each neuron fires at most once a time step."""
        return self._per_neuron([p.refractory for p in self.plan.parts])

    @cached_property
    def escapes(self) -> Tensor:
        """(N,) whether refractory dropout may let each neuron fire again in a time step."""
        return self._per_neuron([p.facts.escapes for p in self.plan.parts])

    @cached_property
    def sends(self) -> Tensor:
        """(N,) whether each neuron's population has a projection."""
        return self._per_neuron([p.sends for p in self.plan.parts])

    def members(self, parts: tuple[Part, ...], params: NeuronParams) -> Members:
        """Populations of one model that run as one, with their own numbers."""
        depth = torch.cat([self.depth[p.at] for p in parts])
        return Members(parts, params, self.numbers, self.options.slope, self.frames.shape[1], depth)

    def _per_neuron(self, values: list[Any]) -> Tensor:
        rows = [np.full(p.n, value) for p, value in zip(self.plan.parts, values)]
        return torch.as_tensor(np.concatenate(rows), device=self.frames.device)
