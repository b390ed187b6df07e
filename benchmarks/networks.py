"""The networks of the mapping benchmark, made again from their definitions by seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import ndtri

from ir.arrays import Array
from mapper.view.hypergraph import UNLIMITED, Caps
from mapper.view.twins import Cells

RATE_SCALE = 1000
PIECE = 4_000_000  # synapses handed to the checker at a time


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A network of the benchmark with the limits it is mapped under.

    Attributes:
        cells: the network by twin classes; unstructured networks have one neuron a cell.
        orders: neuron orders of the simple fills, by name.
    """

    name: str
    cells: Cells
    caps: Caps
    orders: dict[str, Array]

    def synapses(self) -> Iterator[tuple[Array, Array]]:
        """Every synapse as (pre, post), piece by piece, for the checker."""
        members = np.argsort(self.cells.cell, kind="stable")
        first = np.concatenate([[0], np.cumsum(np.bincount(self.cells.cell))])
        fan_in = np.diff(first)
        pairs = np.repeat(np.arange(fan_in.size), np.diff(self.cells.start))
        size = np.cumsum(fan_in[pairs] * fan_in[self.cells.target])
        cuts = np.searchsorted(size, np.arange(0, size[-1] + PIECE, PIECE))
        for low, high in pairwise(cuts.tolist()):
            a, b = pairs[low:high], self.cells.target[low:high]
            n_a, n_b = fan_in[a], fan_in[b]
            inside = np.arange((n_a * n_b).sum()) - np.repeat(np.cumsum(n_a * n_b) - n_a * n_b, n_a * n_b)
            i, j = np.divmod(inside, np.repeat(n_b, n_a * n_b))
            yield members[np.repeat(first[a], n_a * n_b) + i], members[np.repeat(first[b], n_a * n_b) + j]


def rates(rng: np.random.Generator, n: int, mean: float) -> NDArray[np.int64]:
    """Draw (n,) log-normal rates with sigma 1, times 1000, rounded, clipped to 1..1000."""
    raw = rng.lognormal(np.log(mean) - 0.5, 1.0, n)
    return np.clip(np.round(raw * RATE_SCALE), 1, 1000).astype(np.int64)


def cube(name: str, n: int, mean_targets: int, sigma: float = 0.01, seed: int = 0) -> Benchmark:
    """Make the published random reservoir: neurons in the unit cube, axons into the half-space above.

    Each neuron draws Poisson(``mean_targets``) targets: 1 % uniform; of the others 90 % above and 10 % below by
    z with weight exp(-(d / sigma)^2 / 2), without replacement. Rates are log-normal, median 1, CV 1.58, times 1000,
    drawn as shuffled quantiles: the total, to which km1 is proportional, then has no sampling noise.
    """
    rng = np.random.default_rng(seed)
    points = rng.random((n, 3))
    count = np.minimum(rng.poisson(mean_targets, n), n - 1)
    near = np.asarray(KDTree(points).query(points, k=min(n, 4 * mean_targets))[1])
    lists = [_cube_targets(rng, points, near[i], i, int(count[i]), sigma) for i in range(n)]
    start = np.concatenate([[0], np.cumsum([a.size for a in lists])])
    quantile = ndtri((rng.permutation(n) + 0.5) / n)
    weight = np.maximum(np.round(np.exp(quantile * np.sqrt(np.log(1 + 1.58**2))) * RATE_SCALE), 1).astype(np.int64)
    return _plain(name, start, np.concatenate(lists).astype(np.int32), weight, Caps(1024, UNLIMITED, 4096))


def _cube_targets(
    rng: np.random.Generator, points: NDArray[np.float64], near: NDArray[np.int64], i: int, count: int, sigma: float
) -> NDArray[np.int64]:
    """Draw the targets of neuron i: exponential keys sample without replacement by weight."""
    far = rng.binomial(count, 0.01)
    up = rng.binomial(count - far, 0.9)
    above = int((points[near, 2] > points[i, 2]).sum())
    if above < up or near.size - 1 - above < count - far - up:
        near = np.arange(points.shape[0])
    near = near[near != i]
    offset = points[near] - points[i]
    key = np.log(rng.exponential(size=near.size)) + 0.5 * (offset**2).sum(1) / sigma**2
    above = offset[:, 2] > 0
    chosen = [near[side][np.argsort(key[side])[:m]] for side, m in ((above, up), (~above, count - far - up))]
    return np.unique(np.concatenate([*chosen, _others(rng, points.shape[0], i, far)]))


def _others(rng: np.random.Generator, n: int, i: int, count: int) -> NDArray[np.int64]:
    """Draw ``count`` uniform neurons other than i."""
    drawn = rng.integers(0, n - 1, count)
    return drawn + (drawn >= i)


def _plain(name: str, start: Array, target: Array, rate: Array, caps: Caps) -> Benchmark:
    """Wrap an unstructured network: every neuron is a cell of its own."""
    n = start.size - 1
    ids = np.arange(n, dtype=np.int32)
    cells = Cells(ids, n, start, target, rate, np.bincount(target, minlength=n))
    return Benchmark(name, cells, caps, {"id order": ids})


