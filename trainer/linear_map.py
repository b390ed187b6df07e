"""Fold a chain of torch layers between two populations into one linear map with live gradients.

Layers act as in ``eval()``, in training too: batch normalizations by their running statistics, dropouts not at all,
parametrized weights as they stand (the power iteration of ``spectral_norm`` goes on where a layer itself is called).
What a layer does to the shapes at hand says ``ir.layers``, as for every file that is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ir import layers as table
from ir.check import require
from trainer.merge import LinearMap, compose

__all__ = ["LinearMap", "SumPool2d", "as_evaluated", "chained", "fold", "is_layer", "unpacked"]

Shape = tuple[int, ...]


class SumPool2d(nn.Module):
    """Sum over windows, the pooling that keeps integers whole."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        least = min(kernel_size) if isinstance(kernel_size, (tuple, list)) else kernel_size
        require(least > 0, f"SumPool2d kernel_size is {kernel_size}; at least 1")
        self.kernel_size, self.stride, self.padding = kernel_size, stride or kernel_size, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> pooled."""
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding, divisor_override=1)


def _of_window(window: table.Window, weight: Tensor, bias: Tensor | None = None) -> LinearMap:
    """A convolution's kernel, with the zeros that its padding needs written around it."""
    weight = weight[:, :, None] if weight.ndim == 3 else weight
    if window.own_kernel != window.kernel:
        written = weight.new_zeros(*weight.shape[:2], *window.kernel)
        written[:, :, window.taps[0], window.taps[1]] = weight
        weight = written
    conv = (window.stride, window.padding, window.dilation, window.groups)
    spread = None if bias is None else bias.repeat_interleave(math.prod(window.out_shape[1:]))
    return LinearMap(window.in_shape, window.out_shape, weight, conv, spread)


def _of_pool(window: table.Window, like: Tensor) -> LinearMap:
    assert window.weight is not None, "a pooling has one weight"
    return _of_window(window, like.new_full((window.groups, 1, *window.own_kernel), window.weight))


