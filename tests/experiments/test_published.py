"""The engine with switches: as ours it is the product's reference engine; each switch does what it says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unlayered as ul
from experiments.published import Chain, Settings, Switches, rate_loss
from ir.schedule import stream
from trainer.engines.options import ESCAPE, TrainingOptions
from trainer.engines.selection import chance
from trainer.losses import rate_loss as product_loss

SIZES = (14, 12, 12, 6)
LEAK = 0.6


def drawn(seed: int, steps: int = 4, batch: int = 5) -> tuple[list[Tensor], Tensor, Tensor]:
    """Weights, frames (T, B, N_in) and labels, in float64."""
    random = torch.Generator().manual_seed(seed)
    weights = [torch.randn(b, a, generator=random).double() * 1.2 / a**0.5 + 0.03 for a, b in pairwise(SIZES)]
    frames = (torch.rand(steps, batch, SIZES[0], generator=random) < 0.4).double()
    return weights, frames, torch.randint(SIZES[-1], (batch,), generator=random)


def by_keys(seed: int, batch: int):
    """The draws of the product: every number from its address."""

    def draw(purpose: str, t: int, k: int, shape: tuple[int, ...]) -> Tensor:
        used = stream(seed, ESCAPE) if purpose == "escape" else seed
        return chance(used, torch.arange(batch), t, k, torch.arange(shape[-1]), torch.float64)[None]

    return draw


def engine(weights: list[Tensor], frames: Tensor, labels: Tensor, settings: Settings, seed: int = 0):
    """Spikes (T, B, N) and the gradient of each weight."""
    own = [w[None].clone().requires_grad_() for w in weights]
    net = Chain(own, settings)
    spikes, steps = net.run(frames[:, None], by_keys(seed, len(labels)))
    rate_loss(spikes[..., net.output], labels[None]).sum().backward()
    return spikes[:, 0], steps[:, 0], [w.grad[0] for w in own]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("f", [1, 3, 8, 30])
@pytest.mark.parametrize("carry", [False, True])
def test_as_ours_it_is_the_reference_engine_in_spikes_steps_and_gradients(seed: int, f: int, carry: bool):
    weights, frames, labels = drawn(seed)
    escape = 0.5 if seed % 2 else 0.0
    layers = []
    for w in weights:
        linear = nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64)
        linear.weight.data = w.clone()
        layers += [linear, ul.LIF(tau_mem_s=-0.01 / float(torch.log(torch.tensor(LEAK))), v_threshold=0.25)]
    network = ul.SpikingNetwork.sequential((SIZES[0],), *layers, dt_s=0.01)
    options = TrainingOptions(refractory_dropout=escape, silent_gradient="carried" if carry else "slots")
    schedule = ul.Schedule(F=f, order="momentum", seed=seed)
    network.train()
    result = network(frames, schedule, torch.arange(len(labels)), options, engine="reference")
    product_loss(result, network.plan(), labels).backward()
    leak = float(np.float32(network.export().populations[0].neuron.leak_v(0.01)))
    settings = Settings(f, 0.25, leak, escape, Switches(carry=carry))
    spikes, steps, gradients = engine(weights, frames, labels, settings, seed)
    assert torch.equal(spikes > 0, result.counts > 0) and torch.equal(spikes.detach(), result.counts.detach())
    assert torch.equal(steps, result.forward_steps)
    for ours, theirs in zip(gradients, (x.weight.grad for x in layers[::2])):
        # The product's leak is a float32, the exponential of a logarithm: it differs from ours in its last bits.
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-8)
        assert theirs.abs().sum() > 0
