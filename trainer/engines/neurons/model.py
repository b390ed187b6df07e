"""What the plain engines ask of a neuron model: its numbers as tensors, and how its neurons move in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ir.neurons import FixedNeuron, Neuron
from trainer.engines.numbers import Numbers
from trainer.engines.parts import Facts, NeuronParams, Part
from trainer.surrogate import Slope


@dataclass(frozen=True, eq=False)
class Members:
    """Populations of one model that an engine runs as one, and what they run with.

    Attributes:
        params: their numbers, (n,) each.
        numbers: floats, or a chip's integers.
        slope: the gradient of a spike.
        n_samples: B.
        depth: (n,) of each neuron's population.
    """

    parts: tuple[Part, ...]
    params: Any
    numbers: Numbers
    slope: Slope
    n_samples: int
    depth: Tensor

    def zeros(self, like: Tensor) -> Tensor:
        """(B, n) zeros in the type and on the device of ``like``."""
        return like.new_zeros(self.n_samples, len(self.depth))

    def spread(self, values: Sequence[float | bool], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """(n,) from one value a population."""
        sizes = torch.tensor([p.n for p in self.parts])
        return torch.tensor(values, dtype=dtype or like.dtype).repeat_interleave(sizes).to(like.device)


class Fired(NamedTuple):
    """What a group's neurons did, (B, n) each.

    Attributes:
        s: how often each fired, with a gradient.
        m: membranes just before the reset.
        carried: what those spikes carry together, with a gradient; entries and edges deliver it. Of LIF it is ``s``.
    """

    s: Tensor
    m: Tensor
    carried: Tensor


class Dynamics(Protocol):
    """A group's neurons in a run: they keep their own states, (B, n) each."""

    def resume(self, states: Mapping[str, Tensor], fired: Tensor) -> None:
        """Go on from the end of an earlier run, before the first time step.

        Args:
            states: what :meth:`states` gave then, (B, n) each; those of other models among them.
            fired: (B, n) who fired in the last time step.
        """
        ...

    def begin(self, t: int) -> None:
        """Begin time step ``t``: leaks, and whatever else happens once a time step before anything arrives."""
        ...

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        """Integrate and fire in the asynchronous schedule's forward step ``k``.

        Args:
            drive: (B, n) what was served, in register units.
            active: (B, 1) samples that still run; the others stand still.
            resting: (B, n) refractory neurons: what reaches them is lost, and they do not fire.
        """
        ...

    def fire(self, drive: Tensor) -> Fired:
        """Integrate and fire once, under the layered schedule; the group is one population."""
        ...

    def states(self) -> dict[str, Tensor]:
        """States by name, as the trace shows them; ``v``, which losses read, with its gradient."""
        ...


class Model(Protocol):
    """A neuron model in the plain engines."""

    def facts(self, neuron: Any) -> Facts:
        """What is worth noting of a population's neurons (``ir.neurons``) beside its numbers; nothing due yet."""
        ...

    def float_params(self, neurons: Sequence[tuple[Neuron, int]], dt_s: float, dtype: torch.dtype) -> NeuronParams:
        """The numbers of trained populations, each with its size, one after the other."""
        ...

    def fixed_params(
        self, neurons: Sequence[tuple[FixedNeuron, int]], scales: Sequence[Any], shift: int
    ) -> NeuronParams:
        """The integers of populations in float64, in register units.

        Args:
            scales: weight mantissa units a trained unit, for each population.
            shift: register units a weight unit.
        """
        ...

    def on_grid(self, exact: Any, live: Any) -> NeuronParams:
        """The integers ``exact`` of :meth:`fixed_params` with the gradients of the floats ``live`` behind them."""
        ...

    def check(self, params: Any) -> None:
        """Raise where a number would let engines do what no schedule means."""
        ...

    def fitted(self, parts: tuple[Part, ...], params: Any, fixed: bool) -> tuple[list[Facts], NeuronParams]:
        """What is due, read off the numbers that run; and those numbers, without what no neuron has."""
        ...

    def dynamics(self, members: Members) -> Dynamics:
        """The neurons of a group before the first time step, all states zero."""
        ...
