"""One batch, one time step after the other: the engine's forward pass, and each step's own gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainer.engines.call import Call
from trainer.engines.checks import checked
from trainer.engines.neurons.gamma_dynamics import GammaDynamics, GammaParams, gate, rectified
from trainer.engines.numbers import straight_through
from trainer.engines.parts import Link, apply_link, stretches
from trainer.losses import range_penalty
from trainer.online.chain import check_traces, layers_of
from trainer.online.credit import CREDITS, Credit

StepLoss = Callable[[Tensor, int], "Tensor | None"]
"""The loss of a time step, from the readout's membranes (B, n) and the time step; None = it does not count."""


@dataclass
class Gradients:
    """Of the weights of each projection, and of each layer's bucket weights (n, K), from the input to the readout."""

    weights: list[Tensor]
    buckets: list[Tensor]


@dataclass
class Step:
    """What came of one time step.

    Attributes:
        loss: None where it did not count; then there are no gradients.
        spikes: (B, N) in the order of the layers.
    """

    loss: Tensor | None
    gradients: Gradients | None
    spikes: Tensor


class Layer:
    """One layer between two time steps: its neurons, its sources' buckets, and traces where the rule keeps them.

    Attributes:
        source: (B, n_pre, K) what the sources have told, filtered with this layer's decays.
        trace: (K of the next layer, B, n, n_pre), changed in place; ``bucket_trace``: (K of the next layer, B, n, K).
    """

    def __init__(self, call: Call, link: Link, neurons: GammaDynamics, traced: Tensor | None) -> None:
        self.link, self.neurons = link, neurons
        b, k = call.frames.shape[1], neurons.facts.n_buckets
        self.source = call.params.like.new_zeros(b, link.connection.n_pre, k)
        self.next_keep = traced
        self.trace: Tensor | None = None
        self.bucket_trace: Tensor | None = None

    def begin(self, told: Tensor, counts: Tensor | None) -> None:
        """Filter what the sources tell: neurons their ``e``, inputs what has come of them."""
        keep, old = self.neurons.keep[0], self.source
        first = told if counts is None else keep[0] * old[..., 0] + counts
        rest = keep[1:] * old[..., 1:] + (1 - keep[1:]) * old[..., :-1]
        self.source = torch.cat([first.unsqueeze(-1), rest], -1)

    def local(self, source: Tensor, weight: Tensor, buckets: Tensor) -> Tensor:
        """(B, n) v with the gradient of this time step alone: the buckets of each source through its weights."""
        b, n_pre, k = source.shape
        flat = source.permute(0, 2, 1).reshape(b * k, n_pre)
        x = apply_link(self.link, weight, flat).reshape(b, k, -1).permute(0, 2, 1)
        return straight_through(self.neurons.v, (x * buckets).sum(-1))

    def remember(self, gate: Tensor, buckets: Tensor) -> None:
        """Add this time step's derivative of y to the traces, one for each bucket of the next layer."""
        assert self.next_keep is not None
        z = gate.unsqueeze(-1) * torch.matmul(self.source, buckets.T).transpose(1, 2)
        self.trace = _cascade(self.trace, z, self.next_keep)
        self.bucket_trace = _cascade(self.bucket_trace, gate.unsqueeze(-1) * self.neurons.x, self.next_keep)


def _cascade(old: Tensor | None, z: Tensor, keep: Tensor) -> Tensor:
    """(K, ...): the filter of the next layer's buckets, with stage 0 the value itself; in place."""
    rows = z.new_zeros(len(keep), *z.shape) if old is None else old
    for k in range(len(keep) - 1, 0, -1):
        rows[k].mul_(keep[k]).add_(rows[k - 1] * (1 - keep[k]))
    rows[0] = z
    return rows


