"""A chip's integer grid under a network in training: exact integers forward, the gradients of floats back."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ir.arithmetic import ARITHMETICS
from ir.coding import quanta
from ir.fixed_point import to_fixed
from ir.formats import Formats
from ir.network import Network
from ir.quantized import QuantizedNetwork
from trainer.engines.neurons import MODELS
from trainer.engines.numbers import FixedNumbers, straight_through
from trainer.engines.plan import Params, Plan, fixed_params, shifting


@dataclass
class FixedGrid:
    """A chip's integer grid laid over a network in training.

    Attributes:
        formats: of the chip, at the weight width trained for.
        scales: weight mantissa units a trained unit, for each population.
    """

    formats: Formats
    scales: dict[str, float] = field(default_factory=dict)

    @property
    def numbers(self) -> FixedNumbers:
        """The arithmetic of the engine."""
        return FixedNumbers(ARITHMETICS[self.formats.arithmetic])

    def quantized(self, trained: Network) -> QuantizedNetwork:
        """Exactly the integers that a forward pass of the exported network ``trained`` runs."""
        return to_fixed(trained, self.scales, self.formats)

    def laid(self, trained: Network, plan: Plan, live: Params) -> tuple[Plan, Params]:
        """The integers as tensors, with the gradients of the floats ``live`` behind them, and the plan with their
        exponents: what carries a payload is shifted back where it arrives."""
        fixed = self.quantized(trained)
        exact = fixed_params(fixed).to(live.like.device)
        units = [torch.as_tensor(quanta(trained, e) * self.scales[e.post]) for e in trained.projections]
        weights = [
            straight_through(e, w.double() * unit.to(w.device))
            for e, w, unit in zip(exact.weights, live.weights, units)
        ]
        neurons = {name: MODELS[name].on_grid(own, live.neurons[name]) for name, own in exact.neurons.items()}
        return shifting(plan, [e.weight_exp for e in fixed.projections]), Params(weights, neurons)
