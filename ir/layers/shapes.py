"""Layers that change the shape of a sample alone, or whose size must fit it."""

from __future__ import annotations

from collections.abc import Sequence

from ir.check import require
from ir.layers.window import Shape


def size_of(shape: Sequence[int]) -> int:
    """Number of values of a shape, without overflow."""
    size = 1
    for side in shape:
        size *= int(side)
    return size


def flatten(who: str, shape: Shape, start: int = 1, end: int = -1, batch: bool = True) -> Shape:
    """Axes ``start .. end`` as one, as torch's Flatten.

    Args:
        batch: whether axis 0 is the batch, which no layer may flatten unless it does so to a batch axis alone.

    >>> flatten("Flatten", (2, 3, 4), 2)
    (2, 12)
    """
    first = int(batch)
    n = len(shape) + first
    a, b = (x + n if x < 0 else x for x in (start, end))
    require(0 <= a <= b < n, f"{who} flattens axes {start}..{end}, values of shape {shape} have {n} with the batch")
    require(a >= first or b == 0, f"{who} flattens the batch (axis {start}) into values of shape {shape}; start at 1")
    if b < first:
        return shape
    a, b = a - first, b - first
    return (*shape[:a], size_of(shape[a : b + 1]), *shape[b + 1 :])


def matrix(who: str, shape: Shape, axis: int = 1) -> Shape:
    """All axes before ``axis`` as one and all others as one, as ONNX's Flatten; the batch is axis 0."""
    n = len(shape) + 1
    at = axis + n if axis < 0 else axis
    kept = 1 <= at <= n and size_of(shape[: at - 1]) == 1
    require(kept, f"{who} flattens at axis {axis}, which mixes the batch with values of shape {shape}; use axis 1")
    return (size_of(shape),)


def reshape(who: str, shape: Shape, sizes: Sequence[int], batch: bool = False) -> Shape:
    """The same values in other sides; -1 = what is left, 0 = the side that was there.

    Args:
        batch: whether ``sizes`` begin with the batch: 0, -1 or the batch that the model was written with.

    >>> reshape("Reshape", (2, 3, 4), [0, -1, 12], batch=True)
    (2, 12)
    """
    given, full = [int(x) for x in sizes], [0, *shape] if batch else list(shape)
    problem = f"{who} makes {given} of values of shape {shape}"
    sound = len(given) > int(batch) and min(given) >= -1 and given.count(-1) <= 1
    require(sound, f"{problem}; give sides, at most one of them -1, the batch kept apart" if batch else problem)
    require(all(x != 0 or i < len(full) for i, x in enumerate(given)), f"{problem}; 0 names no side there")
    wanted = [full[i] if x == 0 else x for i, x in enumerate(given)][int(batch) :]
    known = size_of([x for x in wanted if x != -1])
    if -1 in wanted and known > 0 and size_of(shape) % known == 0:
        wanted[wanted.index(-1)] = size_of(shape) // known
    require(
        min(wanted) > 0 and size_of(wanted) == size_of(shape),
        f"{problem}; the sides of one sample must multiply to {size_of(shape)}",
    )
    return tuple(wanted)


def unflatten(who: str, shape: Shape, axis: int, sizes: Sequence[int]) -> Shape:
    """One axis as several, as torch's Unflatten; the batch is axis 0."""
    n = len(shape) + 1
    at = axis + n if axis < 0 else axis
    require(1 <= at < n, f"{who} splits axis {axis}, values of shape {shape} have 1..{n - 1} behind the batch")
    require(0 not in sizes, f"{who} makes sides {list(sizes)}; each must be positive")
    return (*shape[: at - 1], *reshape(who, (shape[at - 1],), sizes), *shape[at:])


def linear(who: str, shape: Shape, n_in: int) -> None:
    """Check that a dense layer's sources are all values that come in."""
    n = size_of(shape)
    more = len(shape) > 1 and shape[-1] == n_in
    why = "; it would act on the last axis alone, put a Flatten before it" if more and n != n_in else ""
    require(n == n_in, f"{who} needs {n_in} sources, it gets {n} (shape {shape}){why}")


def normalization(who: str, shape: Shape, channels: int, n_axes: Sequence[int] | None = None) -> None:
    """Check that a batch normalization fits.

    Args:
        n_axes: how many axes the layer allows behind the channels; None = any.
    """
    require(shape[0] == channels, f"{who} has {channels} channels, it gets {shape[0]} (shape {shape})")
    fits = n_axes is None or len(shape) - 1 in n_axes
    require(fits, f"{who} does not take values of shape {shape}; use BatchNorm{max(len(shape) - 1, 1)}d")
