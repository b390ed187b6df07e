"""How LIF neurons move in the plain engines, every gradient by autograd."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ir.neurons import RESETS
from trainer.engines.neurons.lif_params import LIFParams, lif_facts
from trainer.engines.neurons.model import Fired, Members
from trainer.engines.parts import stretches
from trainer.engines.pooling import FirstSpike
from trainer.surrogate import spike


class LIFDynamics:
    """LIF neurons in a run.

    Attributes:
        v, u: membranes and currents; without current memory u is None under the asynchronous schedule, and what
            reached the membrane under the layered one.
        fired: which neurons have fired in this time step, or in the last one at its beginning.
        late: spikes of this time step whose reset comes at the start of the next; no gradient goes back through it: a
            surrogate in every round until then would add up, and snnTorch, whose reset it is, has none either.
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
        resets = [RESETS[f.reset] for f in self.facts]
        self.subtracts = members.spread([r.subtracts for r in resets], like, torch.bool)
        self.resets_late = members.spread([r.late for r in resets], like, torch.bool)
        self.stays = members.spread([r.stays for r in resets], like, torch.bool)
        self.waits = self.subtracts | self.stays
        self.cuts = members.spread([not r.subtracts and not r.never for r in resets], like, torch.bool)
        self.any_waits, self.any_late = any(r.waits for r in resets), any(r.late for r in resets)
        self.pools = members.spread([f.pools for f in self.facts], like, torch.bool)
        self.any_pools = any(f.pools for f in self.facts)
        self.height = torch.nan_to_num(self.params.threshold, posinf=0.0)
        self.reached, self.late = torch.zeros_like(self.fired), torch.zeros_like(self.v)
        lowest = [f.v_min for f in self.facts]
        v_min = members.spread([-np.inf if x is None else x for x in lowest], like)
        self.v_min = None if all(x is None for x in lowest) else v_min.expand_as(self.v)

    def resume(self, states: Mapping[str, Tensor], fired: Tensor) -> None:
        self.v, self.u = states["v"], None if self.u is None else states["u"]
        self.late, self.fired = states["late"], fired

    def begin(self, t: int) -> None:
        """Leak once; a fired neuron's membrane carries no gradient on, unless its reset subtracts or is none."""
        for facts, at in self.by_clock:
            if facts.clears(t):
                keep = torch.ones_like(self.v)
                keep[:, at] = 0
                self.v, self.u = self.v * keep, None if self.u is None else self.u * keep
                self.late = self.late * keep
        held = self.v
        if self.any_late:
            held = torch.where(self.resets_late & ~self.subtracts, held * (1 - self.late), held)
        held = torch.where(self.fired & self.cuts, held.detach(), held)
        self.v = self.numbers.leak(held, self.params.leak_v)
        if self.any_late:
            self._subtract_late()
        if self.u is not None and self.params.leak_u is not None:
            self.u = self.numbers.leak(self.u, self.params.leak_u)
        self.fired = self.reached = torch.zeros_like(self.fired)

    def _subtract_late(self) -> None:
        """What fired in the time step before loses its threshold now, after the leak."""
        lost = torch.where(self.resets_late & self.subtracts, -self.height * self.late, 0.0)
        self.v = self.numbers.add(self.v, lost, self.v_min)
        self.late = torch.zeros_like(self.late)

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        params = self.params
        at_depth = (self.members.depth == k)[None, :] & active
        bias = params.bias * at_depth if params.bias is not None else 0.0
        i = self._reaching(drive, k, active)
        moved = i != 0 if params.bias is None else (i != 0) | (bias != 0)
        v = torch.where(active, self.numbers.add_to_membrane(self.v, i, bias, self.v_min), self.v)
        if self.any_waits:
            return self._fired_in_time(v, moved & active, k, active, resting)
        v = torch.where(resting & active, torch.zeros_like(v), v)
        s = self._spikes(v, moved & ~resting & active) * (~resting)
        self.v = self._emptied(v, s)
        self.fired = self.fired | (s.detach() > 0)
        return Fired(s, v, s)

    def _fired_in_time(self, v: Tensor, moved: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        """The same where some neurons reset by subtraction or late: those wait for k = depth, and keep later charge.

        At k = depth their surrogate acts where anything has reached them in this time step.
        """
        v = torch.where(resting & active & ~self.waits, torch.zeros_like(v), v)
        self.reached = self.reached | moved
        may = active & ~resting & ~(self.waits & (self.members.depth > k))
        acts = torch.where(self.waits & (self.members.depth == k), self.reached, moved)
        s = self._spikes(v, acts & may) * may
        self.v = self._reset(v, s)
        self.fired = self.fired | (s.detach() > 0)
        return Fired(s, v, s)

    def _reset(self, v: Tensor, s: Tensor) -> Tensor:
        """The membranes after spikes ``s`` (B, n); what resets late is noted."""
        now = self._emptied(v, s)
        if self.any_waits:
            now = torch.where(self.subtracts, v - self.height * s, now)
            now = torch.where(self.stays, v, now)
        if self.any_late:
            self.late = self.late + torch.where(self.resets_late, s.detach(), 0.0)
        return now

    def _reaching(self, x: Tensor, k: int, active: Tensor) -> Tensor:
        """What reaches the membranes of a drive ``x``; it adds to the currents of the samples that still run.

        Without a current that is the drive. With one it is nothing before k = depth, then the whole current, later the
        drive alone: what comes early enters the membrane once, with the current.
        """
        biased = self._biased(x, self.members.depth == k)
        if self.u is None:
            return self._passed(biased)
        keeps = self.has_current & active
        u = self.numbers.add_to_current(torch.where(keeps, self.u, 0.0), biased)
        self.u = torch.where(keeps, u, self.u)
        late = torch.where(self.members.depth < k, x, 0.0)
        return torch.where(self.has_current, torch.where(self.members.depth == k, u, late), u)

    def _biased(self, x: Tensor, due: Tensor | bool) -> Tensor:
        """A drive and the biases of currents that are due with it."""
        return x if self.params.bias_u is None else x + self.params.bias_u * due

    def _passed(self, x: Tensor) -> Tensor:
        """What a drive, with biases or without, is to neurons without current memory."""
        biased = self.params.bias_u is not None
        return self.numbers.add_to_current(torch.zeros_like(x), x) if biased else self.numbers.pass_current(x)

    def fire(self, drive: Tensor) -> Fired:
        params, facts = self.params, self.facts[0]
        drive = self._biased(drive, True)
        if self.u is None or params.leak_u is None:
            self.u = u = self._passed(drive)
        else:
            self.u = u = self.numbers.add_to_current(self.u, drive)
        bias = 0.0 if params.bias is None else params.bias
        v = self.numbers.add_to_membrane(self.v, u, bias, self.v_min)
        s = self._spikes(v, u != 0 if params.bias is None else (u != 0) | (bias != 0))
        if facts.multi_spike:
            s = s + (torch.floor(v / params.threshold).clamp(min=0) - s).detach()
        self.v = self._reset(v, s)
        self.fired = s.detach() > 0
        return Fired(s, v, s)

    def _emptied(self, v: Tensor, s: Tensor) -> Tensor:
        """Membranes after a reset to zero; those of a max pooling keep nothing, a gradient neither."""
        left = v * (1 - s)
        return torch.where(self.pools, left.detach(), left) if self.any_pools else left

    def _spikes(self, v: Tensor, gate: Tensor) -> Tensor:
        """Fire above the threshold; the surrogate acts where ``gate`` is open, in trained units."""
        above, unit = v - self.params.threshold, self.params.unit
        s = spike(above if unit is None else above / unit, gate, self.members.slope)
        return torch.where(self.pools, FirstSpike.apply(v, unit), s) if self.any_pools else s

    def states(self) -> dict[str, Tensor]:
        return {"v": self.v, "u": torch.zeros_like(self.v) if self.u is None else self.u, "late": self.late}
