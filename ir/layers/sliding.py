"""Convolutions, poolings and padding as windows that slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ir.check import require
from ir.layers.window import Axis, Padding, Shape, Sides, Window, image, pads, sides, window


def _axes(
    who: str, shape: Shape, kernel: Shape, stride: Sides, padding: Padding, dilation: Sides, ceil_mode: bool
) -> list[Axis]:
    n = len(kernel)
    image(who, shape, n)
    strides, steps = sides(who, "stride", stride, n), sides(who, "dilation", dilation, n)
    axes = [Axis(shape[1 + i], kernel[i], strides[i], 0, 0, steps[i], ceil_mode) for i in range(n)]
    return [replace(a, before=p[0], after=p[1]) for a, p in zip(axes, pads(who, padding, axes))]


def conv(
    who: str,
    shape: Shape,
    weight_shape: Shape,
    stride: Sides = 1,
    padding: Padding = 0,
    dilation: Sides = 1,
    groups: int = 1,
) -> Window:
    """A convolution along one or two axes, as torch's Conv1d and Conv2d.

    Args:
        weight_shape: (C_out, C_in / groups, k) or (C_out, C_in / groups, kh, kw).

    >>> conv("Conv1d", (2, 5), (3, 2, 2), padding="same").out_shape
    (3, 5)
    """
    require(
        len(weight_shape) in (3, 4) and min(weight_shape) > 0,
        f"{who} has a weight of shape {weight_shape}; only convolutions along one or two axes have a counterpart",
    )
    sides(who, "groups", groups, 1)
    axes = _axes(who, shape, weight_shape[2:], stride, padding, dilation, False)
    c_out, need = weight_shape[0], weight_shape[1] * groups
    require(shape[0] == need, f"{who} needs {need} channels, it gets {shape[0]} (shape {shape})")
    require(c_out % groups == 0, f"{who} makes {c_out} channels in {groups} groups; make it a multiple")
    return window(who, shape, axes, c_out, groups, None)


def _pool(
    who: str, shape: Shape, kernel: Sides, stride: Sides | None, padding: Padding, dilation: Sides, ceil_mode: bool
) -> list[Axis]:
    n = len(kernel) if isinstance(kernel, Sequence) else max(len(shape) - 1, 1)
    image(who, shape, n)
    sizes = sides(who, "kernel_size", kernel, n)
    axes = _axes(who, shape, sizes, sizes if stride is None else stride, padding, dilation, ceil_mode)
    window(who, shape, axes, shape[0], shape[0], None)
    return axes


def average_pool(
    who: str,
    shape: Shape,
    kernel: Sides,
    stride: Sides | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
    dilation: Sides = 1,
) -> Window:
    """Means over windows; one kernel only where every window divides by the same number, counted as torch does.

    Args:
        kernel: one number an axis tells how many axes the layer has; a single number fits any.
        stride: None = that of the kernel.
        divisor: what every window divides by; None = the values it sees.

    >>> average_pool("AvgPool2d", (1, 4, 4), 2, ceil_mode=True).weight
    0.25
    """
    axes = _pool(who, shape, kernel, stride, padding, dilation, ceil_mode)
    if divisor is not None:
        require(divisor != 0, f"{who} divides by 0; leave divisor_override out")
        return window(who, shape, axes, shape[0], shape[0], 1.0 / divisor)
    whole = [a.seen(-a.before, a.size + a.after) for a in axes]
    seen = whole if count_include_pad else [a.seen(0, a.size) for a in axes]
    if any(len(counts) > 1 or 0 in counts for counts in seen):
        ceil = any(len(counts) > 1 for counts in whole)
        setting, way = (
            ("ceil_mode", "leave it out, or crop or pad what comes in")
            if ceil
            else ("count_include_pad=False", "set count_include_pad=True")
        )
        counts = ", ".join(" or ".join(map(str, sorted(s))) for s in seen)
        raise ValueError(f"{who} with {setting} averages over {counts} values an axis on shape {shape}; {way}")
    size = float(np.prod([float(n) for counts in seen for n in counts]))
    return window(who, shape, axes, shape[0], shape[0], 1.0 / size)


def sum_pool(
    who: str,
    shape: Shape,
    kernel: Sides,
    stride: Sides | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    dilation: Sides = 1,
) -> Window:
    """Sums over windows."""
    axes = _pool(who, shape, kernel, stride, padding, dilation, ceil_mode)
    return window(who, shape, axes, shape[0], shape[0], 1.0)


def max_pool(
    who: str,
    shape: Shape,
    kernel: Sides,
    stride: Sides | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    dilation: Sides = 1,
    of_spikes: bool = False,
) -> Window:
    """Largest values of windows: linear only where each window sees a single value.

    Args:
        of_spikes: what comes in are spikes, and neurons follow that fire at the first of a window (``ir.pooling``).
    """
    axes = _pool(who, shape, kernel, stride, padding, dilation, ceil_mode)
    single = all(a.seen(0, a.size) == {1} for a in axes)
    require(
        single or of_spikes,
        f"{who} has no asynchronous meaning on currents, before the neurons, where a window sees several values (shape "
        f"{shape}); put it behind its neurons, on spikes, or use an average or sum pooling",
    )
    return window(who, shape, axes, shape[0], shape[0], 1.0)


def adaptive_average_pool(who: str, shape: Shape, output_size: int | Sequence[int | None] | None, axes: int) -> Window:
    """Means over windows spread over the input, as torch's AdaptiveAvgPool1d and 2d.

    Args:
        output_size: one number or one an axis; None keeps a side.
        axes: 1 or 2, those of the layer.

    >>> adaptive_average_pool("AdaptiveAvgPool2d", (3, 6, 4), (2, 1), 2).kernel
    (3, 4)
    """
    image(who, shape, axes)
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * axes
    require(len(given) == axes, f"{who} has output_size {output_size}; give {axes} numbers")
    sizes = sides(who, "output_size", [s if x is None else x for x, s in zip(given, shape[1:])], axes)
    found: list[Axis] = []
    for size, out in zip(shape[1:], sizes):
        way = f"choose sizes that divide {shape[1:]}"
        require(out <= size, f"{who} makes {sizes} of values of shape {shape}, more than there are; {way}")
        steps = np.arange(out + 1) * size
        start, end = steps[:-1] // out, -(-steps[1:] // out)
        spans, strides = set((end - start).tolist()), set(np.diff(start).tolist()) or {size}
        equal = len(spans) == len(strides) == 1
        require(equal, f"{who} to {sizes} has windows of unequal size or distance on shape {shape}; {way}")
        found.append(Axis(size, int(spans.pop()), int(strides.pop())))
    weight = 1.0 / float(np.prod([float(a.taps) for a in found]))
    return window(who, shape, found, shape[0], shape[0], weight)


def zero_pad(who: str, shape: Shape, padding: Sequence[Sequence[int]], value: float = 0.0) -> Window:
    """Zeros around the input.

    Args:
        padding: (before, after) of each axis behind the channels; negative numbers crop.
        value: what is written around; only 0 has a counterpart.
    """
    image(who, shape, len(padding))
    bare = [Axis(size, 1) for size in shape[1:]]
    given = pads(who, padding, bare, least=-max(shape))
    grows = any(x > 0 for pair in given for x in pair)
    require(value == 0 or not grows, f"{who} writes {value} around values of shape {shape}; pad with 0")
    axes = [replace(a, before=p[0], after=p[1]) for a, p in zip(bare, given)]
    require(min(a.out for a in axes) > 0, f"{who} crops all values of shape {shape} away; crop fewer")
    return window(who, shape, axes, shape[0], shape[0], 1.0)
