"""Layers between populations fold into one linear map that computes the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

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


class Standardized(nn.Conv2d):
    """Weight standardization, as many write it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class Residual(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def hooked() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(16, 4), "weight", 0.5)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a forward of its own": (lambda: Standardized(1, 2, 3), "Standardized computes more than Conv2d"),
    "a sequence of its own": (lambda: Residual(nn.Conv2d(1, 1, 1)), "Residual has no asynchronous meaning"),
    "hooks": (hooked, "Linear carries forward hooks, which folding would skip"),
    "lazy": (lambda: nn.LazyConv2d(2, 3), "LazyConv2d has no weights before its first call"),
    "lazy statistics": (lambda: nn.LazyBatchNorm2d(affine=False), "LazyBatchNorm2d has no weights before"),
    "indices": (lambda: nn.MaxPool2d(1, return_indices=True), "returns indices beside its values"),
    "circular": (lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), "padding_mode='circular'"),
    "ones around": (lambda: nn.ConstantPad2d(1, 1.0), "ConstantPad2d writes 1.0 around values of shape .1, 4, 4."),
    "uneven adaptive": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.AdaptiveAvgPool2d(3)),
        "choose sizes that divide",
    ),
    "ceil_mode": (lambda: nn.AvgPool2d(3, ceil_mode=True), "AvgPool2d with ceil_mode averages over 1 or 3"),
    "one axis": (lambda: nn.AvgPool1d(2), "AvgPool1d needs .channels, length., it gets .1, 4, 4."),
    "batch": (lambda: nn.Flatten(0), "Flatten flattens the batch"),
    "normalization of an image": (lambda: nn.BatchNorm1d(1), "BatchNorm1d does not take .* use BatchNorm2d"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_give_other_numbers_is_refused_in_one_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        fold(make(), (1, 4, 4))


def test_layers_that_derive_and_compute_the_same_are_read() -> None:
    class Named(nn.Conv2d):
        pass

    layer = nn.utils.parametrizations.weight_norm(Named(1, 2, 2, bias=False))
    m = fold(layer, (1, 4, 4))
    assert m.weight is not None and torch.equal(m.weight, layer.weight)


def test_layers_that_move_nothing_join_neurons_one_to_one() -> None:
    m = fold(nn.Sequential(nn.Identity(), nn.Flatten()), (2, 3))
    x = torch.randn(4, 6)
    assert torch.equal(m.apply(x), x) and m.out_shape == (6,)


def test_two_padded_convolutions_of_a_large_image_are_refused() -> None:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    with pytest.raises(ValueError, match=r"no single convolution and too large to write out .* put neurons between"):
        fold(layers, (1, 100, 100))


ANY: list[Callable[[], nn.Module]] = [
    *(lambda groups=g: nn.Conv2d(2, 4, 2, padding="same", groups=groups) for g in (1, 2)),
    *(lambda mode=m: nn.Conv2d(2, 3, 1, padding_mode=mode) for m in ("reflect", "circular")),
    lambda: nn.Conv1d(2, 4, 3, 2, 1, groups=2),
    lambda: nn.Conv3d(2, 2, 1),
    lambda: nn.AvgPool1d(2),
    lambda: nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False),
    lambda: nn.AvgPool3d(1),
    lambda: SumPool2d(3, 1, 1),
    lambda: nn.MaxPool1d(1, 2),
    lambda: nn.MaxPool2d(2, 2, 1),
    lambda: nn.AdaptiveAvgPool1d(2),
    lambda: nn.AdaptiveAvgPool2d((None, 1)),
    lambda: nn.AdaptiveAvgPool2d(3),
    lambda: nn.AdaptiveMaxPool2d(1),
    lambda: nn.ZeroPad1d((2, -1)),
    lambda: nn.ZeroPad2d((0, 1, -1, 2)),
    lambda: nn.BatchNorm1d(2),
    lambda: nn.BatchNorm2d(2),
    lambda: nn.BatchNorm3d(2),
    lambda: nn.SyncBatchNorm(2),
    lambda: nn.GroupNorm(1, 2),
    lambda: nn.Flatten(2),
    lambda: nn.Flatten(-2, -1),
    lambda: nn.Unflatten(1, (2, -1)),
    lambda: nn.Linear(2, 3),
    lambda: nn.Dropout3d(),
    lambda: nn.Identity(),
    lambda: nn.LSTM(2, 2),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even", "ignore:dropout3d")
@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1), (2, 5), (2, 1, 1), (2, 4, 6), (3, 4, 5), (2, 2, 2, 2)])
def test_any_layer_on_any_shape_is_torchs_or_one_sentence(shape: tuple[int, ...]) -> None:
    """Torch takes some shapes for others, a batch of images for one of rows: refused here, never read otherwise."""
    equal = 0
    for make in ANY:
        layer, x = make().eval().double(), torch.randn(3, *shape, dtype=torch.float64)
        try:
            m = fold(layer, shape, x)
        except ValueError as error:
            assert type(layer).__name__ in str(error) and len(str(error)) < 250
            continue
        theirs = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x).flatten(1)  # a Flatten may be left out
        ours = m.apply(x.flatten(1)) + (0 if m.bias is None else m.bias)
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        equal += 1
    assert equal >= 3


def test_a_dense_layer_folds_behind_an_image_with_and_without_a_flatten_between():
    torch.manual_seed(0)
    pool, dense = nn.AvgPool2d(2), nn.Linear(8, 6)
    written, bare = (fold(nn.Sequential(*layers), (2, 4, 4)) for layers in ((pool, nn.Flatten(), dense), (pool, dense)))
    x = torch.randn(3, 32)
    assert bare.out_shape == written.out_shape == (6,)
    assert torch.equal(bare.apply(x), written.apply(x))


def test_a_layer_that_a_sequence_runs_twice_is_folded_twice():
    pool, dense = nn.AvgPool2d(2), nn.Linear(4, 4)
    s = torch.rand(5, 4)
    assert fold(nn.Sequential(pool, pool), (1, 8, 8)).out_shape == (1, 2, 2)
    twice = fold(nn.Sequential(nn.Sequential(dense), dense), (4,))
    assert twice.bias is not None
    torch.testing.assert_close(twice.apply(s) + twice.bias, dense(dense(s)))


def test_hooks_on_a_sequence_are_refused():
    hooked = nn.Sequential(nn.Linear(4, 3))
    hooked.register_forward_hook(lambda module, given, out: 2 * out)
    with pytest.raises(ValueError, match="Sequential carries forward hooks"):
        fold(nn.Sequential(hooked), (4,))