class OnlineRun:
    """A batch under a credit rule; what it keeps does not depend on the number of time steps.

    Attributes:
        price: of ``trainer.losses.range_penalty``.

    Raises:
        ValueError: the network is no chain of SpikingGamma, or the rule does not take it.
    """

    def __init__(self, call: Call, rule: str) -> None:
        self.call, self.price = checked(call), 0.0
        self.credit: Credit = CREDITS[rule]
        self.places = layers_of(self.call)
        check_traces(rule, self.credit, self.places, self.call)
        plan, own = self.call.plan, self.call.params.neurons["spiking_gamma"]
        assert isinstance(own, GammaParams)
        self.at = dict(zip((p.name for p in plan.parts), stretches(plan.parts)))
        neurons = [GammaDynamics(self.call.members((p,), self._own(own, p.name))) for p, _, _ in self.places]
        following = [n.keep[0] for n in neurons[1:]] if self.credit.traces else [None] * (len(neurons) - 1)
        self.layers = [
            Layer(self.call, link, n, k) for (_, link, _), n, k in zip(self.places, neurons, [*following, None])
        ]

    def _own(self, own: GammaParams, name: str) -> GammaParams:
        return replace(own, **{k: x.detach() for k, x in own.of(self.at[name]).named().items()})

    def take(self, weights: list[Tensor], own: GammaParams) -> None:
        """Go on with other weights and bucket weights, e.g. after a step of the optimizer."""
        self.call = replace(self.call, params=replace(self.call.params, weights=weights))
        for layer, (p, _, _) in zip(self.layers, self.places):
            layer.neurons.params = self._own(own, p.name)
            layer.neurons.weight = layer.neurons.params.weight[:, : layer.neurons.facts.n_buckets]

    def steps(self, loss: StepLoss) -> Iterator[Step]:
        """Every time step in turn."""
        for t in range(len(self.call.frames)):
            spikes = self._forward(t)
            yield self._step(loss, t, spikes)

    def _forward(self, t: int) -> Tensor:
        """One time step of the engine; (B, N) spikes."""
        fired: list[Tensor] = []
        carried = self.call.frames[t]
        told: Tensor | None = None
        with torch.no_grad():
            for layer, (_, _, number) in zip(self.layers, self.places):
                layer.begin(carried if told is None else told, carried if told is None else None)
                neurons = layer.neurons
                neurons.begin(t)
                spikes, _, carried = neurons.fire(apply_link(layer.link, self.call.params.weights[number], carried))
                told = neurons.e
                fired.append(spikes)
        return torch.cat(fired, 1)

    def _step(self, loss: StepLoss, t: int, spikes: Tensor) -> Step:
        """The gradient of one time step, through its own graph."""
        weights = [self.call.params.weights[n].detach().requires_grad_() for _, _, n in self.places]
        buckets = [layer.neurons.weight.detach().requires_grad_() for layer in self.layers]
        sources: list[Tensor] = []
        y, v = None, self.layers[-1].neurons.v
        coded: list[Tensor] = []
        for layer, weight, bucket in zip(self.layers, weights, buckets):
            source = layer.source.detach().requires_grad_() if y is None else self._passed(layer.source, y)
            sources.append(source)
            v = layer.local(source, weight, bucket)
            coded.append(v)
            y = rectified(v, layer.neurons.params.most)
            if layer.next_keep is not None:
                layer.remember(gate(v, layer.neurons.params.most), bucket.detach())
        value, over = loss(v, t), self._over(coded[:-1])
        local: tuple[Tensor | None, ...] | None = None
        if over is not None:
            local = torch.autograd.grad(over, [*weights, *buckets], retain_graph=True, allow_unused=True)
        if value is None and local is None:
            return Step(None, None, spikes)
        n = len(weights)
        found = Gradients([torch.zeros_like(x) for x in weights], [torch.zeros_like(x) for x in buckets])
        if value is not None:
            found = self._credited(torch.autograd.grad(value, [*weights, *buckets, *sources], allow_unused=True), found)
        if local is not None:
            found = added(found, Gradients(_zeroed(local[:n], weights), _zeroed(local[n:], buckets)))
        return Step(sum_of(value, over), found, spikes)

    def _over(self, coded: list[Tensor]) -> Tensor | None:
        """What it costs in this time step that neurons code more than spikes can tell."""
        if not self.price or not coded:
            return None
        most = torch.cat([layer.neurons.params.most for layer in self.layers[:-1]])
        if not bool(torch.isfinite(most).any()):
            return None
        return self.price / len(self.call.frames) * range_penalty(torch.cat(coded, -1), most)

    def _credited(self, errors: tuple[Tensor | None, ...], like: Gradients) -> Gradients:
        """From the derivatives of a time step's own graph, in the order of weights, bucket weights and sources."""
        n = len(like.weights)
        found = Gradients(_zeroed(errors[:n], like.weights), _zeroed(errors[n : 2 * n], like.buckets))
        if self.credit.traces:
            for i, (layer, e) in enumerate(zip(self.layers[:-1], errors[2 * n + 1 :])):
                assert layer.trace is not None and layer.bucket_trace is not None and e is not None
                found.weights[i] = _summed(e, layer.trace)
                found.buckets[i] = _summed(e, layer.bucket_trace)
        return found

    def _passed(self, source: Tensor, y: Tensor) -> Tensor:
        """A layer's source with the gradient of what it codes now, at the buckets that pass their errors."""
        k = source.shape[-1]
        some = k if self.credit.buckets is None else min(self.credit.buckets, k)
        wide = torch.cat([y.unsqueeze(-1).expand(*y.shape, some), y.new_zeros(*y.shape, k - some)], -1)
        return straight_through(source, wide)


def added(a: Gradients, b: Gradients) -> Gradients:
    """The sum of two gradients."""
    return Gradients([x + y for x, y in zip(a.weights, b.weights)], [x + y for x, y in zip(a.buckets, b.buckets)])


def sum_of(value: Tensor | None, over: Tensor | None) -> Tensor:
    """The loss of a time step, of which one part may not be there."""
    return torch.stack([x.detach() for x in (value, over) if x is not None]).sum()


def _summed(errors: Tensor, trace: Tensor) -> Tensor:
    """Over samples and buckets: errors (B, n, K), trace (K, B, n, m) -> (n, m)."""
    k, b, n, m = trace.shape
    rows = errors.permute(1, 2, 0).reshape(n, 1, k * b)
    return torch.bmm(rows, trace.permute(2, 0, 1, 3).reshape(n, k * b, m)).squeeze(1)


def _zeroed(found: tuple[Tensor | None, ...], like: list[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, like)]
