"""A toy pass: synapses of weight 0 are left out, so that they take no memory. It changes no spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ir.connection import Connection, Dense, Sparse
from ir.quantized import QuantizedNetwork


def pruned(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with dense connections as sparse ones, without their zeros."""
    return replace(
        network, projections=tuple(replace(e, connection=_sparse(e.connection)) for e in network.projections)
    )


def _sparse(connection: Connection) -> Connection:
    if not isinstance(connection, Dense):
        return connection
    post, pre = np.nonzero(connection.weight)
    ends = np.cumsum(np.bincount(post, minlength=connection.n_post))
    return Sparse(np.append(0, ends), pre, connection.weight[post, pre], connection.n_pre)
