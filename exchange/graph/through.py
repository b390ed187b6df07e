"""One vector of values through a connection; a convolution in as few steps as it has taps, or places it makes."""

from __future__ import annotations

import itertools

import numpy as np

from ir.arrays import Array
from ir.connection import Connection, Conv2d, apply


def through(connection: Connection, values: Array) -> Array:
    """``W x`` in float64, (n_post,), for ``values`` of shape (n_pre,)."""
    if not isinstance(connection, Conv2d):
        return np.asarray(apply(connection, values), np.float64)
    c, (c_out, ho, wo) = connection, connection.out_shape
    (kh, kw), (sy, sx), (dy, dx) = c.weight.shape[2:], c.stride, c.dilation
    image = np.pad(values.astype(np.float64).reshape(c.in_shape), ((0, 0), *((p, p) for p in c.padding)))
    image = image.reshape(c.groups, -1, *image.shape[1:])
    kernel = c.weight.astype(np.float64).reshape(c.groups, c_out // c.groups, -1, kh, kw)
    out = np.zeros((c.groups, c_out // c.groups, ho, wo))
    if kh * kw <= ho * wo:
        for a, b in itertools.product(range(kh), range(kw)):
            seen = image[:, :, a * dy : a * dy + (ho - 1) * sy + 1 : sy, b * dx : b * dx + (wo - 1) * sx + 1 : sx]
            out += np.einsum("goi,gihw->gohw", kernel[..., a, b], seen)
    else:
        for y, x in itertools.product(range(ho), range(wo)):
            rows, columns = slice(y * sy, y * sy + (kh - 1) * dy + 1, dy), slice(x * sx, x * sx + (kw - 1) * dx + 1, dx)
            out[..., y, x] = np.einsum("goikl,gikl->go", kernel, image[:, :, rows, columns])
    return out.reshape(-1)
