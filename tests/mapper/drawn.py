"""Integer networks of images drawn by hypothesis: pools, depthwise layers, upsampling, strides, skips, recurrence."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork

Shape = tuple[int, int, int]
KINDS = "conv", "pool", "depthwise", "grouped", "grown", "dense", "listed", "same"


def _weight(random: np.random.Generator, *shape: int) -> np.ndarray:
    return (2 * random.integers(-63, 64, shape)).astype(np.int32)


def _listed(random: np.random.Generator, n_pre: int, n_post: int) -> Sparse:
    """Few synapses anywhere, some of them twice, some targets without any."""
    size = random.integers(0, 4, n_post)
    start = np.concatenate([[0], np.cumsum(size)])
    return Sparse(start, random.integers(0, n_pre, start[-1]).astype(np.int32), _weight(random, start[-1]), n_pre)


def _one_each(source: np.ndarray, n_pre: int) -> Sparse:
    return Sparse(np.arange(source.size + 1), source.astype(np.int32), np.full(source.size, 2, np.int32), n_pre)


@st.composite
def layers(draw: st.DrawFn, shape: Shape, random: np.random.Generator) -> tuple[Shape, Connection]:
    """Something that a population of images may feed, and its shape."""
    kind, (channels, high, wide) = draw(st.sampled_from(KINDS)), shape
    n = channels * high * wide
    if kind in ("dense", "listed"):
        new = (draw(st.integers(1, 6)), 1, 1)
        return new, Dense(_weight(random, new[0], n)) if kind == "dense" else _listed(random, n, new[0])
    if kind in ("grown", "same"):
        ids = np.arange(n).reshape(shape)
        if kind == "grown":
            ids = ids.repeat(2, 1).repeat(draw(st.integers(1, 3)), 2)
        return ids.shape, _one_each(ids.reshape(-1), n)  # type: ignore[return-value]
    kernel = draw(st.integers(1, min(high, 3))), draw(st.integers(1, min(wide, 3)))
    groups = {"conv": 1, "grouped": 2 if channels % 2 == 0 else 1}.get(kind, channels)
    filters = channels if kind == "pool" else groups * draw(st.integers(1, 3))
    stride = kernel if kind == "pool" else (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    padding = (0, 0) if kind == "pool" else (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    wider = [size + 2 * p >= 2 * k - 1 for size, p, k in zip((high, wide), padding, kernel)]
    dilation = draw(st.integers(1, 1 + wider[0])), draw(st.integers(1, 1 + wider[1]))
    c = Conv2d(_weight(random, filters, channels // groups, *kernel), shape, stride, padding, dilation, groups)
    return c.out_shape, c


@st.composite
def image_networks(draw: st.DrawFn) -> QuantizedNetwork:
    """A chain with branches, with skips and loops by identity, lists and dense layers."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    shapes: dict[str, Shape] = {"in": (draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))}
    edges: list[FixedProjection] = []
    for i in range(draw(st.integers(1, 5))):
        pre = draw(st.sampled_from(sorted(shapes)))
        shape, c = draw(layers(shapes[pre], random))
        if int(np.prod(shape)) > 600:
            continue
        shapes[f"p{i}"] = shape
        edges.append(FixedProjection(pre, f"p{i}", c))
    names = [name for name in shapes if name != "in"]
    if not names:
        shapes["p"], names = (2, 1, 1), ["p"]
        edges.append(FixedProjection("in", "p", Dense(_weight(random, 2, int(np.prod(shapes["in"]))))))
    for _ in range(draw(st.integers(0, 3))):
        pre, post = draw(st.sampled_from(sorted(shapes))), draw(st.sampled_from(names))
        if any((e.pre, e.post) == (pre, post) for e in edges):
            continue
        n, m = int(np.prod(shapes[pre])), int(np.prod(shapes[post]))
        same = n == m and draw(st.booleans())
        listed = _one_each(np.arange(n), n) if same else _listed(random, n, m)
        dense = not same and n * m < 2000 and draw(st.booleans())
        edges.append(FixedProjection(pre, post, Dense(_weight(random, m, n)) if dense else listed))
    populations = tuple(FixedPopulation(name, shapes[name]) for name in names)
    return QuantizedNetwork((Input("in", shapes["in"]),), populations, tuple(edges), names[-1])
