"""Hypothesis strategies that draw chains of torch layers between two populations, as users write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

from trainer.linear_map import SumPool2d

Shape = tuple[int, ...]
MAX_LAYERS = 5


@dataclass(frozen=True)
class Chain:
    """Layers in the modes and with the gradients that were drawn.

    Attributes:
        shape: of one sample; out_shape: what torch makes of it.
    """

    shape: Shape
    layers: nn.Sequential
    out_shape: Shape


def _convolution(draw: Any, shape: Shape) -> nn.Module:
    """Plain, grouped or depthwise, with one or two outputs a channel."""
    n, channels = len(shape) - 1, shape[0]
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    kernel, dilation = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(2))
    padding = draw(st.sampled_from(["same", 0, 1, 2, (1,) * (n - 1) + (0,)]))
    stride = 1 if padding == "same" else draw(st.integers(1, 2))
    mode = draw(st.sampled_from(["zeros", "zeros", "circular"])) if padding == 0 else "zeros"
    kind = nn.Conv1d if n == 1 else nn.Conv2d
    c_out = groups * draw(st.integers(1, 2))
    return kind(channels, c_out, kernel, stride, padding, dilation, groups, draw(st.booleans()), mode)


def _pool(draw: Any, shape: Shape) -> nn.Module:
    kernel, stride = draw(st.integers(1, 3)), draw(st.sampled_from([None, 1, 2]))
    padding, ceil_mode, include = draw(st.integers(0, kernel // 2)), draw(st.booleans()), draw(st.booleans())
    if len(shape) == 2:
        return nn.AvgPool1d(kernel, stride, padding, ceil_mode, include)
    if draw(st.booleans()):
        return SumPool2d(kernel, stride, padding)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode, include, draw(st.sampled_from([None, None, 3])))


def _adaptive(draw: Any, shape: Shape) -> nn.Module:
    sizes = [draw(st.sampled_from([x for x in range(1, s + 1) if s % x == 0])) for s in shape[1:]]
    return nn.AdaptiveAvgPool1d(sizes[0]) if len(shape) == 2 else nn.AdaptiveAvgPool2d((sizes[0], sizes[1]))


def _pad(draw: Any, shape: Shape) -> nn.Module:
    pads = [draw(st.integers(-1, 2)) for _ in range(2 * (len(shape) - 1))]
    return nn.ZeroPad1d((pads[0], pads[1])) if len(shape) == 2 else nn.ZeroPad2d(tuple(pads))  # type: ignore[arg-type]


def _normalization(draw: Any, shape: Shape) -> nn.Module:
    return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], affine=draw(st.booleans()))


def _linear(draw: Any, shape: Shape) -> nn.Module:
    n = int(torch.Size(shape).numel())
    layers = [nn.Flatten()] * (len(shape) > 1)
    return nn.Sequential(*layers, nn.Linear(n, draw(st.integers(1, 6)), draw(st.booleans())))


def _flatten(draw: Any, shape: Shape) -> nn.Module:
    return nn.Flatten(draw(st.integers(1, len(shape))), draw(st.sampled_from([-1, len(shape)])))


def _unflatten(draw: Any, shape: Shape) -> nn.Module:
    divisor = draw(st.sampled_from([x for x in (1, 2, 3) if shape[-1] % x == 0]))
    return nn.Unflatten(-1, (divisor, -1)) if len(shape) < 3 else nn.Identity()


def _nothing(draw: Any, shape: Shape) -> nn.Module:
    kinds = [nn.Identity, nn.Dropout, nn.AlphaDropout, (nn.Identity, nn.Dropout1d, nn.Dropout2d)[len(shape) - 1]]
    return nn.Sequential(draw(st.sampled_from(kinds))(), nn.MaxPool2d(1) if len(shape) == 3 else nn.Identity())


ANYWHERE: list[Callable[[Any, Shape], nn.Module]] = [_normalization, _linear, _flatten, _unflatten, _nothing]
ON_IMAGES = [_convolution, _convolution, _convolution, _pool, _adaptive, _pad, *ANYWHERE]


@st.composite
def chains(draw: Any) -> Chain:
    """A chain that torch runs, weights of its own kind and statistics that differ from none."""
    shape: Shape = draw(
        st.one_of(
            st.tuples(st.integers(1, 4), st.integers(3, 7), st.integers(3, 7)),
            st.tuples(st.integers(1, 4), st.integers(3, 9)),
            st.tuples(st.integers(1, 8)),
        )
    )
    torch.manual_seed(draw(st.integers(0, 2**16)))
    layers, at = [], shape
    for _ in range(draw(st.integers(1, MAX_LAYERS))):
        layer = draw(st.sampled_from(ON_IMAGES if len(at) > 1 else ANYWHERE))(draw, at)
        try:
            after = tuple(layer.eval()(torch.zeros(2, *at)).shape[1:])
        except RuntimeError:
            continue
        if 0 not in after:
            layers.append(layer)
            at = after
    chain = nn.Sequential(*layers)
    for module in chain.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for value, low, high in ((module.running_mean, -1, 1), (module.running_var, 0.5, 2)):
                value.uniform_(low, high)
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -2, 2)
        module.training = draw(st.booleans())
    for parameter in chain.parameters():
        parameter.requires_grad_(draw(st.sampled_from([True, True, False])))
    return Chain(shape, chain.double(), at)
