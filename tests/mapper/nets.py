"""Small quantized networks that several tests of the mapper use."""

from __future__ import annotations

import numpy as np

from ir.connection import Conv2d, Dense, Sparse
from ir.network import Input
from ir.neurons import FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork


def dense(n_pre: int, n_post: int) -> QuantizedNetwork:
    weight = np.full((n_post, n_pre), 2, np.int32)
    return QuantizedNetwork(
        (Input("in", (n_pre,)),),
        (FixedPopulation("out", (n_post,)),),
        (FixedProjection("in", "out", Dense(weight)),),
        "out",
    )


def conv(side: int = 6) -> QuantizedNetwork:
    first = Conv2d(np.full((4, 2, 3, 3), 2, np.int32), (2, side, side), padding=(1, 1))
    pool = Conv2d(np.full((4, 1, 2, 2), 2, np.int32), (4, side, side), stride=(2, 2), groups=4)
    last = Dense(np.full((5, pool.n_post), 2, np.int32))
    blocks = (("c", first.out_shape), ("p", pool.out_shape), ("d", (5,)))
    return QuantizedNetwork(
        (Input("in", (2, side, side)),),
        tuple(FixedPopulation(name, shape, FixedLIF()) for name, shape in blocks),
        tuple(FixedProjection(*ends) for ends in (("in", "c", first), ("c", "p", pool), ("p", "d", last))),
        "d",
    )


def ring(n: int) -> QuantizedNetwork:
    """Neurons of which each sends to the next: no two are twins."""
    ahead = Sparse(np.arange(n + 1), np.roll(np.arange(n, dtype=np.int32), 1), np.full(n, 2, np.int32), n)
    into = FixedProjection("in", "a", Dense(np.full((n, 1), 2, np.int32)))
    return QuantizedNetwork(
        (Input("in", (1,)),), (FixedPopulation("a", (n,)),), (into, FixedProjection("a", "a", ahead)), "a"
    )