def _nothing(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    return LinearMap(shape, shape)


def _flatten(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    return LinearMap(shape, table.flatten(who, shape, layer.start_dim, layer.end_dim))


def _unflatten(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    require(isinstance(layer.dim, int), f"{who} names its axis {layer.dim!r}; give its number")
    return LinearMap(shape, table.unflatten(who, shape, layer.dim, tuple(layer.unflattened_size)))


def _linear(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    table.linear(who, shape, layer.in_features)
    return LinearMap(shape, (layer.out_features,), layer.weight, None, layer.bias)


def _conv(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    how = (layer.stride, layer.padding, layer.dilation, layer.groups)
    window = table.conv(who, shape, tuple(layer.weight.shape), *how)
    require(
        layer.padding_mode == "zeros" or not window.reaches_out,
        f"{who} pads values of shape {shape} with padding_mode={layer.padding_mode!r}; only 'zeros' has a counterpart",
    )
    return _of_window(window, layer.weight, layer.bias)


def kernel_of(layer: Any, name: str = "kernel_size") -> tuple[Any, ...]:
    """One number an axis, which tells one- from two-dimensional layers."""
    given, n = getattr(layer, name), 1 if isinstance(layer, (nn.AvgPool1d, nn.MaxPool1d, nn.AdaptiveAvgPool1d)) else 2
    return tuple(given) if isinstance(given, (tuple, list)) else (given,) * n


def _average_pool(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    how = (kernel_of(layer), layer.stride, layer.padding, layer.ceil_mode, layer.count_include_pad)
    return _of_pool(table.average_pool(who, shape, *how, getattr(layer, "divisor_override", None)), like)


def _sum_pool(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    return _of_pool(table.sum_pool(who, shape, kernel_of(layer), layer.stride, layer.padding), like)


def max_pool_map(who: str, layer: Any, shape: Shape, like: Tensor, of_spikes: bool = False) -> LinearMap:
    require(not layer.return_indices, f"{who} returns indices beside its values; set return_indices=False")
    how = (kernel_of(layer), layer.stride, layer.padding, layer.ceil_mode, layer.dilation)
    return _of_pool(table.max_pool(who, shape, *how, of_spikes), like)


def _adaptive_pool(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    sizes = kernel_of(layer, "output_size")
    return _of_pool(table.adaptive_average_pool(who, shape, sizes, len(sizes)), like)


def _zero_pad(who: str, layer: Any, shape: Shape, like: Tensor) -> LinearMap:
    """Torch lists the last axis first."""
    pads = [tuple(layer.padding[i : i + 2]) for i in range(0, len(layer.padding), 2)]
    return _of_pool(table.zero_pad(who, shape, pads[::-1], layer.value), like)


def _normalization(axes: tuple[int, ...] | None) -> Callable[..., LinearMap]:
    """A factor and a shift a channel, by the running statistics."""

    def read(who: str, norm: Any, shape: Shape, like: Tensor) -> LinearMap:
        require(norm.running_mean is not None, f"{who} without running statistics cannot be folded; keep them")
        table.normalization(who, shape, norm.num_features, axes)
        gain = torch.rsqrt(norm.running_var + norm.eps) * (norm.weight if norm.affine else 1.0)
        offset = (norm.bias if norm.affine else 0.0) - norm.running_mean * gain
        return _one_to_one(shape, gain, offset)

    return read


def _one_to_one(shape: Shape, gain: Tensor, offset: Tensor | None = None) -> LinearMap:
    """A factor and a shift a channel as a convolution of single taps."""
    image = (shape[0], *shape[1:]) if len(shape) == 3 else (shape[0], 1, math.prod(shape[1:]))
    bias = None if offset is None else offset.repeat_interleave(math.prod(shape[1:]))
    return LinearMap(image, shape, gain.reshape(-1, 1, 1, 1), ((1, 1), (0, 0), (1, 1), shape[0]), bias)


WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)
MAX_POOLINGS = (nn.MaxPool1d, nn.MaxPool2d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
LAYERS: dict[type[nn.Module], Callable[..., LinearMap]] = {
    nn.Identity: _nothing,
    **{kind: _nothing for kind in DROPOUTS},
    nn.Flatten: _flatten,
    nn.Unflatten: _unflatten,
    nn.Linear: _linear,
    nn.Conv1d: _conv,
    nn.Conv2d: _conv,
    nn.AvgPool1d: _average_pool,
    nn.AvgPool2d: _average_pool,
    SumPool2d: _sum_pool,
    nn.MaxPool1d: max_pool_map,
    nn.MaxPool2d: max_pool_map,
    nn.AdaptiveAvgPool1d: _adaptive_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.ConstantPad1d: _zero_pad,
    nn.ConstantPad2d: _zero_pad,
    nn.BatchNorm1d: _normalization((0, 1)),
    nn.BatchNorm2d: _normalization((2,)),
    nn.BatchNorm3d: _normalization((3,)),
    nn.SyncBatchNorm: _normalization(None),
}
"""Torch layers that are linear on spikes, and how each is read; subclasses that compute the same are read alike."""


def weights_in(layers: nn.Module) -> list[Tensor]:
    """The weights of those of the layers that have some, in their order."""
    return [m.weight for m in layers.modules() if isinstance(m, WEIGHTED)]


def is_layer(module: nn.Module) -> bool:
    """Whether a module is one of the layers that are read, or derives from one."""
    return isinstance(module, tuple(LAYERS))


def _layer_map(layer: nn.Module, shape: Shape, like: Tensor) -> LinearMap:
    """One layer as a linear map, constants in the type of ``like``."""
    who = type(layer).__name__
    lazy = any(is_lazy(x) for x in (*layer.parameters(), *layer.buffers()))
    require(not lazy, f"{who} has no weights before its first call; call the layers on one frame first")
    kind = next((k for k in LAYERS if isinstance(layer, k)), None)
    if kind is None:
        raise ValueError(
            f"{who} has no asynchronous meaning between spiking populations; use Linear, Conv1d, Conv2d, AvgPool2d, "
            "AdaptiveAvgPool2d, SumPool2d, ZeroPad2d, BatchNorm, Flatten or Dropout"
        )
    check_plain(layer)
    return LAYERS[kind](who, layer, shape, like)


def check_plain(layer: nn.Module) -> None:
    """Raise where a layer computes more than the one it derives from."""
    who, kind = type(layer).__name__, next(k for k in LAYERS if isinstance(layer, k))
    own = getattr(layer.forward, "__func__", None) is not kind.forward
    inner = getattr(layer, "_conv_forward", None)
    own = own or (inner is not None and getattr(inner, "__func__", None) is not kind._conv_forward)  # type: ignore[union-attr]
    own = own or type(layer).__call__ is not nn.Module.__call__
    require(not own, f"{who} computes more than {kind.__name__}, from which it derives; use {kind.__name__} itself")
    check_hooks(who, layer)
    odd = next((x.dtype for x in layer.parameters() if x.is_complex()), None)
    require(odd is None, f"{who} has weights of type {odd}; only real ones have a counterpart")


def check_hooks(who: str, module: nn.Module) -> None:
    """Raise where a module does more than its layers say."""
    require(
        not (module._forward_hooks or module._forward_pre_hooks),
        f"{who} carries forward hooks, which folding would skip; remove them, or use torch.nn.utils.parametrizations",
    )


def unpacked(*layers: nn.Module) -> list[nn.Module]:
    """Layers in order, those of a plain ``nn.Sequential`` one by one, as often as it runs them."""
    found: list[nn.Module] = []
    for layer in layers:
        plain = isinstance(layer, nn.Sequential) and getattr(layer.forward, "__func__", None) is nn.Sequential.forward
        if plain:
            check_hooks(type(layer).__name__, layer)
        found += unpacked(*layer) if plain else [layer]  # type: ignore[misc]
    return found


@contextmanager
def as_evaluated(*modules: nn.Module) -> Generator[None]:
    """Modules in eval mode, each submodule back in its own mode afterwards, also after an error."""
    found = [m for m in dict.fromkeys(m for module in modules for m in module.modules()) if m.training]
    try:
        for m in found:
            m.training = False
        yield
    finally:
        for m in found:
            m.training = True


def chained(layers: nn.Module, in_shape: Shape, like: Tensor | None = None) -> LinearMap:
    """As :func:`fold`; layers that move no value leave the weight None."""
    stored = (*layers.parameters(), *layers.buffers())
    found = [x for x in stored if x.is_floating_point() and not is_lazy(x)]
    like = found[0].detach() if found else torch.empty(0) if like is None else like
    total = LinearMap(in_shape, in_shape)
    with as_evaluated(
        layers
    ):  # a parametrized weight may change buffers, or be drawn, each time it is read in training
        for layer in unpacked(layers):
            total = compose(total, _layer_map(layer, total.out_shape, like))
    return total


def fold(layers: nn.Module, in_shape: Shape, like: Tensor | None = None) -> LinearMap:
    """Fold ``layers`` (one layer or an ``nn.Sequential``) into one linear map, what they compute in eval mode.

    Args:
        like: a tensor whose type and device layers without parameters take; default float32 on the CPU.

    Raises:
        ValueError: a layer has no asynchronous meaning, or shapes do not fit.
    """
    total = chained(layers, in_shape, like)
    if total.weight is not None:
        return total
    return _one_to_one(total.out_shape, (torch.empty(0) if like is None else like).new_ones(total.out_shape[0]))
