"""``W s`` in float32, each target's products added one by one in the order of its sources."""

from __future__ import annotations

import itertools

import numpy as np

from ir.arrays import Array
from ir.connection import Connection, Conv2d, Dense, Sparse

AT_ONCE = 1 << 17
"""Sums that are formed together: they stay in a processor's cache."""


def ordered_sums(connection: Connection, s: Array) -> Array:
    """``W s`` for s (R, n_pre), (R, n_post) float32; a row's result is a function of that row alone.

    Sources that are 0 in all rows of a piece are left out: they would add 0.
    """
    s = np.asarray(s, np.float32)
    out = np.zeros((len(s), connection.n_post), np.float32)
    rows = max(1, AT_ONCE // connection.n_post)
    with np.errstate(over="ignore", invalid="ignore"):
        for a in range(0, len(s), rows):
            _add(connection, s[a : a + rows], out[a : a + rows])
    return out


def _add(c: Connection, s: Array, out: Array) -> None:
    """Add a piece's products to its sums."""
    if isinstance(c, Dense):
        _dense(c, s, out)
    elif isinstance(c, Conv2d):
        _conv(c, s, out)
    else:
        _sparse(c, s, out)


def _dense(c: Dense, s: Array, out: Array) -> None:
    by_source = np.ascontiguousarray(c.weight.T, np.float32)
    product = np.empty_like(out)
    for i in np.flatnonzero(s.any(0)):
        np.multiply(s[:, i, None], by_source[i], out=product)
        out += product


def _conv(c: Conv2d, s: Array, out: Array) -> None:
    """Tap by tap, channel by channel; a place outside the image adds 0."""
    (c_out, ho, wo), (vertical, horizontal), (v, h) = c.out_shape, c.stride, c.dilation
    image = s.reshape(-1, *c.in_shape)
    image = np.pad(image, ((0, 0), (0, 0), *((p, p) for p in c.padding)))
    image = image.reshape(len(s), c.groups, -1, *image.shape[2:])
    weight = np.asarray(c.weight, np.float32).reshape(c.groups, c_out // c.groups, *c.weight.shape[1:])
    sums = out.reshape(len(s), c.groups, c_out // c.groups, ho, wo)
    product = np.empty_like(sums)
    for i, a, b in itertools.product(*map(range, c.weight.shape[1:])):
        rows = slice(a * v, a * v + (ho - 1) * vertical + 1, vertical)
        columns = slice(b * h, b * h + (wo - 1) * horizontal + 1, horizontal)
        seen = image[:, :, None, i, rows, columns]
        if seen.any():
            np.multiply(seen, weight[None, :, :, i, a, b, None, None], out=product)
            sums += product


def _sparse(c: Sparse, s: Array, out: Array) -> None:
    post = np.repeat(np.arange(c.n_post), np.diff(c.indptr))
    products = s[:, c.indices] * np.asarray(c.weight, np.float32)
    places = np.arange(len(s))[:, None] * c.n_post + post
    np.add.at(out.reshape(-1), places.reshape(-1), products.reshape(-1))  # one after the other
