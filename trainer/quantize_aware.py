"""Quantization-aware training: the engine runs the chip's integers, gradients pass straight through the rounding."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.fixed_point import Formats, best_scale, to_fixed
from ir.formats.chip_toml import find_chip
from ir.quantized import QuantizedNetwork
from trainer.engines.numbers import FixedNumbers, straight_through
from trainer.engines.plan import Params, fixed_params
from trainer.network import SpikingNetwork


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

    def quantized(self, network: SpikingNetwork) -> QuantizedNetwork:
        """Exactly the integers the next forward pass runs."""
        return to_fixed(network.export(), self.scales, self.formats)

    def params(self, network: SpikingNetwork, live: Params) -> Params:
        """The integers as tensors, with the gradients of the floats behind them."""
        exact = fixed_params(self.quantized(network)).to(live.leak_v.device)
        assert exact.unit is not None
        none = torch.zeros_like(exact.leak_v)
        ends = [post for _, post in network.ends]
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


def train_on_grid(network: SpikingNetwork, chip: str, weight_bits: int) -> None:
    """From now on ``network`` runs on a chip's integers; scales are those of its weights now.

    The scale of a population follows its initial weights; weights that grow beyond the format are clipped there.
    """
    formats = Formats.of(find_chip(chip), weight_bits)
    trained = network.export()
    headroom = 1.0 if weight_bits == 8 else 1.5
    scales = {p.name: float(np.float64(best_scale(trained, p.name, formats) / headroom)) for p in trained.populations}
    network.quantization = FixedGrid(formats, scales)
