"""Linear maps of torch tensors one after the other as one, with live gradients.

What a map is follows from its geometry alone: two convolutions are one convolution where that is exact, whatever
their weights mean and whether these are trained.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as functional
from torch import Tensor

from ir.check import require
from ir.layers.window import Axis

MAX_FOLDED = 1 << 26
"""Most weights that a chain may be folded into."""


@dataclass(frozen=True)
class LinearMap:
    """``a = W s + b`` as dense or convolution, tensors attached to the layers' parameters.

    Attributes:
        in_shape, out_shape: without batch; a convolution's ``in_shape`` is the image (C, H, W) that its kernel sees.
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

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Both axes of a convolution."""
        assert self.conv is not None and self.weight is not None
        (stride, padding, dilation, _), kernel = self.conv, self.weight.shape[2:]
        v, h = (Axis(self.in_shape[1 + i], kernel[i], stride[i], padding[i], padding[i], dilation[i]) for i in (0, 1))
        return v, h

    @property
    def out_image(self) -> tuple[int, int, int] | None:
        """(C_out, H, W) of what a convolution makes, whatever shape it is given afterwards."""
        if self.conv is None or self.weight is None:
            return None
        return int(self.weight.shape[0]), self.axes[0].out, self.axes[1].out

    @property
    def n_in(self) -> int:
        return math.prod(self.in_shape)

    @property
    def n_out(self) -> int:
        return math.prod(self.out_shape)

    def scale(self) -> Tensor | None:
        """(n_in,) where the map is nothing but one factor a value; None elsewhere."""
        if self.weight is None or self.conv is None:
            return None
        channels, *image = self.in_shape
        single = self.conv[0] == (1, 1) and self.conv[1] == (0, 0) and self.conv[3] == channels
        if not single or tuple(self.weight.shape) != (channels, 1, 1, 1):
            return None
        return self.weight.reshape(-1).repeat_interleave(math.prod(image))


def compose(first: LinearMap, second: LinearMap) -> LinearMap:
    """``second(first(s))`` as one map.

    The bias of ``first`` goes through ``second`` as it is, zero padding included, so that each target gets its own.
    """
    bias = second.bias
    if first.bias is not None:
        gain = second.scale()
        carried = _applied(second, first.bias[None])[0] if gain is None else first.bias * gain
        bias = carried if bias is None else carried + bias
    if second.weight is None:
        return replace(first, out_shape=second.out_shape)
    if first.weight is None:
        return replace(second, in_shape=first.in_shape if second.conv is None else second.in_shape)
    both = second.conv is not None and first.out_image == second.in_shape
    found = _convolution(first, second) if both else None
    return replace(_dense(first, second) if found is None else found, bias=bias)


def _applied(m: LinearMap, s: Tensor) -> Tensor:
    """``W s`` summed in double precision and rounded once, also where a device would round the factors (TF32)."""
    if m.weight is None:
        return s
    return replace(m, weight=m.weight.double()).apply(s.double()).to(s.dtype)


def _dense(first: LinearMap, second: LinearMap) -> LinearMap:
    """The product written out."""
    assert first.weight is not None and second.weight is not None
    size = first.n_in * max(first.n_out, second.n_out)
    gain, after = first.scale(), second.scale()
    if gain is not None and second.conv is None:
        weight = second.weight * gain
    elif after is not None and first.conv is None:
        weight = first.weight * after[:, None]
    elif first.conv is not None and second.conv is None:
        weight = _transposed(first, second.weight)
    else:
        require(
            size <= MAX_FOLDED,
            f"a chain of layers {first.in_shape} -> {first.out_shape} -> {second.out_shape} is no single convolution "
            f"and too large to write out ({size} weights, at most {MAX_FOLDED}); put neurons between them",
        )
        one = torch.eye(first.n_in, dtype=first.weight.dtype, device=first.weight.device)
        columns = first.weight.T if first.conv is None else _applied(first, one)
        weight = _applied(second, columns).T
    return LinearMap(first.in_shape, second.out_shape, weight)


def _transposed(conv: LinearMap, weight: Tensor) -> Tensor:
    """(n_out, n_in): the rows of a dense ``weight`` carried back through the convolution before it."""
    assert conv.conv is not None and conv.weight is not None and conv.out_image is not None
    stride, padding, dilation, groups = conv.conv
    size = len(weight) * conv.n_in
    require(
        size <= MAX_FOLDED,
        f"layers {conv.in_shape} -> {conv.out_shape} -> ({len(weight)},) have {size} weights written out, at most "
        f"{MAX_FOLDED}; put neurons between them",
    )
    rest = [a.size - ((a.out - 1) * a.stride - 2 * a.before + a.step * (a.taps - 1) + 1) for a in conv.axes]
    rows = functional.conv_transpose2d(
        weight.double().reshape(-1, *conv.out_image), conv.weight.double(), None, stride, padding,
        (rest[0], rest[1]), groups, dilation,
    )  # fmt: skip
    return rows.flatten(1).to(weight.dtype)


def _convolution(first: LinearMap, second: LinearMap) -> LinearMap | None:
    """Two convolutions as one; None where padding between them makes that inexact."""
    assert first.weight is not None and second.weight is not None
    assert first.conv is not None and second.conv is not None
    axes = [a.then(b) for a, b in zip(first.axes, second.axes)]
    if axes[0] is None or axes[1] is None:
        return None
    even = [a.even() for a in (axes[0], axes[1])]
    groups = _groups(first.weight, second.weight, first.conv[3], second.conv[3])
    shape = (second.weight.shape[0], first.in_shape[0] // groups, even[0][2], even[1][2])
    if math.prod(shape) > MAX_FOLDED:
        return None
    steps = [(s * e // a.step, d // a.step) for s, d, e, a in zip(first.conv[0], first.conv[2], second.conv[2], axes)]  # type: ignore[union-attr]
    kernel = first.weight.new_zeros(shape)
    inner = kernel[:, :, even[0][3], even[1][3]]
    _write(inner, first.weight, second.weight, (first.conv[3], second.conv[3]), steps)
    conv = ((axes[0].stride, axes[1].stride), (even[0][0], even[1][0]), (even[0][1], even[1][1]), groups)
    return LinearMap(first.in_shape, second.out_shape, kernel, conv)


def _write(
    kernel: Tensor, first: Tensor, second: Tensor, groups: tuple[int, int], steps: list[tuple[int, int]]
) -> None:
    """Add the product of each pair of taps into ``kernel``, tap by tap of the smaller kernel."""
    (ys, ya), (xs, xa) = steps
    by_second = second[0, 0].numel() <= first[0, 0].numel()
    (h, w), (k, m) = (second.shape[2:], first.shape[2:]) if by_second else (first.shape[2:], second.shape[2:])
    (dy, sy), (dx, sx) = ((ys, ya), (xs, xa)) if by_second else ((ya, ys), (xa, xs))
    for y, x in itertools.product(range(h), range(w)):
        one = (second if by_second else first)[:, :, y : y + 1, x : x + 1]
        product = _mixed(first, one, groups) if by_second else _mixed(one, second, groups)
        rows = slice(y * dy, y * dy + (k - 1) * sy + 1, max(sy, 1))
        columns = slice(x * dx, x * dx + (m - 1) * sx + 1, max(sx, 1))
        kernel[:, :, rows, columns].add_(product)


def _is_depthwise(weight: Tensor, groups: int) -> bool:
    """One output a channel, from that channel alone."""
    return weight.shape[0] == groups and weight.shape[1] == 1


def _groups(first: Tensor, second: Tensor, n_first: int, n_second: int) -> int:
    """Groups of the product: a depthwise map keeps those of the other."""
    if _is_depthwise(first, n_first):
        return n_second
    return n_first if _is_depthwise(second, n_second) else math.gcd(n_first, n_second)


def _mixed(first: Tensor, second: Tensor, groups: tuple[int, int]) -> Tensor:
    """(C_out, C_in / groups, ...) sums over the channels between; one of both kernels has a single tap."""
    n_first, n_second = groups
    if _is_depthwise(first, n_first):
        parts = second.unflatten(0, (n_second, -1)) * first[:, 0].unflatten(0, (n_second, 1, -1))
        return parts.flatten(0, 1)
    if _is_depthwise(second, n_second):
        return second * first
    n = math.gcd(n_first, n_second)
    a, b = _with_groups(first.double(), n_first, n), _with_groups(second.double(), n_second, n)
    taps = (max(p, q) for p, q in zip(first.shape[2:], second.shape[2:]))
    summed = torch.einsum("gochw,gcikl->goihwkl", b, a).to(first.dtype)
    return summed.reshape(second.shape[0], a.shape[2], *taps)


def _with_groups(weight: Tensor, groups: int, n: int) -> Tensor:
    """(n, C_out / n, C_in / n, kh, kw): the zeros between finer groups written out."""
    r = groups // n
    parts = weight.unflatten(0, (n, r, -1))
    apart = torch.eye(r, dtype=weight.dtype, device=weight.device).reshape(1, r, 1, r, 1, 1, 1)
    return (parts[:, :, :, None] * apart).flatten(3, 4).flatten(1, 2)
