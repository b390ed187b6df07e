"""SpikingGamma in the plain engines: its numbers, and what is noted of a population."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import DECAY_ALL
from ir.check import require
from ir.neurons import FixedSpikingGamma, SpikingGamma
from trainer.engines.neurons.gamma_dynamics import GammaDynamics, GammaFacts, GammaParams
from trainer.engines.neurons.model import Members
from trainer.engines.numbers import straight_through
from trainer.engines.parts import Facts, Part

Values = Sequence[tuple[Any, int]]


def _rows(values: Values, dtype: torch.dtype) -> Tensor:
    """(n, K) of each population, one after the other, padded with zeros to the most buckets."""
    most = max(np.asarray(x).shape[-1] for x, _ in values)
    rows = [np.broadcast_to(np.asarray(x, np.float64), (n, np.asarray(x).shape[-1])) for x, n in values]
    padded = [np.pad(x, ((0, 0), (0, most - x.shape[1]))) for x in rows]
    return torch.as_tensor(np.concatenate(padded)).to(dtype)


def _column(values: Values, dtype: torch.dtype) -> Tensor:
    """(n,) of each population, one after the other."""
    return torch.as_tensor(np.concatenate([np.broadcast_to(np.asarray(x, np.float64), (n,)) for x, n in values])).to(
        dtype
    )


class GammaModel:
    """SpikingGamma as an entry of ``trainer.engines.neurons.MODELS``."""

    def facts(self, neuron: Any) -> GammaFacts:
        own = cast("SpikingGamma | FixedSpikingGamma", neuron)
        n_buckets = own.bucket_weights.shape[-1]
        return GammaFacts(False, False, n_buckets, own.fires, own.strict, own.adapts)

    def float_params(self, neurons: Sequence[tuple[Any, int]], dt_s: float, dtype: torch.dtype) -> GammaParams:
        def column(read: Any) -> Tensor:
            return _column([(read(x), n) for x, n in neurons], dtype)

        return GammaParams(
            _rows([(x.decay_factors, n) for x, n in neurons], dtype),
            _rows([(x.bucket_weights, n) for x, n in neurons], dtype),
            column(lambda x: np.inf if x.v_threshold is None else x.v_threshold),
            column(lambda x: x.quantum),
            column(lambda x: x.adaptation),
            column(lambda x: x.keep_threshold),
            column(lambda x: 0.0),
            column(lambda x: np.inf if x.ceiling is None else x.ceiling),
        )

    def fixed_params(self, neurons: Sequence[tuple[Any, int]], scales: Sequence[Any], shift: int) -> GammaParams:
        def column(read: Any) -> Tensor:
            return _column([(read(x), n) for x, n in neurons], torch.float64)

        return GammaParams(
            _rows([(x.decay_shares, n) for x, n in neurons], torch.float64),
            _rows([(x.bucket_weights, n) for x, n in neurons], torch.float64),
            column(lambda x: np.inf if x.v_threshold is None else x.v_threshold),
            column(lambda x: x.quantum),
            column(lambda x: x.adaptation),
            column(lambda x: x.decay_threshold),
            column(lambda x: x.bucket_shift),
            column(lambda x: x.ceilings),
        )

    def on_grid(self, exact: GammaParams, live: GammaParams) -> GammaParams:
        """Decays and bucket weights learn behind their integers; thresholds do not learn."""
        return GammaParams(
            straight_through(exact.keep, DECAY_ALL * (1 - live.keep.double())),
            straight_through(exact.weight, live.weight.double() * 2 ** exact.shift[:, None]),
            exact.threshold,
            exact.quantum,
            exact.adaptation,
            exact.keep_threshold,
            exact.shift,
            exact.most,
        )

    def check(self, params: GammaParams) -> None:
        least = float(params.threshold.detach().amin())
        require(least > 0, f"the lowest threshold is {least}; it must be above 0")

    def fitted(self, parts: tuple[Part, ...], params: GammaParams, fixed: bool) -> tuple[list[Facts], GammaParams]:
        return [p.facts for p in parts], params

    def dynamics(self, members: Members) -> GammaDynamics:
        return GammaDynamics(members)
