"""The synapses of a network one by one, in pieces that fit memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ir.arrays import Array
from ir.connection import Connection, Conv2d, Sparse, synapses
from ir.graph import slices
from ir.quantized import QuantizedNetwork

PIECE = 4_000_000  # synapses of a sparse projection looked at at a time


def network_edges(network: QuantizedNetwork) -> Iterator[tuple[Array, Array]]:
    """Every synapse as (source, neuron) in global indices, inputs behind the neurons, in pieces."""
    at, inputs = slices(network.populations), slices(network.inputs)
    for e in network.projections:
        low = network.n_neurons + inputs[e.pre].start if e.pre in inputs else at[e.pre].start
        for first, piece in pieces(e.connection):
            pre, post, _ = synapses(piece)
            yield pre + low, post + (at[e.post].start + first)


def pieces(c: Connection) -> Iterator[tuple[int, Connection]]:
    """Cut a convolution into output channels and long lists into runs of targets, each with the first it drives."""
    if isinstance(c, Conv2d) and c.groups == 1:
        _, height, width = c.out_shape
        for channel in range(c.weight.shape[0]):
            kernel = c.weight[channel : channel + 1]
            yield channel * height * width, Conv2d(kernel, c.in_shape, c.stride, c.padding, c.dilation)
    elif isinstance(c, Sparse) and c.weight.size > PIECE:
        cuts = np.searchsorted(c.indptr, np.arange(0, c.weight.size + PIECE, PIECE)).clip(0, c.n_post)
        for first, last in pairwise(np.unique(cuts).tolist()):
            run = slice(int(c.indptr[first]), int(c.indptr[last]))
            start = c.indptr[first : last + 1] - c.indptr[first]
            yield first, Sparse(start, c.indices[run], c.weight[run], c.n_pre)
    else:
        yield 0, c
