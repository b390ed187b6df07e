"""Drawn weights and connections."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ir.connection import Connection, Conv2d, Dense, Sparse
from tests.strategies.options import Draw

TOP = (1 << 31) - 1


def draw_weights(rng: np.random.Generator, shape: tuple[int, ...], draw: Draw, style: str) -> np.ndarray:
    """Mostly excitatory even weights.

    Args:
        style: ``plain``; ``negative``; ``huge``, which reaches the int32 and accumulator edges; ``edge``, of
            int32's own last values; or a number of bits, as ``"17"``, odd ones among them.
    """
    if style == "edge":
        return rng.choice([TOP, TOP, TOP - 1, 1 << 30, 1, 0, -1, -TOP], shape).astype(np.int32)
    if style.isdigit():
        top = (1 << int(style)) - 1
        return rng.integers(-(top // 2), top, shape, endpoint=True).astype(np.int32)
    if style == "huge":
        top = 254 if draw.lava else 1 << 18
        w = rng.choice([-top, -top // 2, 0, top // 2, top, top], shape)
    elif style == "negative":
        w = -rng.integers(0, 120, shape)
    else:
        w = rng.integers(-60, 127, shape)
    return (w * 2 if style != "huge" else w // 2 * 2).astype(np.int32)


@st.composite
def connections(
    draw: st.DrawFn, pre: tuple[int, ...], post_n: int, options: Draw, style: str, rng: np.random.Generator
) -> tuple[Connection, tuple[int, ...]]:
    """A connection from a block of shape ``pre``, and the shape of its targets."""
    n_pre = int(np.prod(pre))
    kind = draw(st.sampled_from(["dense", "sparse", "conv"] if options.conv and len(pre) == 3 else ["dense", "sparse"]))
    if kind == "conv":
        conv = draw(_convolutions(pre, options, style, rng))
        return conv, conv.out_shape
    weight = draw_weights(rng, (post_n, n_pre), options, style)
    if kind == "dense":
        return Dense(weight), (post_n,)
    found = sparse(weight, rng.random(weight.shape) < 0.5)
    return (doubled(found, rng) if options.wide and draw(st.booleans()) else found), (post_n,)


@st.composite
def _convolutions(draw: st.DrawFn, pre: tuple[int, ...], options: Draw, style: str, rng: np.random.Generator) -> Conv2d:
    groups = draw(st.sampled_from([1, pre[0]]))
    kernel = tuple(draw(st.integers(1, min(3, side))) for side in pre[1:])
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    if options.wide:
        padding: Any = tuple(draw(st.integers(0, 2)) for _ in kernel)
        dilation: Any = tuple(
            draw(st.integers(1, 3)) if side + 2 * p > 3 * (k - 1) else 1 for side, p, k in zip(pre[1:], padding, kernel)
        )
    else:
        padding = (draw(st.integers(0, 1)),) * 2
        dilation = (draw(st.integers(1, 2)) if min(pre[1:]) > 2 * (max(kernel) - 1) else 1,) * 2
    channels = groups * draw(st.integers(1, 2))
    weight = draw_weights(rng, (channels, pre[0] // groups, *kernel), options, style)
    return Conv2d(weight, (pre[0], pre[1], pre[2]), stride, padding, dilation, groups)


def sparse(weight: np.ndarray, kept: np.ndarray) -> Sparse:
    """Only the ``kept`` synapses of a dense weight."""
    indptr = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return Sparse(indptr, np.nonzero(kept)[1].astype(np.int32), weight[kept], weight.shape[1])


def doubled(connection: Sparse, rng: np.random.Generator) -> Sparse:
    """The same synapses in any order within their rows, some of them twice."""
    rows = []
    for start, end in zip(connection.indptr[:-1], connection.indptr[1:]):
        row = rng.permutation(np.arange(start, end))
        rows.append(np.concatenate([row, row[rng.random(len(row)) < 0.3]]).astype(np.int64))
    order = np.concatenate(rows)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Sparse(indptr, connection.indices[order], connection.weight[order], connection.n_pre)


def typical_drive(connection: Connection, weight_exp: int) -> int:
    """About what a fifth of the sources brings to a target, in mantissa units; at least 1."""
    total = float(np.maximum(connection.weight, 0).sum(dtype=np.float64)) * 2.0**weight_exp
    share = total / connection.weight.shape[0] if not isinstance(connection, Sparse) else total / connection.n_post
    return max(1, min(int(share / 5), 1 << 22))