def sheet(name: str, side: int, n_targets: int, uniform: float, sigma: float, seed: int = 0) -> Benchmark:
    """Make the recurrent sheet: a torus of side x side neurons with Gaussian neighbourhoods, ids shuffled."""
    rng = np.random.default_rng(seed)
    n = side * side
    place = rng.permutation(n).astype(np.int32)
    neuron_at = np.empty(n, np.int32)
    neuron_at[place] = np.arange(n, dtype=np.int32)
    rows = []
    for low in range(0, n, 50_000):
        here = place[low : low + 50_000, None]
        shift = np.rint(rng.normal(0.0, sigma, (2, here.shape[0], n_targets))).astype(np.int32)
        near = (here // side + shift[0]) % side * side + (here % side + shift[1]) % side
        far = rng.integers(0, n, near.shape, dtype=np.int32)
        drawn = np.sort(neuron_at[np.where(rng.random(near.shape) < uniform, far, near)], axis=1)
        keep = drawn != np.arange(low, low + here.shape[0])[:, None]
        keep[:, 1:] &= drawn[:, 1:] != drawn[:, :-1]
        rows.append((drawn[keep], keep.sum(1)))
    start = np.concatenate([[0], np.cumsum(np.concatenate([count for _, count in rows]))])
    made = _plain(
        name, start, np.concatenate([t for t, _ in rows]), rates(rng, n, 0.02), Caps(4096, UNLIMITED, UNLIMITED)
    )
    return Benchmark(name, made.cells, made.caps, {**made.orders, "position order": neuron_at})


def layered(
    name: str,
    layers: list[tuple[int, int, int]],
    dense: list[int],
    mean: tuple[float, float],
    caps: Caps,
    seed: int = 0,
) -> Benchmark:
    """Make a convolutional network, 3x3 kernels, ids channel-major, inputs are neurons too.

    Args:
        layers: (channels, side, stride from the layer before) of the input and every convolution.
        dense: sizes of the dense layers behind.
        mean: mean rates of the first and the last layer, in equal steps between.
    """
    rng = np.random.default_rng(seed)
    sizes = [c * side * side for c, side, _ in layers] + dense
    means = np.linspace(*mean, len(sizes))
    rate = np.concatenate([rates(rng, n, m) for n, m in zip(sizes, means)])
    cell, n_cells, edges, memory = [], 0, [], [np.zeros(sizes[0], np.int64)]
    for place, (channels, side, stride) in enumerate(layers):
        cell.append(np.tile(np.arange(side * side) + n_cells, channels))
        if place:
            before, low = layers[place - 1][1], n_cells - layers[place - 1][1] ** 2
            pre, post = _window(before, side, stride)
            edges.append((pre + low, post + n_cells))
            memory.append(np.tile(np.bincount(post, minlength=side * side) * layers[place - 1][0], channels))
        n_cells += side * side
    low = n_cells - layers[-1][1] ** 2
    for i, size in enumerate(dense):
        edges.append((np.arange(low, n_cells), np.full(n_cells - low, n_cells)))
        cell.append(np.full(size, n_cells))
        memory.append(np.full(size, sizes[len(layers) - 1 + i]))
        low, n_cells = n_cells, n_cells + 1
    return _cellular(name, np.concatenate(cell), n_cells, edges, rate, np.concatenate(memory), sizes, caps)


def _window(before: int, after: int, stride: int) -> tuple[Array, Array]:
    """Cell pairs of a 3x3 convolution on square maps: y feeds y2 where |y2 stride - y| <= 1."""
    y, y2 = np.meshgrid(np.arange(before), np.arange(after), indexing="ij")
    y, y2 = (a[np.abs(y2 * stride - y) <= 1] for a in (y, y2))
    pre = (y[:, None] * before + y[None, :]).reshape(-1)
    post = (y2[:, None] * after + y2[None, :]).reshape(-1)
    return pre, post


def _cellular(
    name: str,
    cell: Array,
    n_cells: int,
    edges: list[tuple[Array, Array]],
    rate: Array,
    memory: Array,
    sizes: list[int],
    caps: Caps,
) -> Benchmark:
    """Sort the cell edges into rows and add the two simple orders."""
    pre, post = (np.concatenate(part) for part in zip(*edges))
    rows = np.argsort(pre, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=n_cells))])
    cells = Cells(cell.astype(np.int32), cell.size, start, post[rows].astype(np.int32), rate, memory)
    ids = np.arange(cell.size, dtype=np.int32)
    return Benchmark(
        name, cells, caps, {"id order": ids, "position order": np.argsort(cell, kind="stable").astype(np.int32)}
    )


VGG = [(3, 32, 1), (48, 32, 1), (48, 16, 2), (96, 16, 1), (96, 8, 2), (192, 8, 1), (192, 4, 2)]

NETWORKS = {
    "16k-rand": lambda: cube("16k-rand", 16384, 128),
    "64k-rand": lambda: cube("64k-rand", 65536, 192),
    "vgg-loihi": lambda: layered("vgg-loihi", VGG, [512, 10], (0.10, 0.03), Caps(1024, 131072, 4096)),
    "vgg-large": lambda: layered("vgg-large", VGG, [512, 10], (0.10, 0.03), Caps(4096, UNLIMITED, 65536)),
    "sheet1m": lambda: sheet("sheet1m", 1000, 31, 0.05, 5.0),
    "sheet422k": lambda: sheet("sheet422k", 650, 31, 0.05, 5.0),
    "sheet100k": lambda: sheet("sheet100k", 316, 105, 0.10, 6.0),
}
