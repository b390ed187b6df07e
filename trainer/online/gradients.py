"""What a credit rule makes of a batch: gradients by parameter, and how they lie to backpropagation through time."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as functional
from torch import Tensor

from ir.check import require
from ir.schedule import Schedule
from trainer.engines.call import Call
from trainer.engines.neurons.gamma_dynamics import GammaParams
from trainer.engines.options import EVALUATION
from trainer.engines.plan import Params
from trainer.losses import range_penalty
from trainer.network import SpikingNetwork
from trainer.online.compiled import refusal, whole_batch
from trainer.online.credit import CREDITS
from trainer.online.run import Gradients, OnlineRun, StepLoss, added

LAYERED = Schedule("layered")


def label_loss(labels: Tensor, n_steps: int, last: int = 0) -> StepLoss:
    """Cross-entropy of the readout in every time step, or in the last ones alone; their mean over all that count."""
    begins = first_counting(n_steps, last)
    counting = n_steps - begins

    def loss(v: Tensor, t: int) -> Tensor | None:
        return functional.cross_entropy(v, labels) / counting if t >= begins else None

    return loss


def first_counting(n_steps: int, last: int) -> int:
    """The first time step whose loss counts, where the ``last`` ones do (0 = all)."""
    return 0 if last == 0 else max(n_steps - last, 0)


def begun(
    network: SpikingNetwork, frames: Tensor, rule: str, ids: Tensor | None = None, params: Params | None = None
) -> OnlineRun:
    """A batch under a rule, before its first time step.

    Args:
        params: the network's live numbers, where they are at hand.

    Raises:
        ValueError: the rule does not take the network.
    """
    require(
        network.quantization is None, f"rule {rule!r} computes in floats; leave weight_bits out, or use rule 'bptt'"
    )
    learning = [n for n, m in network.neurons.items() if getattr(m, "train_decays", False)]
    require(not learning, f"population {', '.join(learning)}: decays learn under rule 'bptt' alone")
    ids = torch.arange(frames.shape[1], device=frames.device) if ids is None else ids
    params = network.params() if params is None else params
    call = Call(network.plan(), params, frames.flatten(2), ids, LAYERED, EVALUATION)
    return OnlineRun(call, rule)


def hand_over(params: Params, run: OnlineRun, found: Gradients) -> None:
    """Add gradients of an engine's numbers to those of the parameters that the numbers were made of."""
    numbers, own = _numbers(params, run, found)
    torch.autograd.backward(numbers, own)


def handed(params: Params, run: OnlineRun, found: Gradients, parameters: list[Tensor]) -> list[Tensor | None]:
    """The same as values, parameter by parameter; None where nothing reaches one."""
    numbers, own = _numbers(params, run, found)
    return list(torch.autograd.grad(numbers, parameters, own, allow_unused=True))


def _numbers(params: Params, run: OnlineRun, found: Gradients) -> tuple[list[Tensor], list[Tensor]]:
    """An engine's numbers that learn, and their gradients."""
    own = params.neurons["spiking_gamma"]
    assert isinstance(own, GammaParams)
    weights: dict[int, Tensor] = {n: g for (_, _, n), g in zip(run.places, found.weights)}
    buckets = torch.zeros_like(own.weight)
    for (p, _, _), g in zip(run.places, found.buckets):
        buckets[run.at[p.name], : g.shape[1]] = g
    pairs = [(x, weights[n]) for n, x in enumerate(params.weights)] + [(own.weight, buckets)]
    learning = [(x, g) for x, g in pairs if x.requires_grad]
    return [x for x, _ in learning], [g for _, g in learning]


def gradients(
    network: SpikingNetwork,
    frames: Tensor,
    labels: Tensor,
    rule: str,
    last: int = 0,
    engine: str = "reference",
    price: float = 0.0,
) -> dict[str, Tensor]:
    """The gradient of each parameter that a rule finds for a batch, weights fixed during the sequence.

    Args:
        frames: (T, B, ...).
        rule: a name of ``trainer.online.credit.CREDITS``, or ``bptt``.
        last: so many last time steps count; 0 = all.
        price: of ``trainer.losses.range_penalty``.
        engine: ``reference``, or ``cpu``: the compiled one, where it takes the network.
    """
    network.zero_grad(set_to_none=True)
    if rule == "bptt":
        loss = label_loss(labels, len(frames), last)
        whole, own = network(frames, LAYERED).v, network.params().neurons["spiking_gamma"]
        assert isinstance(own, GammaParams)
        v = whole[:, :, network.plan().output]
        (_total(loss(v[t], t) for t in range(len(frames))) + price * range_penalty(whole, own.most)).backward()
    else:
        run, params = begun(network, frames, rule), network.params()
        run.price = price
        total: Gradients | None = None
        if engine == "cpu" and refusal(run) is None:
            total = whole_batch(run, labels, first_counting(len(frames), last)).gradients
        steps = run.steps(label_loss(labels, len(frames), last)) if total is None else ()
        for step in steps:
            if step.gradients is not None:
                total = step.gradients if total is None else added(total, step.gradients)
        if total is not None:
            hand_over(params, run, total)
    found = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad(set_to_none=True)
    return found


def _total(values: Iterable[Tensor | None]) -> Tensor:
    return torch.stack([x for x in values if x is not None]).sum()


def cosines(network: SpikingNetwork, frames: Tensor, labels: Tensor, last: int = 0) -> dict[str, dict[str, float]]:
    """For each rule that takes the network, and each parameter, the cosine of its gradient to that of ``bptt``."""
    exact = gradients(network, frames, labels, "bptt", last)
    rows: dict[str, dict[str, float]] = {}
    for rule in CREDITS:
        try:
            found = gradients(network, frames, labels, rule, last)
        except ValueError:  # refused: the network is too deep, or convolutional
            continue
        rows[rule] = {name: _cosine(g, found[name]) for name, g in exact.items() if name in found}
    return rows


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(functional.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0))
