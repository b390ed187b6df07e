"""A chip's integer grid under a network in training: exact integers forward, the gradients of floats back."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.fixed_point import to_fixed
from ir.formats import Formats
from ir.network import Network
from ir.quantized import QuantizedNetwork
from trainer.engines.numbers import FixedNumbers, straight_through
from trainer.engines.plan import Params, fixed_params


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

    def params(self, trained: Network, live: Params) -> Params:
        """The integers as tensors, with the gradients of the floats ``live`` behind them."""
        exact = fixed_params(self.quantized(trained)).to(live.leak_v.device)
        assert exact.unit is not None
        none = torch.zeros_like(exact.leak_v)
        ends = [e.post for e in trained.projections]
        weights = [
            straight_through(e, w.double() * self.scales[post]) for e, w, post in zip(exact.weights, live.weights, ends)
        ]
        return Params(
            weights,
            straight_through(exact.leak_v, DECAY_ALL * (1 - live.leak_v.double())),
            _thresholds(exact.threshold, live.threshold.double() * exact.unit),
            None
            if exact.leak_u is None or live.leak_u is None
            else straight_through(exact.leak_u, DECAY_ALL * (1 - live.leak_u.double())),
            # biases that begin at 0 are none on the grid, and learn all the same
            None
            if live.bias is None
            else straight_through(none if exact.bias is None else exact.bias, live.bias.double() * exact.unit),
            exact.unit,
        )


def _thresholds(exact: Tensor, smooth: Tensor) -> Tensor:
    """Straight through where finite; a population that never fires stays so."""
    never = torch.isinf(exact)
    return torch.where(never, exact, straight_through(exact.masked_fill(never, 0), smooth.masked_fill(never, 0)))
