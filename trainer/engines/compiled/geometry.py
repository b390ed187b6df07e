"""Links as kernels read them: where the neurons of a convolution stand, and synapses and taps by source.

A spike that goes through a convolution reaches all channels of a few places. Inside the compiled engine these stand
beside each other: neurons of a convolution's target are numbered place by place, channel by channel within a place,
while outside, in ``ir.connection``, all places of a channel follow each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ir.connection import Connection, Conv2d, Sparse, synapses, with_weight
from trainer.engines.parts import Link, Part

Ints = NDArray[np.int64]

SITE = 16
"""The least neurons that are updated together: as many float32 are compared and added at once."""

WORD = 64
"""Sites whose marks one word holds."""


class Grid(NamedTuple):
    """A population that convolutions lead into: the shape they give it, and how many neurons a site has: some places,
    each with all of its channels."""

    channels: int
    places: int
    site: int


def grids_of(parts: tuple[Part, ...], links: tuple[Link, ...]) -> list[Grid | None]:
    """The grid of each population that convolutions lead into; None where the rest of the network sees another."""
    found = []
    for part in parts:
        entering = [e for e in links if e.post == part.at]
        leaving = [e for e in links if not e.from_input and e.pre == part.at]
        inner = [e.connection.out_shape for e in entering if isinstance(e.connection, Conv2d) and not e.pools]
        outer = [e.connection.in_shape for e in leaving if isinstance(e.connection, Conv2d)]
        found.append(grid_of(inner, outer))
    return found


def grid_of(inner: list[tuple[int, int, int]], outer: list[tuple[int, int, int]]) -> Grid | None:
    """The grid of a population that convolutions lead into with the shapes ``inner``, and leave with ``outer``."""
    if not inner or len({*inner, *outer}) > 1:
        return None
    channels, height, width = inner[0]
    return Grid(channels, height * width, channels * -(-SITE // channels))


def numbers_in(grid: Grid | None, n: int) -> Ints:
    """(n,) where each neuron of a population stands inside."""
    if grid is None:
        return np.arange(n)
    return np.arange(n).reshape(grid.places, grid.channels).T.reshape(-1)


def n_sites(grid: Grid | None) -> int:
    """How many sites a population has; 0 where it is updated as a whole."""
    return 0 if grid is None else -(-grid.channels * grid.places // grid.site)


def sparse_order(c: Sparse, pre_number: Ints, post_number: Ints) -> tuple[Ints, Ints, Ints]:
    """Synapses by source: starts (n_pre + 1,), targets, and where each weight stood."""
    pre = pre_number[c.indices]
    order = np.argsort(pre, kind="stable")
    post = post_number[np.repeat(np.arange(c.n_post), np.diff(c.indptr))[order]]
    starts = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=c.n_pre))])
    return starts.astype(np.int64), post.astype(np.int64), order.astype(np.int64)


def windows(c: Connection, pre_number: Ints, post_number: Ints) -> tuple[Ints, Ints, Ints]:
    """The same of the spikes that each window of a max pooling reads; weights of 0 belong to no window."""
    pre, post, weight = synapses(c)
    pre, post = pre_number[pre], post_number[post]
    place = np.arange(c.weight.size).reshape(c.weight.shape)
    at = synapses(with_weight(c, place))[2]
    seen = np.flatnonzero(np.asarray(weight) != 0)
    order = seen[np.argsort(pre[seen], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(pre[seen], minlength=c.n_pre))])
    return starts.astype(np.int64), post[order].astype(np.int64), at[order].astype(np.int64)


def _reached(size: int, kernel: int, out: int, stride: int, pad: int, dilation: int) -> tuple[Ints, NDArray[np.bool_]]:
    """(size, kernel) along one axis: where each kernel element carries each coordinate, and whether it does."""
    moved = np.arange(size)[:, None] + pad - np.arange(kernel) * dilation
    return moved // stride, (moved >= 0) & (moved % stride == 0) & (moved // stride < out)


class Taps(NamedTuple):
    """A convolution by source and by place of the source.

    Attributes:
        source: (n_pre, 3) where the place of each stands in ``at``, the first output and weight of its channel.
        at: (h * w + 1,) where each place's taps begin.
        tap: (., 4) the place reached, as its first channel; where the weights of a group's channels begin; word and bit
            that mark the site reached.
    """

    source: NDArray[np.int32]
    at: NDArray[np.int32]
    tap: NDArray[np.int32]


def taps_of(c: Conv2d, pre_number: Ints, grid: Grid | None, first_word: int) -> Taps:
    """The taps of a convolution into a population whose sites' marks begin with ``first_word``."""
    (channels, h, w), (_, ho, wo) = c.in_shape, c.out_shape
    c_out, c_group, kh, kw = c.weight.shape
    rows, in_rows = _reached(h, kh, ho, c.stride[0], c.padding[0], c.dilation[0])
    columns, in_columns = _reached(w, kw, wo, c.stride[1], c.padding[1], c.dilation[1])
    inside = in_rows[:, None, :, None] & in_columns[None, :, None, :]
    y, x, a, b = np.nonzero(inside)
    starts = np.concatenate([[0], np.cumsum(inside.sum((2, 3)).reshape(-1))]).astype(np.int32)
    to, out = rows[y, a] * wo + columns[x, b], c_out // c.groups
    channel, place = np.divmod(np.arange(channels * h * w), h * w)
    first = channel // c_group * out * apart(c, grid)
    source = np.stack([place, first, channel * (kh * kw * out)], 1).astype(np.int32)[np.argsort(pre_number)]
    word, bit = np.full(len(to), first_word), np.zeros(len(to), np.int64)
    if grid is not None:
        to = to * grid.channels
        word, bit = np.divmod(to // grid.site, WORD)
        word += first_word
    return Taps(source, starts, np.stack([to, (a * kw + b) * out, word, bit], 1).astype(np.int32))


def apart(c: Conv2d, grid: Grid | None) -> int:
    """How far apart the channels of a place stand in the target of a convolution."""
    return c.out_shape[1] * c.out_shape[2] if grid is None else 1


def joined(taps: list[Taps]) -> Taps:
    """The taps of all convolutions in a row, and an element that nobody reads: no array is empty."""
    nothing = Taps(np.zeros((1, 3), np.int32), np.zeros(1, np.int32), np.zeros((1, 4), np.int32))
    n_taps, n_places = (np.cumsum([0, *(len(getattr(t, x)) for t in taps)], dtype=np.int32) for x in ("tap", "at"))
    first = np.array([1, 0, 0], np.int32)
    shifted = [t._replace(source=t.source + p * first, at=t.at + n) for t, n, p in zip(taps, n_taps, n_places)]
    return Taps(*(np.concatenate(x) for x in zip(*shifted, nothing)))


def _groups(owners: list[int], n: int) -> tuple[Ints, Ints]:
    """Items grouped by owner: (n + 1,) starts and the items; owner -1 = none."""
    rows = [[i for i, owner in enumerate(owners) if owner == p] for p in range(n)]
    starts = np.cumsum([0, *(len(r) for r in rows)]).astype(np.int64)
    return starts, np.array([i for r in rows for i in r], np.int64)


def links_of_parts(links: tuple[Link, ...], starts: list[int]) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Links grouped by the part that they leave, those from inputs left out, and by the part that they enter."""
    leave = [-1 if e.from_input else starts.index(e.pre.start) for e in links]
    enter = [starts.index(e.post.start) for e in links]
    return _groups(leave, len(starts)), _groups(enter, len(starts))
