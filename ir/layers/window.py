"""A kernel that slides over channels, in the form that a Conv2d connection holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

from ir.arrays import Array
from ir.check import require
from ir.connection import Conv2d

Shape = tuple[int, ...]
Pair = tuple[int, int]
Sides = Union[int, Sequence[int]]
"""One number for all axes, or one an axis."""
Padding = Union[int, str, Sequence[int], Sequence[Sequence[int]]]
"""As ``Sides``; or (before, after) an axis; or 'valid', 'same' (stride 1), 'same_upper', 'same_lower'."""

MAX_KERNEL = 1 << 24
"""Most weights of one channel's kernel with the zeros that are written into it."""


@dataclass(frozen=True)
class Window:
    """How a layer's kernel slides over its channels, with even padding.

    :class:`ir.connection.Conv2d` pads both ends alike. Where a layer does not, rows or columns of zeros around the
    kernel say the same, so that the kernel stays shared.

    Attributes:
        in_shape: (C_in, H, W); a one-dimensional layer has H = 1.
        out_shape: of the layer: (C_out, H, W), or (C_out, n) of a one-dimensional one.
        stride, padding, dilation: (vertical, horizontal) of the kernel as written.
        groups: of channels; a pooling has one a channel.
        kernel: (height, width) as written, zeros included.
        taps: where the layer's own rows and columns lie in it.
        weight: every weight of a pooling; None = the layer has a kernel of its own.
    """

    in_shape: tuple[int, int, int]
    out_shape: Shape
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    kernel: Pair
    taps: tuple[slice, slice]
    weight: float | None = None

    @property
    def own_kernel(self) -> Pair:
        """(height, width) of the layer's kernel, without zeros."""
        a, b = (len(range(k)[t]) for k, t in zip(self.kernel, self.taps))
        return a, b

    @property
    def reaches_out(self) -> bool:
        """Whether any window sees padding."""
        outs = ((1,) if len(self.out_shape) == 2 else ()) + self.out_shape[1:]
        for i, (n, tap) in enumerate(zip(outs, self.taps)):
            rows = range(self.kernel[i])[tap]
            low, high = (row * self.dilation[i] - self.padding[i] for row in (rows[0], rows[-1]))
            if low < 0 or (n - 1) * self.stride[i] + high >= self.in_shape[1 + i]:
                return True
        return False

    def written(self, weight: Array) -> Array:
        """The layer's kernel with its zeros, (C_out, C_in / groups, height, width)."""
        weight = weight[:, :, None] if weight.ndim == 3 else weight
        if self.own_kernel == self.kernel:
            return weight
        kernel = np.zeros((*weight.shape[:2], *self.kernel), weight.dtype)
        kernel[:, :, self.taps[0], self.taps[1]] = weight
        return kernel

    def connection(self, weight: Array | None = None) -> Conv2d:
        """The layer as a convolution; ``weight`` is its kernel, which a pooling does not have."""
        if weight is None:
            assert self.weight is not None, "a convolution brings its kernel"
            weight = np.full((self.in_shape[0], 1, *self.own_kernel), self.weight)
        return Conv2d(self.written(weight), self.in_shape, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class Axis:
    """One axis of a window: output y reads ``y * stride - before + step * i`` for i < taps, zeros outside.

    Attributes:
        size: of the input; before, after: zeros around it, negative = cropped.
        ceil: one more window where the last one would leave values over, as torch's ``ceil_mode``.
    """

    size: int
    taps: int
    stride: int = 1
    before: int = 0
    after: int = 0
    step: int = 1
    ceil: bool = False

    @property
    def out(self) -> int:
        """Number of windows; the one that ``ceil`` adds begins in the input or before it."""
        room = self.size + self.before + self.after - self._span
        if not self.ceil:
            return room // self.stride + 1
        n = -(-room // self.stride) + 1
        return n - 1 if (n - 1) * self.stride >= self.size + self.before else n

    def seen(self, low: int, high: int) -> set[int]:
        """How many taps of a window lie in ``low .. high - 1``, all counts that occur."""
        start = np.arange(max(self.out, 0)) * self.stride - self.before
        first, end = np.maximum(-((start - low) // self.step), 0), np.minimum(-((start - high) // self.step), self.taps)
        return {int(x) for x in np.unique(np.maximum(end - first, 0))}

    def then(self, second: Axis) -> Axis | None:
        """Both windows as one, taps where the sums of theirs lie; None where zeros between make that inexact.

        A zero that ``second`` pads with must be what the first gives there: its next windows must see only zeros.
        """
        before = self.step * (self.taps - 1) < self.stride + self.before
        after = self.out * self.stride - self.before >= self.size
        if (second.before or second.after) and not (before and after):
            return None
        # The sums are multiples of the common divisor of both distances.
        wide, narrow = self.stride * second.step * (second.taps > 1), self.step * (self.taps > 1)
        step = math.gcd(wide, narrow) or 1
        taps = (wide * (second.taps - 1) + narrow * (self.taps - 1)) // step + 1
        stride, pad = self.stride * second.stride, self.stride * second.before + self.before
        rest = (second.out - 1) * stride + step * (taps - 1) + 1 - self.size - pad
        return Axis(self.size, taps, stride, pad, rest, step)

    def even(self) -> tuple[int, int, int, slice]:
        """The same reading with the same padding at both ends: (padding, dilation, kernel length, taps)."""
        if self.before >= 0 and (self.size + 2 * self.before - self._span) // self.stride + 1 == self.out:
            return self.before, self.step, self.taps, slice(0, self.taps, 1)
        found = self._zeros_around(self.step, self.taps) or self._zeros_around(1, self._span)
        assert found is not None, "zeros one by one always fit"
        return found

    @property
    def _span(self) -> int:
        return self.step * (self.taps - 1) + 1

    def _zeros_around(self, dilation: int, length: int) -> tuple[int, int, int, slice] | None:
        """Fewest zeros before and after a kernel of ``length`` with which even padding gives just ``out`` windows."""
        room = self.size + 2 * self.before - dilation * (length - 1) - 1
        least = -((room - (self.out - 1) * self.stride) // dilation)
        most = (self.out * self.stride - 1 - room) // dilation
        if least > most:
            return None
        needed = max(0, -(self.before // dilation))
        surplus = min(max(needed, least), most)
        first = max(needed, surplus)
        step = self.step // dilation
        taps = slice(first, first + step * (self.taps - 1) + 1, step)
        return self.before + dilation * first, dilation, length + 2 * first - surplus, taps


def sides(who: str, name: str, given: Sides, n: int, least: int = 1) -> Shape:
    """A setting as one whole number an axis."""
    values = tuple(given) if isinstance(given, Sequence) else (given,)
    values = values * n if len(values) == 1 else values
    sound = len(values) == n and all(isinstance(x, (int, np.integer)) and x >= least for x in values)
    require(sound, f"{who} has {name} {given}; give {n} whole numbers, each at least {least}")
    return tuple(int(x) for x in values)


def pads(who: str, given: Padding, axes: Sequence[Axis], least: int = 0) -> list[Pair]:
    """(before, after) of each axis; 'same' as torch has it with more after, 'same_lower' with more before."""
    if isinstance(given, str):
        word, strides = given.lower(), [a.stride for a in axes]
        known = word in ("valid", "same_upper", "same_lower", "same")
        require(known, f"{who} has padding {given!r}; give 'same', 'valid' or numbers")
        plain = word != "same" or set(strides) == {1}
        require(plain, f"{who} has padding 'same' with stride {strides}, which torch does not define; give numbers")
        totals = [max((-(-a.size // a.stride) - 1) * a.stride + a.step * (a.taps - 1) + 1 - a.size, 0) for a in axes]
        totals = [0] * len(axes) if word == "valid" else totals
        return [((x + 1) // 2, x // 2) if word == "same_lower" else (x // 2, x - x // 2) for x in totals]
    if isinstance(given, Sequence) and given and all(isinstance(x, Sequence) for x in given):
        require(len(given) == len(axes), f"{who} has padding {given}; give (before, after) for {len(axes)} axes")
        pairs = [sides(who, "padding", x, 2, least) for x in given]  # type: ignore[arg-type]
        return [(p[0], p[1]) for p in pairs]
    return [(x, x) for x in sides(who, "padding", given, len(axes), least)]  # type: ignore[arg-type]


def image(who: str, shape: Shape, n_axes: int) -> tuple[int, int, int]:
    """(C, H, W) of what a layer with one or two axes gets."""
    wanted = "(channels, length)" if n_axes == 1 else "(channels, height, width)"
    way = "remove the Flatten before it" if len(shape) == 1 else "reshape what comes in"
    require(n_axes in (1, 2) and len(shape) == n_axes + 1, f"{who} needs {wanted}, it gets {shape}; {way}")
    channels, *rest = shape
    return (channels, 1, rest[0]) if n_axes == 1 else (channels, rest[0], rest[1])


def window(who: str, shape: Shape, axes: Sequence[Axis], c_out: int, groups: int, weight: float | None) -> Window:
    """The axes of a layer on values of ``shape`` as one window."""
    out, own = tuple(a.out for a in axes), tuple(a.taps for a in axes)
    require(min(out) > 0, f"{who} has a kernel {own} larger than its input {shape}; make it smaller or pad")
    full = (Axis(1, 1), axes[0]) if len(axes) == 1 else (axes[0], axes[1])
    (p, d, k, t), (q, e, m, u) = (a.even() for a in full)
    require(k * m <= MAX_KERNEL, f"{who} needs a kernel of {k} x {m} on values of shape {shape}, at most {MAX_KERNEL}")
    strides = (full[0].stride, full[1].stride)
    return Window(image(who, shape, len(axes)), (c_out, *out), strides, (p, q), (d, e), groups, (k, m), (t, u), weight)
