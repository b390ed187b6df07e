"""Leaky integrate and fire in the plain engines: what is noted of it, its numbers, and its dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import DECAY_ALL
from ir.check import require
from ir.neurons import LIF, RESETS, FixedLIF
from trainer.engines.neurons.lif_dynamics import LIFDynamics
from trainer.engines.neurons.lif_params import LIFFacts, LIFParams, lif_facts
from trainer.engines.neurons.model import Members
from trainer.engines.numbers import straight_through
from trainer.engines.parts import Facts, Part, stretches

__all__ = ["LIFFacts", "LIFModel", "LIFParams", "lif_facts"]


class LIFModel:
    """LIF in the table of models."""

    def facts(self, neuron: LIF | FixedLIF) -> LIFFacts:
        interval, offset = getattr(neuron, "reset_interval", 0), getattr(neuron, "reset_offset", 0)
        multi_spike = getattr(neuron, "multi_spike", False)
        once = not RESETS[neuron.reset].waits
        clock = interval, offset
        return LIFFacts(False, once, neuron.reset, *clock, neuron.v_min, multi_spike, pools=neuron.pools)

    def float_params(self, neurons: Sequence[tuple[Any, int]], dt_s: float, dtype: torch.dtype) -> LIFParams:
        def cat(values: list[Any], missing: float = 0.0) -> Tensor:
            return torch.cat([_spread(x, n, missing).to(dtype) for x, (_, n) in zip(values, neurons)])

        lifs: list[LIF] = [lif for lif, _ in neurons]
        current, biased = any(x.tau_syn_s is not None for x in lifs), any(x.bias is not None for x in lifs)
        u_biased = any(x.bias_u is not None for x in lifs)
        return LIFParams(
            cat([lif.leak_v(dt_s) for lif in lifs]),
            cat([lif.v_threshold for lif in lifs], np.inf),
            cat([lif.leak_u(dt_s) for lif in lifs]) if current else None,
            cat([lif.bias for lif in lifs]) if biased else None,
            bias_u=cat([lif.bias_u for lif in lifs]) if u_biased else None,
        )

    def fixed_params(self, neurons: Sequence[tuple[Any, int]], scales: Sequence[Any], shift: int) -> LIFParams:
        def cat(values: list[Any], missing: float = 0.0) -> Tensor:
            return torch.cat([_spread(x, n, missing).to(torch.float64) for x, (_, n) in zip(values, neurons)])

        lifs: list[FixedLIF] = [lif for lif, _ in neurons]
        heights = [None if x.v_threshold is None else np.asarray(x.v_threshold, np.float64) * shift for x in lifs]
        current, biased = any(x.has_current for x in lifs), any(x.bias is not None for x in lifs)
        u_biased = any(x.bias_u is not None for x in lifs)
        return LIFParams(
            cat([lif.decay_v for lif in lifs]),
            cat(heights, np.inf),
            cat([lif.decay_u for lif in lifs]) if current else None,
            cat([lif.register_bias() for lif in lifs]) if biased else None,
            cat([scale * shift for scale in scales]),
            cat([x.bias_u for x in lifs]) * shift if u_biased else None,
        )

    def on_grid(self, exact: LIFParams, live: LIFParams) -> LIFParams:
        unit = exact.unit
        assert unit is not None

        def biases(own: Tensor | None, learned: Tensor | None) -> Tensor | None:
            """Biases that begin at 0 are none on the grid, and learn all the same."""
            if learned is None:
                return None
            none = torch.zeros_like(exact.leak_v) if own is None else own
            return straight_through(none, learned.double() * unit)

        leak_u = None
        if exact.leak_u is not None and live.leak_u is not None:
            leak_u = straight_through(exact.leak_u, DECAY_ALL * (1 - live.leak_u.double()))
        return LIFParams(
            straight_through(exact.leak_v, DECAY_ALL * (1 - live.leak_v.double())),
            _thresholds(exact.threshold, live.threshold.double() * unit),
            leak_u,
            biases(exact.bias, live.bias),
            unit,
            biases(exact.bias_u, live.bias_u),
        )

    def check(self, params: LIFParams) -> None:
        least = float(params.threshold.detach().amin())
        require(
            least >= 0, f"the lowest threshold is {least}; it must be at least 0, or a refractory neuron would fire"
        )

    def fitted(self, parts: tuple[Part, ...], params: LIFParams, fixed: bool) -> tuple[list[Facts], LIFParams]:
        """A bias of zero is none, and a current that every time step empties is none: rounding, training and a right
        shift can bring either about. Engines look for a current in the numbers, and lay out registers for it."""
        none = torch.zeros((), dtype=torch.bool, device=params.leak_v.device)
        keeps = None if params.leak_u is None else (params.leak_u < DECAY_ALL if fixed else params.leak_u != 0)
        biases = [x != 0 for x in (params.bias, params.bias_u) if x is not None]
        biased = torch.stack(biases).any(0) if biases else None
        found = [none if x is None else x[at].any() for x in (keeps, biased) for at in stretches(parts)]
        flags: list[bool] = torch.stack(found).tolist()
        each = zip(parts, flags, flags[len(parts) :])
        facts: list[Facts] = [
            replace(lif_facts(p), due=current or bias or lif_facts(p).waits, has_current=current)
            for p, current, bias in each
        ]
        return facts, params if any(flags[: len(parts)]) else replace(params, leak_u=None)

    def dynamics(self, members: Members) -> LIFDynamics:
        return LIFDynamics(members)


def _spread(value: Any, n: int, missing: float) -> Tensor:
    """(n,) of a parameter that is one number, one a neuron, or ``missing``."""
    return torch.as_tensor(np.broadcast_to(missing if value is None else value, (n,)).copy())


def _thresholds(exact: Tensor, smooth: Tensor) -> Tensor:
    """Straight through where finite; a population that never fires stays so."""
    never = torch.isinf(exact)
    return torch.where(never, exact, straight_through(exact.masked_fill(never, 0), smooth.masked_fill(never, 0)))
