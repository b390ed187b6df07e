"""One call of an engine: everything that a run depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ir.schedule import Schedule
from trainer.engines.numbers import FloatNumbers, Numbers
from trainer.engines.options import EVALUATION, TrainingOptions
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
        return self._per_neuron("depth")

    @cached_property
    def refractory(self) -> Tensor:
        """(N,) whether each neuron fires at most once a time step."""
        return self._per_neuron("refractory")

    @cached_property
    def has_current(self) -> Tensor:
        """(N,) whether each neuron's population keeps a synaptic current."""
        return self._per_neuron("has_current")

    @cached_property
    def sends(self) -> Tensor:
        """(N,) whether each neuron's population has a projection."""
        return self._per_neuron("sends")

    @cached_property
    def v_min(self) -> Tensor | None:
        """(N,) lowest membranes; None = no population has one."""
        if all(p.v_min is None for p in self.plan.parts):
            return None
        lowest = [-np.inf if p.v_min is None else p.v_min for p in self.plan.parts]
        sizes = torch.tensor([p.at.stop - p.at.start for p in self.plan.parts])
        values = torch.tensor(lowest, dtype=self.params.leak_v.dtype).repeat_interleave(sizes)
        return values.to(self.frames.device)

    def _per_neuron(self, of: str) -> Tensor:
        values = [np.full(p.at.stop - p.at.start, getattr(p, of)) for p in self.plan.parts]
        return torch.as_tensor(np.concatenate(values), device=self.frames.device)
