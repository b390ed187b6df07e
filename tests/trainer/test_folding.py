"""The law of folding: a chain computes what torch computes in eval mode, whatever is trained, frozen or off."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from ir import Schedule, Stimulus
from ir.connection import apply
from tests.trainer.chains import Chain, chains
from trainer import LIF, SpikingNetwork, run
from trainer.linear_map import LinearMap, as_evaluated, fold

DRAWS = int(os.environ.get("UNLAYERED_DRAWS", "300"))
LIKE = torch.empty(0, dtype=torch.float64)
MAY_REFUSE = ("values an axis on shape",)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
]
many = settings(max_examples=DRAWS, deadline=None, suppress_health_check=list(HealthCheck))


def modes(module: nn.Module) -> list[bool]:
    return [m.training for m in module.modules()]


def folded(chain: Chain) -> LinearMap | None:
    """None where a pooling divides unevenly, the one thing among the drawn layers that has no counterpart."""
    try:
        return fold(chain.layers, chain.shape, LIKE)
    except ValueError as error:
        assert any(words in str(error) for words in MAY_REFUSE), error
        return None


def ours(m: LinearMap, x: torch.Tensor) -> torch.Tensor:
    return m.apply(x.flatten(1)) + (0 if m.bias is None else m.bias)


def test_a_chain_is_what_torch_computes_in_eval_mode_and_so_are_its_gradients() -> None:
    seen: Counter[str] = Counter()

    @many
    @given(chains())
    def law(chain: Chain) -> None:
        before = modes(chain.layers)
        m = folded(chain)
        assert modes(chain.layers) == before
        if m is None:
            seen["refused: pooling divides unevenly"] += 1
            return
        x = torch.randn(3, *chain.shape, dtype=torch.float64)
        cotangent = torch.randn(3, m.n_out, dtype=torch.float64)
        with as_evaluated(chain.layers):
            theirs = chain.layers(x)
        assert m.out_shape == chain.out_shape
        torch.testing.assert_close(ours(m, x), theirs.flatten(1), rtol=1e-9, atol=1e-9)
        learns = [p for p in chain.layers.parameters() if p.requires_grad]
        if learns and theirs.requires_grad:
            wanted = torch.autograd.grad((theirs.flatten(1) * cotangent).sum(), learns, allow_unused=True)
            got = torch.autograd.grad((ours(m, x) * cotangent).sum(), learns, allow_unused=True)
            for a, b, p in zip(wanted, got, learns):
                zero = torch.zeros_like(p)
                a, b = zero if a is None else a, zero if b is None else b
                torch.testing.assert_close(b, a, rtol=1e-8, atol=1e-8)
            seen["with gradients"] += 1
        check_flags_change_nothing(chain, m)
        seen["equal"] += 1
        seen["one convolution" if m.conv is not None else "written out"] += 1
        seen["bias of its own for each neuron"] += m.bias is not None

    law()
    print(dict(seen))
    assert seen["equal"] > 0.8 * DRAWS and seen["one convolution"] > 0.2 * DRAWS


def check_flags_change_nothing(chain: Chain, first: LinearMap) -> None:
    """Gradients off, weights frozen, other modes: the same map, number for number."""
    with torch.no_grad():
        others = [folded(chain)]
    for frozen, mode in ((True, False), (False, True)):
        chain.layers.requires_grad_(not frozen).train(mode)
        others.append(folded(chain))
    for m in others:
        assert m is not None and m.weight is not None and first.weight is not None
        assert (m.conv, m.in_shape, m.out_shape) == (first.conv, first.in_shape, first.out_shape)
        assert torch.equal(m.weight, first.weight)
        assert m.bias is first.bias or torch.equal(m.bias, first.bias)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((4, 8, 8), [nn.Conv2d(4, 4, 2, 2, groups=4, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3)]),
        ((4, 8, 8), [nn.Conv2d(4, 8, 2, 2, groups=4, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3)]),
        ((4, 8, 8), [nn.Conv2d(4, 8, 2, 2, groups=4), nn.Conv2d(8, 6, 3, groups=2)]),
        ((2, 6, 6), [nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 2, 2, groups=3, bias=False)]),
        ((2, 6, 6), [nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3, padding=1)]),
        ((2, 6, 6), [nn.Conv2d(2, 3, 3), nn.Flatten(), nn.BatchNorm1d(48)]),
        ((2, 6), [nn.Conv1d(2, 3, 2, padding="same"), nn.BatchNorm1d(3), nn.AdaptiveAvgPool1d(1)]),
        ((2, 6, 6), [nn.Conv2d(2, 3, 4, padding="same"), nn.Dropout2d(), nn.AdaptiveAvgPool2d(1)]),
    ],
)
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_these_layers_are_what_torch_computes(
    shape: tuple[int, ...], layers: list[nn.Module], gradients: bool, frozen: bool
) -> None:
    torch.manual_seed(0)
    chain = nn.Sequential(*layers).double().requires_grad_(not frozen)
    for module in chain.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    x = torch.randn(3, *shape, dtype=torch.float64)
    with torch.set_grad_enabled(gradients), as_evaluated(chain):
        m = fold(chain, shape)
        torch.testing.assert_close(ours(m, x), chain(x).flatten(1), rtol=1e-12, atol=1e-12)


@settings(many, max_examples=DRAWS // 5)
@given(chains())
def test_training_evaluation_and_export_are_the_same_network(chain: Chain) -> None:
    if folded(chain) is None:
        return
    net = SpikingNetwork({"in": chain.shape}, {"out": LIF(2e-3, 0.5)}, [("in", "out", chain.layers.float())])
    before = modes(net)
    exported = net.export()
    assert modes(net) == before
    x = torch.randint(-1, 2, (3, 2, *chain.shape)).float()
    bias = exported.populations[0].neuron.bias
    with as_evaluated(chain.layers), torch.no_grad():
        theirs = chain.layers(x.flatten(0, 1)).flatten(1).numpy()
    connection = exported.projections[0].connection
    drive = apply(connection, x.flatten(0, 1).flatten(1).numpy()) + (0 if bias is None else bias)
    np.testing.assert_allclose(drive, theirs, rtol=1e-4, atol=1e-4)
    frozen = run(exported, Stimulus(x.flatten(2).to(torch.int32).numpy()), Schedule("layered"), engine="reference")
    for mode in (True, False):
        for gradients in (True, False):
            with torch.set_grad_enabled(gradients):
                live = net.train(mode)(x, Schedule("layered"), engine="reference")
            np.testing.assert_array_equal(live.counts.detach().sum(0).numpy(), frozen.counts)


class Dropped(nn.Module):
    """Weights that are drawn anew each time in training."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(weight, 0.5, self.training)


