"""Fold a chain of torch layers between two populations into one linear map with live gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ir.check import require

MAX_FOLDED = 1 << 26
"""Largest dense matrix (weights) a chain may be folded into."""


@dataclass(frozen=True)
class LinearMap:
    """``a = W s + b`` as dense or convolution, tensors attached to the layers' parameters.

    Attributes:
        in_shape, out_shape: without batch.
        weight: (n_out, n_in) or (C_out, C_in/groups, kh, kw); None = identity.
        conv: (stride, padding, dilation, groups) of a convolution; None = dense.
        bias: (n_out,) or None.
    """

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    weight: Tensor | None = None
    conv: tuple[tuple[int, int], tuple[int, int], tuple[int, int], int] | None = None
    bias: Tensor | None = None

    def apply(self, s: Tensor) -> Tensor:
        """(B, n_in) -> (B, n_out), without the bias."""
        if self.weight is None:
            return s
        if self.conv is None:
            return functional.linear(s, self.weight)
        stride, padding, dilation, groups = self.conv
        return functional.conv2d(
            s.reshape(-1, *self.in_shape), self.weight, None, stride, padding, dilation, groups
        ).flatten(1)


def _pair(x: int | tuple[int, ...]) -> tuple[int, int]:
    return (x, x) if isinstance(x, int) else (int(x[0]), int(x[-1]))


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def _conv_map(
    in_shape: tuple[int, ...],
    weight: Tensor,
    conv: tuple[tuple[int, int], tuple[int, int], tuple[int, int], int],
    bias: Tensor | None,
    who: str,
) -> LinearMap:
    require(
        len(in_shape) == 3, f"{who} needs (channels, height, width), it gets {in_shape}; remove the Flatten before it"
    )
    stride, padding, dilation, groups = conv
    require(
        in_shape[0] == weight.shape[1] * groups,
        f"{who} needs {weight.shape[1] * groups} channels, it gets {in_shape[0]}",
    )
    h, w = (
        (in_shape[1 + i] + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    )
    require(h > 0 and w > 0, f"{who} has a kernel larger than its input {in_shape}")
    spread = None if bias is None else bias[:, None, None].expand(-1, h, w).reshape(-1)
    return LinearMap(in_shape, (int(weight.shape[0]), h, w), weight, conv, spread)


def _layer_map(layer: nn.Module, shape: tuple[int, ...], like: Tensor) -> LinearMap | None:
    """One layer as a linear map, constants in the type of ``like``; None = it does nothing between populations."""
    who = type(layer).__name__
    if isinstance(layer, (nn.Identity, nn.Dropout)):
        return None
    if isinstance(layer, nn.Flatten):
        return LinearMap(shape, (_size(shape),))
    if isinstance(layer, nn.Linear):
        require(
            _size(shape) == layer.in_features,
            f"Linear needs {layer.in_features} sources, it gets {_size(shape)} (shape {shape})",
        )
        return LinearMap(shape, (layer.out_features,), layer.weight, None, layer.bias)
    if isinstance(layer, nn.Conv2d):
        require(
            not isinstance(layer.padding, str) and layer.padding_mode == "zeros",
            "Conv2d needs zero padding given as a number",
        )
        conv = (_pair(layer.stride), _pair(layer.padding), _pair(layer.dilation), layer.groups)  # type: ignore[arg-type]
        return _conv_map(shape, layer.weight, conv, layer.bias, who)
    if isinstance(layer, (nn.AvgPool2d, SumPool2d)):
        q, stride = _pair(layer.kernel_size), _pair(layer.stride)
        plain = isinstance(layer, SumPool2d) or (
            not layer.ceil_mode and layer.divisor_override is None and layer.count_include_pad
        )
        require(
            plain and len(shape) == 3,
            f"{who} is supported on (C, H, W) without ceil_mode, divisor_override, count_include_pad=False",
        )
        weight = like.new_full((shape[0], 1, *q), 1.0 if isinstance(layer, SumPool2d) else 1 / (q[0] * q[1]))
        return _conv_map(shape, weight, (stride, _pair(layer.padding), (1, 1), shape[0]), None, who)
    raise ValueError(
        f"{who} has no asynchronous meaning between spiking populations; use Linear, Conv2d, AvgPool2d, SumPool2d, "
        "BatchNorm, Flatten or Dropout"
    )


class SumPool2d(nn.Module):
    """Sum over windows, the pooling that keeps integers whole."""

    def __init__(self, kernel_size: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        require(min(_pair(kernel_size)) > 0, f"SumPool2d kernel_size is {kernel_size}; at least 1")
        self.kernel_size, self.stride, self.padding = kernel_size, stride or kernel_size, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> pooled."""
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding, divisor_override=1)


