"""Layers between populations fold into one linear map that computes the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.linear_map import SumPool2d, fold

CHAINS = {
    "linear": ((6,), nn.Sequential(nn.Linear(6, 4))),
    "convolution": ((2, 7, 7), nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2))),
    "pool, convolution": ((2, 8, 8), nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(2, 3, 3, padding=1))),
    "convolution, pool": ((2, 9, 9), nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), SumPool2d(2))),
    "pool with overlap, convolution": ((1, 9, 9), nn.Sequential(nn.AvgPool2d(3, 2), nn.Conv2d(1, 2, 2, bias=False))),
    "pool, flatten, linear": ((2, 4, 4), nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3))),
    "convolution, normalization": ((2, 5, 5), nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))),
    "linear, normalization": ((5,), nn.Sequential(nn.Linear(5, 3, bias=False), nn.BatchNorm1d(3))),
    "two convolutions": ((1, 6, 6), nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 2))),
    "flatten, linear": ((2, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(18, 2))),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_folded_chain_computes_what_its_layers_compute(name: str) -> None:
    shape, layers = CHAINS[name]
    torch.manual_seed(0)
    for module in layers.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    layers.eval().double()
    x = torch.randn(4, *shape, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        m = fold(layers, shape)
    finally:
        torch.set_default_dtype(torch.float32)
    ours = m.apply(x.flatten(1)) + (0 if m.bias is None else m.bias)
    torch.testing.assert_close(ours, layers(x).flatten(1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CHAINS)
def test_gradients_reach_the_layers_parameters(name: str) -> None:
    shape, layers = CHAINS[name]
    layers.float().zero_grad()
    m = fold(layers, shape)
    assert m.weight is not None
    (m.weight**2).sum().backward()
    assert all(p.grad is not None for n, p in layers.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.ReLU(), nn.LayerNorm(4)])
def test_what_has_no_asynchronous_meaning_is_refused_by_name(layer: nn.Module) -> None:
    with pytest.raises(ValueError, match=f"{type(layer).__name__} has no asynchronous meaning"):
        fold(nn.Sequential(layer), (1, 4, 4))


def test_a_shape_that_does_not_fit_is_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match="needs 5 sources, it gets 6"):
        fold(nn.Linear(5, 2), (6,))
