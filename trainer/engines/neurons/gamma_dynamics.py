"""How SpikingGamma neurons move in a run of the plain engines, on floats and on a chip's integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ir.neurons.fixed_spiking_gamma import ASYNCHRONOUS, PAYLOAD_BITS
from trainer.engines.neurons.model import Fired, Members
from trainer.engines.numbers import FixedNumbers, straight_through
from trainer.engines.parts import Facts, NeuronParams


@dataclass(frozen=True)
class GammaFacts(Facts):
    """What is noted of a population; fields as of ``ir.neurons.SpikingGamma``.

    Attributes:
        n_buckets: K.
    """

    n_buckets: int = 1
    fires: bool = True
    strict: bool = True
    adapts: bool = False


@dataclass
class GammaParams(NeuronParams):
    """The numbers of SpikingGamma neurons; those of integers as in ``FixedSpikingGamma``.

    Attributes:
        keep: (n, K) what a time step leaves of a bucket; of integers D_k, what it takes. Beyond a population's own
            buckets 0.
        weight: (n, K).
        threshold: infinite where it never fires.
        keep_threshold: of integers what a time step takes.
        shift: of integers, to the right.
        most: what is coded at most, or infinite: errors stop at a neuron that would code more.
    """

    keep: Tensor
    weight: Tensor
    threshold: Tensor
    quantum: Tensor
    adaptation: Tensor
    keep_threshold: Tensor
    shift: Tensor
    most: Tensor


def rectified(v: Tensor, most: Tensor) -> Tensor:
    """What a neuron codes: 0 below 0, and no more than ``most``."""
    return torch.relu(torch.where(v < most, v, most))


def gate(v: Tensor, most: Tensor) -> Tensor:
    """The derivative of what is coded by ``v``, 0 or 1."""
    return ((v > 0) & (v < most)).to(v.dtype).detach()


class GammaDynamics:
    """One population: buckets ``x`` (B, n, K), their sum ``v``, and of neurons that fire ``e`` and ``th``.

    The backward pass takes what spikes tell for what they code (straight through): ``e`` has the value of the spikes
    and the gradient of the rectified ``v``. A spike carries ``e - keep e_before``; receivers add that up with the same
    ``keep``, so that all of a time step's gradient goes to that time step. No threshold is ever differentiated.
    """

    def __init__(self, members: Members) -> None:
        self.members, self.params, self.numbers = members, members.params, members.numbers
        self.facts = cast(GammaFacts, members.parts[0].facts)
        k = self.facts.n_buckets
        self.keep, self.weight = self.params.keep[:, :k], self.params.weight[:, :k]
        self.fixed = isinstance(self.numbers, FixedNumbers)
        self.v = self.e = self.th = members.zeros(self.params.threshold)
        self.x = self.v.unsqueeze(-1).expand(*self.v.shape, k)

    def resume(self, states: Mapping[str, Tensor], fired: Tensor) -> None:
        """Go on from the end of an earlier run."""
        self.v = states["v"]
        self.x = torch.stack([states[f"x{k}"] for k in range(self.facts.n_buckets)], -1)
        self.e, self.th = states.get("e", self.e), states.get("th", self.th)

    def begin(self, t: int) -> None:
        """What spikes have told falls; the first decay is both ends' and does not learn."""
        if self.facts.fires:
            self.e = self.numbers.leak(self.e, self.keep[:, 0].detach())

    def advance(self, drive: Tensor, k: int, active: Tensor, resting: Tensor) -> Fired:
        """Not defined."""
        raise ValueError(f"a population of SpikingGamma {ASYNCHRONOUS}")

    def fire(self, drive: Tensor) -> Fired:
        """All of a time step into the first bucket, every bucket on, then code what they add up to."""
        self.receive(drive)
        if not self.facts.fires:
            none = torch.zeros_like(self.v)
            return Fired(none, self.v, none)
        return self.code()

    def receive(self, drive: Tensor) -> None:
        """Move the buckets on, and weigh them."""
        old, keep = self.x, self.keep
        first = self.numbers.add_to_state(self.numbers.leak(old[..., 0], keep[:, 0].detach()), drive, "x0")
        rest = self.numbers.approach(old[..., 1:], old[..., :-1], keep[:, 1:])
        self.x = torch.cat([first.unsqueeze(-1), rest], -1)
        self.v = self.numbers.shift_state((self.x * self.weight).sum(-1), self.params.shift, "v")

    def code(self) -> Fired:
        """Spike where the rectified sum is further above what spikes tell than the threshold."""
        y, before = rectified(self.v, self.params.most), self.e
        threshold = self.params.threshold + self.th
        error = (y - before).detach()
        spikes = (error > threshold if self.facts.strict else error >= threshold).to(y.dtype)
        quantum, payload = self._quantum(threshold)
        self.e = straight_through(self.numbers.held(before.detach() + quantum * spikes, "e"), y)
        more = (self.e - before) / quantum
        if self.facts.adapts:
            self._adapt(threshold, spikes)
        return Fired(straight_through(spikes, more), self.v, straight_through(payload * spikes, more * payload))

    def _quantum(self, threshold: Tensor) -> tuple[Tensor, Tensor]:
        """What a spike tells, and what it carries: of integers their own share of it."""
        own = self.params
        if not self.fixed:
            quantum = threshold * (own.quantum / own.threshold) if self.facts.adapts else own.quantum
            return quantum, quantum
        if not self.facts.adapts:
            return own.quantum, torch.ones_like(own.quantum)
        payload = torch.floor(threshold * 2**PAYLOAD_BITS / own.threshold)
        return torch.floor(payload * own.quantum / 2**PAYLOAD_BITS), payload

    def _adapt(self, threshold: Tensor, spikes: Tensor) -> None:
        """The threshold moves on, without a gradient."""
        more = self.numbers.share(threshold, self.params.adaptation) * spikes
        left = self.numbers.leak(self.th, self.params.keep_threshold)
        self.th = self.numbers.held(left + more, "th").detach()

    def states(self) -> dict[str, Tensor]:
        """By the names of ``STATES``."""
        found = {"v": self.v, **{f"x{k}": self.x[..., k] for k in range(self.facts.n_buckets)}}
        if self.facts.fires:
            found["e"] = self.e
        if self.facts.adapts:
            found["th"] = self.th
        return found
