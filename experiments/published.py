"""One plain training engine for what the published code computes and for what ours does: each difference is a switch.

Written from the description of the method (docs/training.md, "What differs from the published code"); chains of dense
layers, momentum order, the whole frame at once. Several seeds train side by side: every tensor has them as its first
axis, so that a forward step's overhead is paid once. The spikes are the same whatever is switched; gradients are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from math import pi

import numpy as np
import torch
from numba import njit
from torch import Tensor

from trainer.surrogate import Slope, spike

Draw = Callable[[str, int, int, tuple[int, ...]], Tensor]
"""Uniform numbers in [0, 1) for a purpose (``slot``, ``escape``), a time step and a forward step."""


@dataclass(frozen=True)
class Switches:
    """What is done as the published code does it; the defaults are ours.

    Attributes:
        peak: the surrogate's peak is 1 / pi, not 1.
        gate: the surrogate acts on every neuron in every forward step, not only where current arrives.
        slots: who fills the slots that no spike takes. ``drawn`` (ours): silent neurons by a sample's own draw, until
            its own last round. As published until the slowest sample of the batch has drained: ``noise``, sorted by
            uniform noise of 1e-6 beside -1 (momentum order as it comes), or ``first``, the first neurons of the
            network, which sorting equal values leaves in front (random order, and momentum order without noise).
        carry: what waits in the queue, a silent neuron's gradient, goes on into the next time step.
        cut: the membrane of a neuron that fired carries a gradient into the next time step.
        skip: a layer none of whose spikes is served in the batch delivers nothing, no silent gradient either.
        wave: a time step ends when the queue is empty, outputs' entries too, and no drive is positive: a last
            inhibitory wave is dropped. Ours ends when nothing that waits has a target, and delivers what was served.
    """

    peak: bool = False
    gate: bool = False
    slots: str = "drawn"
    carry: bool = False
    cut: bool = False
    skip: bool = False
    wave: bool = False


OURS = Switches()
PUBLISHED = Switches(True, True, "first", True, True, True, True)


@dataclass(frozen=True)
class Settings:
    """The neurons and the queue.

    Attributes:
        leak: what a membrane keeps in a time step.
        escape: probability that a neuron that fires does not become refractory, in training.
    """

    F: int = 8
    threshold: float = 0.3
    leak: float = float(np.exp(-10))
    escape: float = 0.8
    switches: Switches = OURS


@njit(cache=True)
def _top(score: np.ndarray, f: int, chosen: np.ndarray) -> None:
    """Mark in each row the ``f`` largest scores, ties to the smallest index."""
    n_rows, n = score.shape
    value, place = np.empty(f, score.dtype), np.empty(f, np.int64)
    for row in range(n_rows):
        kept = 0
        for i in range(n):
            x = score[row, i]
            if kept == f and x <= value[f - 1]:
                continue
            at = kept if kept < f else f - 1
            kept = min(kept + 1, f)
            while at > 0 and value[at - 1] < x:
                value[at], place[at] = value[at - 1], place[at - 1]
                at -= 1
            value[at], place[at] = x, i
        for j in range(kept):
            chosen[row, place[j]] = True


def best(score: Tensor, f: int) -> Tensor:
    """(S, B, N) bool: the ``f`` largest of the last axis."""
    chosen = torch.zeros(score.shape, dtype=torch.bool)
    _top(score.reshape(-1, score.shape[-1]).numpy(), min(f, score.shape[-1]), chosen.view(-1, score.shape[-1]).numpy())
    return chosen


class Chain:
    """A chain of dense layers under one queue, for several seeds at once.

    Args:
        weights: of each layer, (S, n_out, n_in).
    """

    def __init__(self, weights: list[Tensor], settings: Settings) -> None:
        self.weights, self.settings = weights, settings
        ends = list(accumulate(w.shape[1] for w in weights))
        self.layers = [slice(a, b) for a, b in zip([0, *ends], ends)]
        self.n_neurons, self.output = ends[-1], self.layers[-1]
        self.hidden = slice(0, self.output.start)

    def run(self, frames: Tensor, draw: Draw | None) -> tuple[Tensor, Tensor]:
        """Run a batch.

        Args:
            frames: (T, S, B, n_in).
            draw: of training; None = evaluation, nothing random.

        Returns:
            Spikes a time step (T, S, B, N), and forward steps (T, S, B).
        """
        n_steps, seeds, batch, n_in = frames.shape
        rows = frames.transpose(0, 1).reshape(seeds, n_steps * batch, n_in)
        first = torch.bmm(rows, self.weights[0].transpose(1, 2)).view(seeds, n_steps, batch, -1)
        v = q = first.new_zeros(seeds, batch, self.n_neurons)
        spikes: list[Tensor] = []
        steps: list[Tensor] = []
        for t in range(n_steps):
            # An output's entry may be left, as nothing waits for it: of spikes nothing goes on.
            q = q.masked_fill(q.detach() > 0, 0.0) if self.settings.switches.carry else torch.zeros_like(v)
            s, v, q, k = self._time_step(first[:, t], v * self.settings.leak, q, t, draw)
            spikes.append(s)
            steps.append(k)
        return torch.stack(spikes), torch.stack(steps)

    def _time_step(
        self, current: Tensor, v: Tensor, q: Tensor, t: int, draw: Draw | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Forward steps until every sample has stopped; spikes, membranes, queue, forward steps."""
        settings, switches = self.settings, self.settings.switches
        slope = Slope(peak=1 / pi if switches.peak else 1.0)
        drive = torch.nn.functional.pad(current, (0, self.n_neurons - current.shape[-1]))
        spikes = torch.zeros_like(v)
        free, m = torch.ones_like(v), torch.zeros_like(v)
        fired = torch.zeros(v.shape, dtype=torch.bool)
        alive = torch.ones(*v.shape[:2], 1, dtype=torch.bool)
        steps = torch.zeros(v.shape[:2], dtype=torch.int64)
        for k in count():
            steps += alive[..., 0]
            reached = (v + drive) * free
            s = spike(reached - settings.threshold, alive if switches.gate else drive.detach() != 0, slope)
            v = reached * (1 - s)
            now = s.detach() > 0
            fired |= now
            m = torch.where(now, reached.detach(), m)
            stays = now if draw is None else now & (draw("escape", t, k, tuple(v.shape)) >= settings.escape)
            free = free.masked_fill(stays, 0.0)
            spikes, q = spikes + s, q + s
            q, drive, alive = self._serve(q, m, alive, t, k, draw)
            if not bool(alive.any()):
                break
        if not switches.cut:
            v = torch.where(fired, v.detach(), v)
        return spikes, v, q, steps

    def _serve(
        self, q: Tensor, m: Tensor, alive: Tensor, t: int, k: int, draw: Draw | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose F entries, deliver them; queue, drive, and which samples go on."""
        switches = self.settings.switches
        waits = q.detach() > 0
        goes = alive & waits[..., self.hidden].any(-1, keepdim=True)
        together = switches.slots != "drawn"
        if together:
            goes = goes.any(1, keepdim=True).expand_as(alive)
        chosen = self._chosen(waits, m, t, k, draw)
        if not together:
            chosen &= waits | goes if not switches.wave else waits | alive
        served, q = q * chosen, q * ~chosen
        drive = self._delivered(served)
        if switches.wave:
            left = (waits & ~chosen).any(-1, keepdim=True) | (drive.detach() > 0).any(-1, keepdim=True)
            goes = alive & (left.any(1, keepdim=True) if together else left)
        return q, drive if bool(goes.all()) else drive * goes, goes

    def _chosen(self, waits: Tensor, m: Tensor, t: int, k: int, draw: Draw | None) -> Tensor:
        """(S, B, N) the F of the largest momentum, then silent neurons."""
        if draw is None:
            return best(torch.where(waits, m, -1.0), self.settings.F) & waits
        if self.settings.switches.slots == "first":
            return best(torch.where(waits, m, -1.0), self.settings.F)
        u = draw("slot", t, k, tuple(m.shape)).to(m.dtype)
        if self.settings.switches.slots == "noise":  # as far as rounding beside -1 leaves any
            return best(torch.where(waits, m, -1.0) + 1e-6 * u, self.settings.F)
        return best(torch.where(waits, m, -1 - u), self.settings.F)

    def _delivered(self, served: Tensor) -> Tensor:
        """(S, B, N) what the served entries bring."""
        parts = [torch.zeros_like(served[..., self.layers[0]])]
        for at, weight in zip(self.layers, self.weights[1:]):
            sent = served[..., at]
            if self.settings.switches.skip:
                sent = sent * (sent.detach() != 0).any(2, keepdim=True).any(1, keepdim=True)
            parts.append(torch.bmm(sent, weight.transpose(1, 2)))
        return torch.cat(parts, -1)


def rate_loss(spikes: Tensor, labels: Tensor) -> Tensor:
    """Each seed's cross-entropy of its outputs' counts, averaged over time steps and samples; (S,).

    Args:
        spikes: (T, S, B, n_classes).
        labels: (S, B).
    """
    n_steps = spikes.shape[0]
    rows, right = spikes.permute(1, 0, 2, 3).flatten(0, 2), labels[:, None].expand(-1, n_steps, -1).flatten()
    return torch.nn.functional.cross_entropy(rows, right, reduction="none").view(len(labels), -1).mean(1)


def right(spikes: Tensor, labels: Tensor) -> Tensor:
    """(S, B) whether the class with most output spikes is the label's; ties to the smallest, none is wrong."""
    counts = spikes.sum(0)
    most = counts.amax(-1, keepdim=True)
    decided = torch.where(most[..., 0] > 0, (counts == most).int().argmax(-1), -1)
    return decided == labels


def as_torch_begins(sizes: list[int], seeds: list[int]) -> list[Tensor]:
    """Weights of ``torch.nn.Linear`` without bias for each seed, layer by layer; (S, n_out, n_in) with gradient."""
    made: list[list[Tensor]] = []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)
        made.append([(torch.rand(b, a, generator=random) * 2 - 1) / a**0.5 for a, b in pairwise(sizes)])
    return [torch.stack(layer).requires_grad_() for layer in zip(*made)]
