"""The toy neuron model in the trainer's plain engines: on a chip's integers exactly, and in floats with gradients.

In floats nothing is clipped or wrapped, and half the fatigue stays. A spike's gradient is the trainer's own surrogate,
open everywhere but at neurons that rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ir.arithmetic import DECAY_ALL
from ir.check import require
from tests.toys.tired import Tired
from trainer.engines.neurons.model import Fired, Members
from trainer.engines.numbers import FixedNumbers, straight_through
from trainer.engines.parts import Facts, NeuronParams, Part
from trainer.neuron import NeuronModule
from trainer.surrogate import spike


@dataclass
class TiredParams(NeuronParams):
    """Thresholds and what a spike adds to them, (n,) each."""

    threshold: Tensor
    tiring: Tensor


def _spread(values: list[Any], sizes: list[int], factor: float, dtype: torch.dtype) -> Tensor:
    rows = [np.broadcast_to(np.asarray(x, np.float64) * factor, (n,)) for x, n in zip(values, sizes)]
    return torch.as_tensor(np.concatenate(rows)).to(dtype)


def _params(neurons: Sequence[tuple[Any, int]], factor: float, dtype: torch.dtype) -> TiredParams:
    sizes = [n for _, n in neurons]
    threshold = _spread([x.v_threshold for x, _ in neurons], sizes, factor, dtype)
    return TiredParams(threshold, _spread([x.tiring for x, _ in neurons], sizes, factor, dtype))


class TiredModel:
    """The toy as an entry of ``trainer.engines.neurons.MODELS``."""

    def facts(self, neuron: Any) -> Facts:
        return Facts()

    def float_params(self, neurons: Sequence[tuple[Any, int]], dt_s: float, dtype: torch.dtype) -> TiredParams:
        return _params(neurons, 1.0, dtype)

    def fixed_params(self, neurons: Sequence[tuple[Any, int]], scales: Sequence[float], shift: int) -> TiredParams:
        return _params(neurons, shift, torch.float64)

    def on_grid(self, exact: TiredParams, live: TiredParams) -> TiredParams:
        return exact

    def check(self, params: TiredParams) -> None:
        return None

    def fitted(self, parts: tuple[Part, ...], params: TiredParams, fixed: bool) -> tuple[list[Facts], TiredParams]:
        return [Facts() for _ in parts], params

    def dynamics(self, members: Members) -> TiredDynamics:
        return TiredDynamics(members)


class TiredDynamics:
    """Tired neurons in a run: v and fatigue, (B, n) each."""

    def __init__(self, members: Members) -> None:
        self.members, self.params, self.numbers = members, members.params, members.numbers
        self.v = self.fatigue = members.zeros(self.params.threshold)
        fixed = isinstance(self.numbers, FixedNumbers)
        self.most = self.numbers.arithmetic.v_max if fixed else np.inf
        self.half = torch.full_like(self.params.tiring, DECAY_ALL / 2 if fixed else 0.5)

    def resume(self, states: Mapping[str, Tensor], fired: Tensor) -> None:
        self.v, self.fatigue = states["v"], states["fatigue"]

    def begin(self, t: int) -> None:
        self.fatigue = self.numbers.leak(self.fatigue, self.half)

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        v = torch.where(active, self.numbers.add(self.v, drive), self.v)
        v = torch.where(resting & active, torch.zeros_like(v), v)
        return self._fired(v, active & ~resting)

    def fire(self, drive: Tensor) -> Fired:
        v = self.numbers.add(self.v, drive)
        return self._fired(v, torch.ones_like(v, dtype=torch.bool))

    def _fired(self, v: Tensor, may: Tensor) -> Fired:
        s = spike(v - (self.params.threshold + self.fatigue), may, self.members.slope) * may
        self.v = v * (1 - s)
        more = self.fatigue + self.params.tiring * s
        self.fatigue = straight_through(more.clamp(max=self.most), more)
        return Fired(s, v, s)

    def states(self) -> dict[str, Tensor]:
        return {"v": self.v, "fatigue": self.fatigue}


class TiredModule(NeuronModule):
    """The toy between torch layers; its threshold is learned."""

    MODEL = "tired"
    fires = True

    def __init__(self, v_threshold: float = 1.0, tiring: float = 0.5) -> None:
        super().__init__()
        self.v_threshold, self.tiring = nn.Parameter(torch.tensor(v_threshold)), tiring

    def like(self) -> Tensor:
        return self.v_threshold

    def value(self, bias: Tensor | None) -> Tired:
        require(bias is None, "tired neurons take no bias; leave it out of the layer before them")
        return Tired(float(self.v_threshold.detach()), self.tiring)

    @classmethod
    def numbers(
        cls,
        modules: Sequence[TiredModule],
        sizes: Sequence[int],
        biases: Sequence[Tensor | None],
        dt_s: float,
        like: Tensor,
    ) -> TiredParams:
        threshold = torch.cat([m.v_threshold.to(like.dtype).expand(n) for m, n in zip(modules, sizes)])
        return TiredParams(threshold, torch.cat([like.new_full((n,), m.tiring) for m, n in zip(modules, sizes)]))
