"""Networks with pools, skips, upsampling and recurrence, made again from their definitions by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ir.connection import Connection, Conv2d, Dense, Sparse
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork

Shape = tuple[int, ...]


class Builder:
    """A network that grows population by population; every method returns the name of what it added."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.shapes: dict[str, Shape] = {"in": shape}
        self.projections: list[FixedProjection] = []

    def join(self, pre: str, post: str, shape: Shape, connection: Connection) -> str:
        """Connect ``pre`` to the population ``post``, which is made where it is new."""
        assert self.shapes.setdefault(post, shape) == shape
        self.projections.append(FixedProjection(pre, post, connection))
        return post

    def weight(self, *shape: int) -> NDArray[np.int32]:
        """Twice a uniform integer of -127..127 without 0."""
        return (2 * self.random.integers(1, 128, shape) * self.random.choice([-1, 1], shape)).astype(np.int32)

    def conv(
        self, pre: str, post: str, channels: int, kernel: int = 3, stride: int = 1, same: bool = True, groups: int = 1
    ) -> str:
        side = self._image(pre)
        weight = self.weight(channels, side[0] // groups, kernel, kernel)
        pad = kernel // 2 if same else 0
        c = Conv2d(weight, side, (stride, stride), (pad, pad), groups=groups)
        return self.join(pre, post, c.out_shape, c)

    def pool(self, pre: str, post: str, size: int = 2) -> str:
        side = self._image(pre)
        c = Conv2d(np.ones((side[0], 1, size, size), np.int32), side, (size, size), groups=side[0])
        return self.join(pre, post, c.out_shape, c)

    def same(self, pre: str, post: str, factor: int = 1, weight: int = 64) -> str:
        """Every target has one source: the identity, or nearest upsampling by ``factor``."""
        channels, height, width = self._image(pre)
        ids = np.arange(channels * height * width, dtype=np.int32).reshape(channels, height, width)
        source = ids.repeat(factor, 1).repeat(factor, 2)
        flat = source.reshape(-1)
        c = Sparse(np.arange(flat.size + 1), flat, np.full(flat.size, weight, np.int32), ids.size)
        return self.join(pre, post, source.shape, c)

    def dense(self, pre: str, post: str, n: int) -> str:
        return self.join(pre, post, (n,), Dense(self.weight(n, int(np.prod(self.shapes[pre])))))

    def done(self, output: str) -> QuantizedNetwork:
        populations = tuple(FixedPopulation(k, s) for k, s in self.shapes.items() if k != "in")
        return QuantizedNetwork((Input("in", self.shapes["in"]),), populations, tuple(self.projections), output)

    def _image(self, name: str) -> tuple[int, int, int]:
        channels, height, width = self.shapes[name]
        return channels, height, width


def lenet() -> QuantizedNetwork:
    b = Builder((1, 28, 28))
    a = b.pool(b.conv("in", "conv1", 6, 5), "pool1")
    a = b.pool(b.conv(a, "conv2", 16, 5, same=False), "pool2")
    return b.done(b.dense(b.dense(b.dense(a, "fc1", 120), "fc2", 84), "fc3", 10))


def vgg11(width: float) -> QuantizedNetwork:
    b, a = Builder((3, 32, 32)), "in"
    for i, step in enumerate((64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512, "P")):
        a = b.pool(a, f"pool{i}") if step == "P" else b.conv(a, f"conv{i}", int(int(step) * width))
    return b.done(b.dense(b.dense(a, "fc1", int(512 * width)), "fc2", 10))


def mobilenet(width: float) -> QuantizedNetwork:
    b = Builder((3, 32, 32))
    a = b.conv("in", "conv", int(32 * width))
    pairs = (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1)
    for i, (channels, stride) in enumerate(pairs):
        before = b.shapes[a][0]
        a = b.conv(a, f"depth{i}", before, stride=stride, groups=before)
        a = b.conv(a, f"point{i}", int(channels * width), 1)
    return b.done(b.dense(b.pool(a, "pool", b.shapes[a][1]), "fc", 10))


def unet(c: int) -> QuantizedNetwork:
    b, a = Builder((2, 32, 32)), "in"
    skips: list[str] = []
    for i in range(3):
        a = b.conv(a, f"down{i}", c << i)
        skips.append(a)
        a = b.pool(a, f"pool{i}")
    a = b.conv(a, "middle", 8 * c)
    for i in (2, 1, 0):
        up = b.same(a, f"grown{i}", 2)
        a = b.conv(up, f"up{i}", c << i)
        b.conv(skips[i], a, c << i)
    return b.done(b.conv(a, "out", 2, 1))


def resnet() -> QuantizedNetwork:
    b = Builder((3, 32, 32))
    a = b.conv("in", "conv", 16)
    for i, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2))):
        end = b.conv(b.conv(a, f"first{i}", channels, stride=stride), f"second{i}", channels)
        a = b.same(a, end) if stride == 1 else b.conv(a, end, channels, 1, stride)
    return b.done(b.dense(b.pool(a, "pool", 8), "fc", 10))


def shd() -> QuantizedNetwork:
    b = Builder((700,))
    a = b.dense("in", "hidden", 1024)
    b.dense(a, a, 1024)
    return b.done(b.dense(a, "out", 20))


POOLED: dict[str, Callable[[], QuantizedNetwork]] = {
    "lenet": lenet,
    "vgg11-1/2": lambda: vgg11(0.5),
    "vgg11-1/4": lambda: vgg11(0.25),
    "mobilenet-1/4": lambda: mobilenet(0.25),
    "unet-8": lambda: unet(8),
    "resnet-3": resnet,
    "shd": shd,
}


def mean_rates(network: QuantizedNetwork, seed: int = 0) -> NDArray[np.float64]:
    """(N + inputs,) log-normal rates, at most 1: medians fall in equal steps from .10 to .03 times e^-0.5."""
    random = np.random.default_rng(seed)
    means = np.linspace(0.10, 0.03, len(network.populations))
    sizes = [p.n for p in network.populations]
    mean = np.concatenate([np.repeat(means, sizes), np.full(network.n_inputs, 0.10)])
    return np.minimum(random.lognormal(np.log(mean) - 0.5, 1.0), 1.0)
