"""One call of an engine: everything that a run depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.schedule import Schedule
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
        return Members(parts, params, self.numbers, self.options.alpha, self.frames.shape[1], depth)

    def _per_neuron(self, values: list[Any]) -> Tensor:
        rows = [np.full(p.n, value) for p, value in zip(self.plan.parts, values)]
        return torch.as_tensor(np.concatenate(rows), device=self.frames.device)