def _normalize(m: LinearMap, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> LinearMap:
    """Fold a batch normalization, by its running statistics, into the map before it."""
    require(m.weight is not None, "BatchNorm must follow a Linear or Conv2d, so that it can be folded")
    require(norm.running_mean is not None, "BatchNorm without running statistics cannot be folded; keep them")
    require(
        norm.num_features == m.out_shape[0], f"BatchNorm has {norm.num_features} channels, it gets {m.out_shape[0]}"
    )
    assert m.weight is not None and norm.running_mean is not None and norm.running_var is not None
    gain = torch.rsqrt(norm.running_var + norm.eps) * (norm.weight if norm.affine else 1.0)
    offset = (norm.bias if norm.affine else 0.0) - norm.running_mean * gain
    per_channel = _size(m.out_shape[1:])
    bias = offset.repeat_interleave(per_channel) + (
        0.0 if m.bias is None else m.bias * gain.repeat_interleave(per_channel)
    )
    return replace(m, weight=m.weight * gain.reshape(-1, *[1] * (m.weight.ndim - 1)), bias=bias)


def _pool_then_conv(pool: LinearMap, conv: LinearMap) -> LinearMap | None:
    """A pooling without overlap or padding, then a convolution, is one convolution with a coarser kernel."""
    assert pool.weight is not None and conv.weight is not None and pool.conv is not None and conv.conv is not None
    q, c, h, w = pool.weight.shape[2:], *pool.in_shape
    plain = (
        pool.conv[3] == c and tuple(q) == pool.conv[0] and pool.conv[1] == (0, 0) and h % q[0] == 0 and w % q[1] == 0
    )
    if not plain or conv.conv[2] != (1, 1) or pool.weight.requires_grad:
        return None
    weight = conv.weight.repeat_interleave(q[0], 2).repeat_interleave(q[1], 3) * pool.weight[0, 0, 0, 0]
    stride, padding = ((s[0] * q[0], s[1] * q[1]) for s in conv.conv[:2])
    return LinearMap(pool.in_shape, conv.out_shape, weight, (stride, padding, (1, 1), conv.conv[3]), conv.bias)


def _conv_then_pool(conv: LinearMap, pool: LinearMap) -> LinearMap | None:
    """A convolution, then a pooling, is one convolution with the kernels of a window summed."""
    assert pool.weight is not None and conv.weight is not None and pool.conv is not None and conv.conv is not None
    if (
        pool.conv[3] != conv.out_shape[0]
        or pool.conv[1] != (0, 0)
        or conv.conv[2] != (1, 1)
        or pool.weight.requires_grad
    ):
        return None
    (qh, qw), (sh, sw), kernel = pool.weight.shape[2:], conv.conv[0], conv.weight
    weight = sum(
        functional.pad(kernel, (b * sw, (qw - 1 - b) * sw, a * sh, (qh - 1 - a) * sh))
        for a in range(qh)
        for b in range(qw)
    )
    stride = (pool.conv[0][0] * sh, pool.conv[0][1] * sw)
    gain = pool.weight[0, 0, 0, 0]
    bias = None
    if conv.bias is not None:
        bias = gain * qh * qw * conv.bias.reshape(conv.out_shape)[:, :1, :1].expand(pool.out_shape).reshape(-1)
    return LinearMap(conv.in_shape, pool.out_shape, weight * gain, (stride, conv.conv[1], (1, 1), conv.conv[3]), bias)  # type: ignore[operator]


def _as_dense(m: LinearMap) -> Tensor:
    n = _size(m.in_shape)
    require(
        n * _size(m.out_shape) <= MAX_FOLDED,
        f"a chain of layers {m.in_shape} -> {m.out_shape} is too large to fold; put neurons between them",
    )
    assert m.weight is not None
    return m.apply(torch.eye(n, dtype=m.weight.dtype, device=m.weight.device)).T


def _compose(first: LinearMap, second: LinearMap) -> LinearMap:
    if first.weight is None:
        return replace(second, in_shape=first.in_shape if second.conv is None else second.in_shape, bias=second.bias)
    if second.weight is None:
        return replace(first, out_shape=second.out_shape)
    if first.conv is not None and second.conv is not None:
        folded = _pool_then_conv(first, second) or _conv_then_pool(first, second)
        if folded is not None and (first.bias is None or folded.bias is not None):
            return folded
    dense = _as_dense(second)
    bias = (
        second.bias
        if first.bias is None
        else second.apply(first.bias[None])[0] + (0.0 if second.bias is None else second.bias)
    )
    return LinearMap(first.in_shape, second.out_shape, dense @ _as_dense(first), None, bias)


def unpacked(*layers: nn.Module) -> list[nn.Module]:
    """Layers in order, those of an ``nn.Sequential`` one by one."""
    parts = [unpacked(*layer) if isinstance(layer, nn.Sequential) else [layer] for layer in layers]
    return [layer for part in parts for layer in part]


def fold(layers: nn.Module, in_shape: tuple[int, ...], like: Tensor | None = None) -> LinearMap:
    """Fold ``layers`` (one layer or an ``nn.Sequential``) into one linear map.

    Args:
        like: a tensor whose type and device poolings, which have no parameter, take; default float32 on the CPU.

    Raises:
        ValueError: a layer has no asynchronous meaning, or shapes do not fit.
    """
    total, like = LinearMap(in_shape, in_shape), torch.empty(0) if like is None else like
    for layer in unpacked(layers):
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            total = _normalize(total, layer)
            continue
        step = _layer_map(layer, total.out_shape, like)
        if step is not None:
            total = _compose(total, step)
    require(total.weight is not None, f"{layers} connects nothing; put a Linear, Conv2d or pooling between populations")
    return total