def dropped(layer: nn.Module) -> nn.Module:
    return nn.utils.parametrize.register_parametrization(layer, "weight", Dropped())


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("made", [nn.utils.parametrizations.spectral_norm, dropped], ids=["spectral_norm", "drawn"])
def test_parametrized_weights_are_read_as_in_eval_mode_and_left_as_they_were(made: Any, mode: bool) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(made(nn.Conv2d(2, 3, 3)), nn.Flatten(), made(nn.Linear(48, 2))).double().train(mode)
    before, x = {k: v.clone() for k, v in layers.state_dict().items()}, torch.randn(3, 2, 6, 6, dtype=torch.float64)
    m = fold(layers, (2, 6, 6))
    after = layers.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items()) and set(modes(layers)) == {mode}
    torch.testing.assert_close(ours(m, x), layers.eval()(x), rtol=1e-12, atol=1e-12)


def test_complex_weights_and_a_patched_convolution_are_refused() -> None:
    patched = nn.Conv2d(2, 3, 3)
    patched._conv_forward = lambda x, weight, bias: 2 * x  # type: ignore[method-assign,assignment]
    with pytest.raises(ValueError, match="Conv2d computes more than Conv2d"):
        fold(patched, (2, 6, 6))
    with pytest.raises(ValueError, match=r"Conv2d has weights of type torch\.complex64"):
        fold(nn.Conv2d(2, 3, 3, dtype=torch.complex64), (2, 6, 6))
