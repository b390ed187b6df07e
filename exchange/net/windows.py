"""Convolutions and poolings of a lava-dl ``.net`` file, as slayer runs them."""

from __future__ import annotations

import numpy as np

from exchange.hdf5.tree import Tree, numbers
from exchange.net.keys import check_said, one, whole_numbers
from ir.arrays import Array
from ir.check import FormatError, require
from ir.compose import sparse_of
from ir.connection import Connection, Conv2d, synapses
from ir.layers import Window, sum_pool

Shape = tuple[int, ...]
Image = tuple[int, int, int]

MAX_SYNAPSES = 1 << 22
"""Listed one by one, of a pooling that reads two channels at once."""


def read_window(layer: Tree, who: str, kind: str, given: Shape, shape: Shape) -> Connection:
    """conv and pool: from an image of shape ``given`` to one of shape ``shape``, both (C, H, W)."""
    if len(given) != 3 or len(shape) != 3:
        raise FormatError(
            f"{who} maps {given or 'an unknown shape'} to {shape}; a {kind} needs (C, H, W) on both sides, "
            "from an input layer on"
        )
    weight = whole_numbers(numbers(layer, "weight", who), f"weight of {who}")
    require(
        weight.ndim in (4, 5) and weight.size > 0 and weight.size == int(np.prod(weight.shape[:4], dtype=object)),
        f"weight of {who} has shape {weight.shape}; give (C_out, C_in / groups, kh, kw)",
    )
    weight = weight.reshape(weight.shape[:4])
    image, out = (given[0], given[1], given[2]), (shape[0], shape[1], shape[2])
    stride, padding, dilation = (_pair(layer, k, who, d) for k, d in (("stride", 1), ("padding", 0), ("dilation", 1)))
    check_said(layer, who, {"kernelSize": weight.shape[2:], "inChannels": image[:1]})
    if kind == "pool":
        check_said(layer, who, {"outChannels": image[:1]})
        return _pool(who, weight, image, out, stride, padding, dilation)
    check_said(layer, who, {"outChannels": weight.shape[:1]})
    connection = Conv2d(weight, image, stride, padding, dilation, one(layer, "groups", who, 1))
    require(connection.out_shape == out, f"{who} says shape {out}, its kernel gives {connection.out_shape}")
    return connection


def _pair(layer: Tree, key: str, who: str, default: int) -> tuple[int, int]:
    given = numbers(layer, key, who, "iu").reshape(-1) if key in layer else np.array([default])
    require(given.size in (1, 2), f"{key} of {who} has {given.size} numbers; give two")
    return int(given[0]), int(given[-1])


def _pool(
    who: str,
    weight: Array,
    image: Image,
    shape: Image,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Connection:
    """One kernel for all channels, over sides that it need not divide.

    slayer (synapse/layer.py) appends as many zeros as the side modulo the kernel, and lets the window slide over the
    channels stacked on each other: where that reads two channels at once, so do we.
    """
    require(weight.shape[:2] == (1, 1), f"weight of pool {who} has shape {weight.shape}; give (1, 1, kh, kw)")
    channels, kernel = image[0], (int(weight.shape[2]), int(weight.shape[3]))
    rest = (image[1] % kernel[0], image[2] % kernel[1])
    tall = (1, channels * (image[1] + rest[0]), image[2] + rest[1])
    stacked = Conv2d(weight, tall, stride, padding, dilation)
    rows, columns = stacked.out_shape[1:]
    every = np.broadcast_to(weight, (channels, 1, *kernel))
    if rows % channels == 0 and (channels, rows // channels, columns) == shape:
        uneven = tuple((p, p + r) for p, r in zip(padding, rest))
        apart = sum_pool(who, image, kernel, stride, uneven, dilation=dilation)
        if _reads_one_channel(apart, shape, tall, dilation):
            return apart.connection(every)
        return _unstacked(who, stacked, image, rest)
    for ceil in (False, True):
        plain = sum_pool(who, image, kernel, stride, padding, ceil, dilation)
        if plain.out_shape == shape:
            return plain.connection(every)
    found = (channels, *plain.out_shape[1:])
    raise FormatError(f"{who} says shape {shape}, its kernel of {kernel} gives {found} of {image}; export it again")


def _reads_one_channel(apart: Window, shape: Image, tall: Image, dilation: tuple[int, int]) -> bool:
    """Whether the window that slides over stacked channels begins anew in each and ends in it."""
    if apart.out_shape != shape:
        return False
    if shape[0] == 1:
        return True
    height, span = tall[1] // shape[0], dilation[0] * (apart.own_kernel[0] - 1) + 1
    begins = shape[1] * apart.stride[0] == height
    return begins and (shape[1] - 1) * apart.stride[0] + span <= height


def _unstacked(who: str, stacked: Conv2d, image: Image, rest: tuple[int, int]) -> Connection:
    """The pooling over stacked channels as synapses from the channels themselves."""
    size = stacked.n_post * int(np.prod(stacked.weight.shape))
    require(size <= MAX_SYNAPSES, f"{who} reads over the borders of its channels; {size} synapses are too many to list")
    pre, post, weight = synapses(stacked)
    (channels, height, width), wide = image, image[2] + rest[1]
    row, column = np.divmod(pre, wide)
    channel, row = np.divmod(row, height + rest[0])
    real = (row < height) & (column < width)
    source = (channel * height + row) * width + column
    return sparse_of(source[real], post[real], weight[real], channels * height * width, stacked.n_post)
