"""SpikingGamma inside a torch network: bucket weights by neuron, one set of decays a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ir.arrays import real_array
from ir.check import require
from ir.neurons import SpikingGamma as NetworkSpikingGamma
from trainer.engines.neurons.gamma_dynamics import GammaParams
from trainer.neuron import NeuronModule

SPREAD = 0.5
"""Of bucket weights where training begins, as a share of their mean: equal ones would learn alike."""


class SpikingGamma(NeuronModule):
    """Gamma-filter memory and sigma-delta coding, as ``ir.neurons.SpikingGamma`` defines it; run by an engine, layered.

    Args:
        keep: (K,) what a time step leaves of each bucket; the first one must be that of all layers.
        v_threshold: above 0; None = never fires (membrane readout).
        bucket_weight: (K,) or (n, K) where training begins; None = 1 / K, with some noise.
        factor, strict, adaptation, keep_threshold: as of the neuron.
        train_decays: the decays but the first learn, under backpropagation through time alone.
        spread: of drawn bucket weights, as a share of their mean.
        bounded: errors stop where a neuron codes more than spikes can tell; else they pass as if spikes could.
        ceiling: the most that it codes, where errors stop as well; None = what a spike in every time step tells.
    """

    MODEL = "spiking_gamma"
    bucket_weight: nn.Parameter
    first: Tensor

    def __init__(
        self,
        keep: Sequence[float],
        v_threshold: float | None = 0.5,
        bucket_weight: Any = None,
        factor: float = 2.0,
        strict: bool = True,
        adaptation: float = 0.0,
        keep_threshold: float = 0.0,
        train_decays: bool = False,
        spread: float = SPREAD,
        bounded: bool = False,
        ceiling: float | None = None,
    ) -> None:
        super().__init__()
        decays = torch.as_tensor(real_array("SpikingGamma keep", keep).reshape(-1).copy())
        begin = torch.full((len(decays),), 1 / max(len(decays), 1))
        own = real_array("SpikingGamma bucket_weight", () if bucket_weight is None else bucket_weight)
        given = begin if bucket_weight is None else torch.as_tensor(own.astype(np.float32))
        self.rule: dict[str, Any] = {"factor": factor, "strict": strict}
        self.rule |= {"adaptation": adaptation, "keep_threshold": keep_threshold, "ceiling": ceiling}
        self.noise, self.bounded = spread, bounded
        self.drawn, self.v_threshold, self.train_decays = bucket_weight is None, v_threshold, train_decays
        self.fires = v_threshold is not None
        require(0 <= spread < np.inf, f"spread is {spread}; it must be at least 0 and finite")
        NetworkSpikingGamma(decays.numpy(), given.numpy(), v_threshold, **self.rule)  # says what is wrong
        self.register_buffer("first", decays if not train_decays else decays[:1])
        self.log_rate = nn.Parameter(torch.log(-torch.log(decays[1:]))) if train_decays else None
        self.bucket_weight = nn.Parameter(given)

    def spread(self, n: int) -> None:
        own = self.bucket_weight.detach()
        if own.ndim == 1:
            own = own.expand(n, -1).clone()
            own = own * (1 + self.noise * torch.randn(own.shape)) if self.drawn else own
        require(len(own) == n, f"SpikingGamma has bucket weights of {len(own)} neurons, its population has {n}")
        self.bucket_weight = nn.Parameter(own)

    def keep(self) -> Tensor:
        """(K,) what a time step leaves of each bucket, float64."""
        if self.log_rate is None:
            return self.first
        return torch.cat([self.first, torch.exp(-torch.exp(self.log_rate))])

    def most(self) -> float:
        """Where errors stop: the ceiling, or what a spike in every time step tells in the end, ``q / (1 - a_0)``."""
        ceiling = np.inf if self.rule["ceiling"] is None else self.rule["ceiling"]
        if not (self.bounded and self.fires):
            return ceiling
        return min(ceiling, float(self.v_threshold or 0.0) * self.rule["factor"] / (1 - float(self.first[0])))

    def like(self) -> Tensor:
        return self.bucket_weight

    def value(self, bias: Tensor | None) -> NetworkSpikingGamma:
        require(bias is None, "SpikingGamma takes no bias; leave it out of the layer before it (bias=False)")
        keep, weight = (x.detach().double().cpu().numpy() for x in (self.keep(), self.bucket_weight))
        return NetworkSpikingGamma(keep, weight, self.v_threshold, **self.rule)

    @classmethod
    def numbers(
        cls,
        modules: Sequence[SpikingGamma],
        sizes: Sequence[int],
        biases: Sequence[Tensor | None],
        dt_s: float,
        like: Tensor,
    ) -> GammaParams:
        most = max(m.bucket_weight.shape[-1] for m in modules)

        def rows(values: list[Tensor]) -> Tensor:
            wide = [
                nn.functional.pad(x.to(like.dtype), (0, most - x.shape[-1])).expand(n, -1)
                for x, n in zip(values, sizes)
            ]
            return torch.cat(wide)

        def column(values: list[float]) -> Tensor:
            return torch.cat([like.new_full((n,), x) for x, n in zip(values, sizes)])

        heights = [np.inf if m.v_threshold is None else m.v_threshold for m in modules]
        quanta = [1.0 if m.v_threshold is None else m.v_threshold * m.rule["factor"] for m in modules]
        return GammaParams(
            rows([m.keep() for m in modules]),
            rows([m.bucket_weight for m in modules]),
            column(heights),
            column(quanta),
            column([m.rule["adaptation"] for m in modules]),
            column([m.rule["keep_threshold"] for m in modules]),
            column([0.0 for _ in modules]),
            column([m.most() for m in modules]),
        )
