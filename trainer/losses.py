"""What training minimizes, from an engine's result."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from trainer.engines.plan import Plan
from trainer.engines.result import Result


def rate_loss(result: Result, plan: Plan, labels: Tensor) -> Tensor:
    """Cross-entropy of each time step's output spike counts, averaged (snnTorch's ``ce_rate_loss``)."""
    counts = result.counts[:, :, plan.output]
    return functional.cross_entropy(counts.flatten(0, 1), labels.repeat(counts.shape[0]))


def count_loss(result: Result, plan: Plan, labels: Tensor) -> Tensor:
    """Cross-entropy of the output spike counts of the whole sample, which decide; for samples of many time steps."""
    return functional.cross_entropy(result.counts[:, :, plan.output].sum(0), labels)


def membrane_loss(result: Result, plan: Plan, labels: Tensor) -> Tensor:
    """Cross-entropy of the output membranes, averaged over time steps."""
    v = result.v[:, :, plan.output]
    return functional.cross_entropy(v.flatten(0, 1), labels.repeat(v.shape[0]))


def first_spike_loss(result: Result, plan: Plan, labels: Tensor, decay: float = 0.7) -> Tensor:
    """Cross-entropy of output spike counts weighted by ``decay^t``: early spikes decide."""
    n_steps = result.counts.shape[0]
    return _weighted(result, plan, labels, decay, torch.arange(n_steps, device=result.counts.device)[:, None])


def early_loss(result: Result, plan: Plan, labels: Tensor, decay: float = 0.97) -> Tensor:
    """Cross-entropy of the whole sample's output spike counts, each time step's weighted by ``decay`` to the power of
    the forward steps that the sample has spent before it: the sooner on the chip, the more a spike decides."""
    spent = torch.cumsum(result.forward_steps, 0) - result.forward_steps
    return _weighted(result, plan, labels, decay, spent)


def _weighted(result: Result, plan: Plan, labels: Tensor, decay: float, spent: Tensor) -> Tensor:
    """Cross-entropy of output spike counts weighted by ``decay`` to the power of ``spent``, (T, B) or (T, 1)."""
    counts = result.counts[:, :, plan.output]
    return functional.cross_entropy((counts * (decay ** spent.to(counts.dtype))[:, :, None]).sum(0), labels)


LOSS_FUNCTIONS = {
    "rate": rate_loss,
    "count": count_loss,
    "membrane": membrane_loss,
    "first_spike": first_spike_loss,
    "early": early_loss,
}


def range_penalty(v: Tensor, most: Tensor) -> Tensor:
    """By how much neurons would code more than they can, as a share of that, averaged over all of them.

    Args:
        v: (..., N).
        most: (N,) what spikes can tell, or a lower ceiling; neurons without such a bound are infinite and do not
            count.
    """
    bound = torch.isfinite(most)
    if not bool(bound.any()):
        return v.new_zeros(())
    return torch.relu(v[..., bound] / most[bound] - 1).mean()


def spike_penalty(result: Result) -> Tensor:
    """Spikes a neuron and time step, averaged over the batch."""
    return result.counts.mean()
