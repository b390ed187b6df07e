"""Leaky integrate and fire in the plain engines, every gradient by autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ir.arithmetic import DECAY_ALL
from ir.check import require
from ir.neurons import LIF, FixedLIF
from trainer.engines.neurons.model import Fired, Members
from trainer.engines.numbers import straight_through
from trainer.engines.parts import Facts, NeuronParams, Part, stretches
from trainer.engines.pooling import FirstSpike
from trainer.surrogate import spike


@dataclass(frozen=True)
class LIFFacts(Facts):
    """What engines note of a population of LIF.

    Attributes:
        has_current: whether a neuron keeps a current, by the numbers that run.
        pools: a max pooling of spikes.
    """

    subtract: bool = False
    reset_interval: int = 0
    reset_offset: int = 0
    v_min: float | None = None
    multi_spike: bool = False
    has_current: bool = False
    pools: bool = False

    def clears(self, t: int) -> bool:
        """Whether u and v are 0 before time step ``t`` (Lava's ``LIFReset``)."""
        return self.reset_interval > 0 and (t + 1) % self.reset_interval == self.reset_offset % self.reset_interval


def lif_facts(part: Part) -> LIFFacts:
    """The facts of a population that is known to be of LIF."""
    assert isinstance(part.facts, LIFFacts)
    return part.facts


@dataclass
class LIFParams(NeuronParams):
    """Numbers of LIF neurons; what carries a gradient is trained.

    Attributes:
        leak_v: (n,) share of the membrane left after a time step (integers: decay_v).
        threshold: (n,); infinite = never fires.
        leak_u: (n,) likewise for the current (integers: decay_u); None = no current memory anywhere.
        bias: (n,) or None.
        unit: (n,) membrane units a trained unit: 1 for floats, ``scale << 6`` for integers.
    """

    leak_v: Tensor
    threshold: Tensor
    leak_u: Tensor | None = None
    bias: Tensor | None = None
    unit: Tensor | None = None


class LIFModel:
    """LIF in the table of models."""

    def facts(self, neuron: LIF | FixedLIF) -> LIFFacts:
        interval, offset = getattr(neuron, "reset_interval", 0), getattr(neuron, "reset_offset", 0)
        multi_spike = getattr(neuron, "multi_spike", False)
        subtract = neuron.reset == "subtract"
        return LIFFacts(False, subtract, interval, offset, neuron.v_min, multi_spike, pools=neuron.pools)

    def float_params(self, neurons: Sequence[tuple[Any, int]], dt_s: float, dtype: torch.dtype) -> LIFParams:
        def cat(values: list[Any], missing: float = 0.0) -> Tensor:
            return torch.cat([_spread(x, n, missing).to(dtype) for x, (_, n) in zip(values, neurons)])

        lifs: list[LIF] = [lif for lif, _ in neurons]
        current, biased = any(x.tau_syn_s is not None for x in lifs), any(x.bias is not None for x in lifs)
        return LIFParams(
            cat([lif.leak_v(dt_s) for lif in lifs]),
            cat([lif.v_threshold for lif in lifs], np.inf),
            cat([lif.leak_u(dt_s) for lif in lifs]) if current else None,
            cat([lif.bias for lif in lifs]) if biased else None,
        )

    def fixed_params(self, neurons: Sequence[tuple[Any, int]], scales: Sequence[float], shift: int) -> LIFParams:
        def cat(values: list[Any], missing: float = 0.0) -> Tensor:
            return torch.cat([_spread(x, n, missing).to(torch.float64) for x, (_, n) in zip(values, neurons)])

        lifs: list[FixedLIF] = [lif for lif, _ in neurons]
        heights = [None if x.v_threshold is None else np.asarray(x.v_threshold, np.float64) * shift for x in lifs]
        current, biased = any(x.has_current for x in lifs), any(x.bias is not None for x in lifs)
        return LIFParams(
            cat([lif.decay_v for lif in lifs]),
            cat(heights, np.inf),
            cat([lif.decay_u for lif in lifs]) if current else None,
            cat([lif.register_bias() for lif in lifs]) if biased else None,
            cat([scale * shift for scale in scales]),
        )

    def on_grid(self, exact: LIFParams, live: LIFParams) -> LIFParams:
        assert exact.unit is not None
        none, bias = torch.zeros_like(exact.leak_v), None
        if live.bias is not None:  # biases that begin at 0 are none on the grid, and learn all the same
            bias = straight_through(none if exact.bias is None else exact.bias, live.bias.double() * exact.unit)
        leak_u = None
        if exact.leak_u is not None and live.leak_u is not None:
            leak_u = straight_through(exact.leak_u, DECAY_ALL * (1 - live.leak_u.double()))
        return LIFParams(
            straight_through(exact.leak_v, DECAY_ALL * (1 - live.leak_v.double())),
            _thresholds(exact.threshold, live.threshold.double() * exact.unit),
            leak_u,
            bias,
            exact.unit,
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
        biased = None if params.bias is None else params.bias != 0
        found = [none if x is None else x[at].any() for x in (keeps, biased) for at in stretches(parts)]
        flags: list[bool] = torch.stack(found).tolist()
        each = zip(parts, flags, flags[len(parts) :])
        facts: list[Facts] = [
            replace(lif_facts(p), due=current or bias or lif_facts(p).subtract, has_current=current)
            for p, current, bias in each
        ]
        return facts, params if any(flags[: len(parts)]) else replace(params, leak_u=None)

    def dynamics(self, members: Members) -> LIFDynamics:
        return LIFDynamics(members)


class LIFDynamics:
    """LIF neurons in a run.

    Attributes:
        v, u: membranes and currents; without current memory u is None under the asynchronous schedule, and what
            reached the membrane under the layered one.
        fired: which neurons have fired in this time step, or in the last one at its beginning.
    """

    def __init__(self, members: Members) -> None:
        self.params: LIFParams = members.params
        self.facts = [lif_facts(p) for p in members.parts]
        self.members, self.numbers, like = members, members.numbers, self.params.leak_v
        self.v = members.zeros(like)
        self.u = None if self.params.leak_u is None else members.zeros(like)
        self.fired = torch.zeros_like(self.v, dtype=torch.bool)
        self.has_current = members.spread([f.has_current for f in self.facts], like, torch.bool)
        self.by_clock = [(f, at) for f, at in zip(self.facts, stretches(members.parts)) if f.reset_interval]
        self.subtracts = members.spread([f.subtract for f in self.facts], like, torch.bool)
        self.pools = members.spread([f.pools for f in self.facts], like, torch.bool)
        self.any_pools = any(f.pools for f in self.facts)
        self.any_subtracts = any(f.subtract for f in self.facts)
        self.reached = torch.zeros_like(self.fired)
        lowest = [f.v_min for f in self.facts]
        v_min = members.spread([-np.inf if x is None else x for x in lowest], like)
        self.v_min = None if all(x is None for x in lowest) else v_min.expand_as(self.v)

    def begin(self, t: int) -> None:
        """Leak once; a fired neuron's membrane carries no gradient on, unless its reset only subtracts."""
        for facts, at in self.by_clock:
            if facts.clears(t):
                keep = torch.ones_like(self.v)
                keep[:, at] = 0
                self.v, self.u = self.v * keep, None if self.u is None else self.u * keep
        cut = self.fired & ~self.subtracts if self.any_subtracts else self.fired
        held = torch.where(cut, self.v.detach(), self.v)
        self.v = self.numbers.leak(held, self.params.leak_v)
        if self.u is not None and self.params.leak_u is not None:
            self.u = self.numbers.leak(self.u, self.params.leak_u)
        self.fired = self.reached = torch.zeros_like(self.fired)

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        params = self.params
        at_depth = (self.members.depth == k)[None, :] & active
        bias = params.bias * at_depth if params.bias is not None else 0.0
        i = self._reaching(drive, k, active)
        moved = i != 0 if params.bias is None else (i != 0) | (bias != 0)
        v = torch.where(active, self.numbers.add_to_membrane(self.v, i, bias, self.v_min), self.v)
        if self.any_subtracts:
            return self._fired_by_subtraction(v, moved & active, k, active, resting)
        v = torch.where(resting & active, torch.zeros_like(v), v)
        s = self._spikes(v, moved & ~resting & active) * (~resting)
        self.v = self._emptied(v, s)
        self.fired = self.fired | (s.detach() > 0)
        return Fired(s, v, s)

    def _fired_by_subtraction(self, v: Tensor, moved: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        """The same where some neurons reset by subtraction: those wait for k = depth, and keep later charge.

        At k = depth their surrogate acts where anything has reached them in this time step.
        """
        subtracts, threshold = self.subtracts, torch.nan_to_num(self.params.threshold, posinf=0.0)
        v = torch.where(resting & active & ~subtracts, torch.zeros_like(v), v)
        self.reached = self.reached | moved
        may = active & ~resting & ~(subtracts & (self.members.depth > k))
        acts = torch.where(subtracts & (self.members.depth == k), self.reached, moved)
        s = self._spikes(v, acts & may) * may
        self.v = torch.where(subtracts, v - threshold * s, self._emptied(v, s))
        self.fired = self.fired | (s.detach() > 0)
        return Fired(s, v, s)

    def _reaching(self, x: Tensor, k: int, active: Tensor) -> Tensor:
        """What reaches the membranes of a drive ``x``; it adds to the currents of the samples that still run.

        Without a current that is the drive. With one it is nothing before k = depth, then the whole current, later the
        drive alone: what comes early enters the membrane once, with the current.
        """
        if self.u is None:
            return self.numbers.pass_current(x)
        keeps = self.has_current & active
        u = self.numbers.add_to_current(torch.where(keeps, self.u, 0.0), x)
        self.u = torch.where(keeps, u, self.u)
        late = torch.where(self.members.depth < k, x, 0.0)
        return torch.where(self.has_current, torch.where(self.members.depth == k, u, late), u)

    def fire(self, drive: Tensor) -> Fired:
        params, facts = self.params, self.facts[0]
        if self.u is None or params.leak_u is None:
            self.u = u = self.numbers.pass_current(drive)
        else:
            self.u = u = self.numbers.add_to_current(self.u, drive)
        bias = 0.0 if params.bias is None else params.bias
        v = self.numbers.add_to_membrane(self.v, u, bias, self.v_min)
        s = self._spikes(v, u != 0 if params.bias is None else (u != 0) | (bias != 0))
        if facts.multi_spike:
            s = s + (torch.floor(v / params.threshold).clamp(min=0) - s).detach()
        self.v = v - torch.nan_to_num(params.threshold, posinf=0.0) * s if facts.subtract else self._emptied(v, s)
        self.fired = s.detach() > 0
        return Fired(s, v, s)

    def _emptied(self, v: Tensor, s: Tensor) -> Tensor:
        """Membranes after a reset to zero; those of a max pooling keep nothing, a gradient neither."""
        left = v * (1 - s)
        return torch.where(self.pools, left.detach(), left) if self.any_pools else left

    def _spikes(self, v: Tensor, gate: Tensor) -> Tensor:
        """Fire above the threshold; the surrogate acts where ``gate`` is open, in trained units."""
        above, unit = v - self.params.threshold, self.params.unit
        s = spike(above if unit is None else above / unit, gate, self.members.alpha)
        return torch.where(self.pools, FirstSpike.apply(v, unit), s) if self.any_pools else s

    def states(self) -> dict[str, Tensor]:
        return {"v": self.v, "u": torch.zeros_like(self.v) if self.u is None else self.u}


def _spread(value: Any, n: int, missing: float) -> Tensor:
    """(n,) of a parameter that is one number, one a neuron, or ``missing``."""
    return torch.as_tensor(np.broadcast_to(missing if value is None else value, (n,)).copy())


def _thresholds(exact: Tensor, smooth: Tensor) -> Tensor:
    """Straight through where finite; a population that never fires stays so."""
    never = torch.isinf(exact)
    return torch.where(never, exact, straight_through(exact.masked_fill(never, 0), smooth.masked_fill(never, 0)))
